"""The bytes of one request on their way to the provider, as many as there is room for."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request

from gavan.core.storage.resumable.turns import Turn


class Arriving:
    """Iterate once; however the stream ends, the bytes that came are good and are kept.

    Afterwards ``is_cut`` says that the client left, ``is_over`` that it sent more than ``room``
    bytes, and ``is_stopped`` that another request wanted the upload.
    """

    def __init__(self, request: Request, room: int, turn: Turn) -> None:
        self._request = request
        self._room = room
        self._turn = turn
        self.is_cut = self.is_over = self.is_stopped = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        stream = self._request.stream()
        while True:
            try:
                chunk = await self._turn.wait_for(anext(stream))
            except StopAsyncIteration:
                return
            except ClientDisconnect:
                self.is_cut = True
                return
            except TimeoutError:
                self.is_stopped = True
                return
            self._room -= len(chunk)
            if self._room < 0:
                self.is_over = True
                return
            if chunk:
                yield chunk
