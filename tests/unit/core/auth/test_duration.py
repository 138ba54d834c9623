"""Durations as Go writes them."""

from __future__ import annotations

import pytest

from gavan.core.auth.duration import parse_duration_s


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("24h", 86400), ("1h30m", 5400), ("1.5h", 5400), ("10s500ms", 10.5), (".5m", 30)],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert parse_duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "24", "h", "-1h", "1h ", "1d", "none", "1h2"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration_s(text)
