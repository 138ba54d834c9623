"""Read a duration as Go writes it, ``1h30m``; pure."""

from __future__ import annotations

import re

_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")


def parse_duration_s(text: str) -> float:
    """Return seconds; raise ValueError for anything that is not a positive Go duration."""
    total, end = 0.0, 0
    for match in _PART.finditer(text):
        if match.start() != end:
            break
        total += float(match.group(1)) * _UNITS_S[match.group(2)]
        end = match.end()
    if not text or end != len(text):
        raise ValueError(f"{text!r} is not a duration such as 24h")
    return total
