"""What the realtime service is told, by ``REALTIME_*``; the plan writes it from [core.realtime]."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gavan.core.realtime.limits import Limits
from gavan.kit.errors import GavanError

PREFIX = "REALTIME_"
_NUMBERS = {
    "MAX_CONCURRENT_USERS": ("connections", 1),
    "MAX_CHANNELS_PER_CLIENT": ("channels_per_socket", 1),
    "MAX_JOINS_PER_SECOND": ("joins_per_s", 1),
    "MAX_EVENTS_PER_SECOND": ("messages_per_s", 1),
    "MAX_PRESENCE_EVENTS_PER_SECOND": ("presence_messages_per_s", 1),
    "MAX_PAYLOAD_SIZE_IN_KB": ("broadcast_bytes", 1000),
}
_FLAGS = {"PRIVATE_ONLY": ("is_private_only", "true"), "SLOT": ("is_durable", "durable")}


def read_limits(environ: Mapping[str, str] = os.environ) -> Limits:
    """Return the limits; raise GavanError GV702 naming every variable that is no number."""
    found: dict[str, Any] = {}
    problems = []
    for name, (field, factor) in _NUMBERS.items():
        text = environ.get(PREFIX + name, "")
        if text.isdecimal() and int(text):
            found[field] = int(text) * factor
        elif text:
            problems.append(PREFIX + name)
    if problems:
        raise GavanError(
            "GV702", f"the realtime service needs numbers in {', '.join(problems)}", exit_code=2
        )
    for name, (field, word) in _FLAGS.items():
        found[field] = environ.get(PREFIX + name, "") == word
    return replace(Limits(), **found)
