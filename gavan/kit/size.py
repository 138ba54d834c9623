"""Bytes as people read them; every part that shows a size spells it so."""

from __future__ import annotations

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def in_bytes(size: int) -> str:
    """Return a size as people read it."""
    power = min(max(abs(size).bit_length() - 1, 0) // 10, len(_UNITS) - 1)
    return f"{size} B" if power == 0 else f"{size / 1024**power:.1f} {_UNITS[power]}"
