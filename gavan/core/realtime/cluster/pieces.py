"""Cut messages to what a notification holds, and put them together again. Pure.

A notification holds less than 8,000 bytes (PostgreSQL manual, NOTIFY). Each piece begins with who
sends, the number of the message, of the piece, and of all its pieces.
"""

from __future__ import annotations

from collections.abc import Iterator

PIECE_BYTES = 7_800
WIDEST_BYTES = 4
OPEN_MESSAGES = 64


def cut(sender: str, number: int, text: str) -> list[str]:
    """Return the pieces of a message."""
    parts = list(_parts(text))
    head = f"{sender} {number}"
    return [f"{head} {place} {len(parts)} {part}" for place, part in enumerate(parts)]


class Joiner:
    """Puts the pieces of one listener together; pieces of one message come in order."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], list[str]] = {}

    def add(self, piece: str) -> tuple[str, str] | None:
        """Return sender and text when a message is complete."""
        try:
            sender, number, place, count, part = piece.split(" ", 4)
            key, at, total = (sender, number), int(place), int(count)
        except ValueError:
            return None  # somebody else's notification
        if total == 1:
            return sender, part
        parts = self._open.setdefault(key, [])
        if len(parts) != at:
            del self._open[key]
            return None
        parts.append(part)
        if at + 1 == total:
            return sender, "".join(self._open.pop(key))
        if len(self._open) > OPEN_MESSAGES:
            # Its sender died in the middle.
            del self._open[next(iter(self._open))]
        return None


def _parts(text: str) -> Iterator[str]:
    step = PIECE_BYTES if text.isascii() else PIECE_BYTES // WIDEST_BYTES
    for start in range(0, len(text), step):
        yield text[start : start + step]
