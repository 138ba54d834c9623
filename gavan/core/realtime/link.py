"""What a channel may ask of its socket: the narrow side that faces down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from gavan.core.realtime.codec import Framed, Version


class Link(Protocol):
    """One connected client, as its channels see it."""

    @property
    def version(self) -> Version:
        """Serializer of the socket."""

    @property
    def key(self) -> str:
        """The key or token the socket was opened with."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Request headers of the upgrade."""

    @property
    def is_leaving(self) -> bool:
        """The server ends and the socket with it."""

    def send(self, frame: Framed) -> None:
        """Queue a frame; never wait."""

    def close(self, code: int) -> None:
        """Close the whole socket once the queued frames are written."""
