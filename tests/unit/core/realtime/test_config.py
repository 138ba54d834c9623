"""What the environment says becomes the limits, and what it says nothing of stays."""

from __future__ import annotations

import pytest

from gavan.core.realtime.config import read_limits
from gavan.core.realtime.limits import Limits
from gavan.kit.errors import GavanError


def test_nothing_said_are_the_defaults() -> None:
    assert read_limits({}) == Limits()


def test_what_is_no_number_is_named() -> None:
    with pytest.raises(GavanError, match="REALTIME_MAX_PAYLOAD_SIZE_IN_KB"):
        read_limits(
            {"REALTIME_MAX_PAYLOAD_SIZE_IN_KB": "3MB", "REALTIME_MAX_JOINS_PER_SECOND": "7"}
        )
