"""What a channel hears from its room: held back until its join is answered, nothing twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gavan.core.realtime.codec import Framed


class Intake:
    """Passes frames on to ``send`` once it is open.

    A client that asked for stored messages is in the room before they are read, so that none is
    lost in between; what is stored and comes live too carries one id.
    """

    def __init__(self, send: Callable[[Framed], None]) -> None:
        self._send = send
        self._held: list[tuple[Framed, str | None]] | None = []
        self._known: frozenset[str] = frozenset()

    def take(self, frame: Framed, message_id: str | None = None) -> None:
        """Pass a frame on, or hold it; one whose id is known is dropped."""
        if self._held is not None:
            self._held.append((frame, message_id))
        elif message_id is None or message_id not in self._known:
            self._send(frame)

    def open(self, known: Iterable[str] = ()) -> None:
        """Let everything through, but what has these ids."""
        held, self._held = self._held or [], None
        self._known = frozenset(known)
        for frame, message_id in held:
            self.take(frame, message_id)
