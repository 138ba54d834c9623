"""How long ago something was, in words."""

from __future__ import annotations

from datetime import timedelta

_UNITS = (("d", 86400), ("h", 3600), ("min", 60))


def age(past: timedelta) -> str:
    """Return 40 s, 12 min, 5 h, 3 d."""
    seconds = max(0.0, past.total_seconds())
    for unit, length in _UNITS:
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
