"""One request on its way through the front door: body limit, response headers, lost clients.

Stands between the server and a service; both see an ordinary ASGI receive and send.
"""

from __future__ import annotations

import asyncio

from starlette.types import Message, Receive, Send

from gavan.core.gateway.answers import BodyTooLarge
from gavan.core.gateway.cors import Headers

# A client that is gone is looked for only when a request takes this long, at most twice as long:
# most never do.
WATCH_AFTER_S = 0.5


class Exchange:
    """Count what passes and remember the status.

    ``is_abandoned`` turns true when the client went away; the task that serves it is cancelled,
    which cancels its statement in Postgres.
    """

    __slots__ = (
        "_body_done",
        "_extra",
        "_has_body",
        "_receive",
        "_send",
        "_task",
        "_watcher",
        "is_abandoned",
        "is_finished",
        "is_too_large",
        "limit_bytes",
        "received_bytes",
        "sent_bytes",
        "status",
    )

    def __init__(self, receive: Receive, send: Send, extra: Headers, limit_bytes: int) -> None:
        self._receive = receive
        self._send = send
        self._extra = extra
        self.limit_bytes = limit_bytes
        self._body_done = False
        self._task: asyncio.Task[object] | None = None
        self._has_body = False
        self._watcher: asyncio.Task[None] | None = None
        self.is_abandoned = False
        self.is_finished = False
        self.is_too_large = False
        self.received_bytes = self.sent_bytes = self.status = 0

    async def receive(self) -> Message:
        """Pass a message on; raise BodyTooLarge when the body goes over the limit."""
        if self._watcher is not None and not self._body_done:
            self._body_done = True  # the watcher took the empty body of a request without one
            return {"type": "http.request", "body": b"", "more_body": False}
        message = await self._receive()
        if message["type"] == "http.request":
            self.received_bytes += len(message.get("body", b""))
            if self.received_bytes > self.limit_bytes:
                self.is_too_large = True
                raise BodyTooLarge(self.limit_bytes)
            if not message.get("more_body", False):
                self._body_done = True
        return message

    async def send(self, message: Message) -> None:
        """Pass a message on, with the front door's headers on the first one."""
        if self.is_too_large and not self.status:
            return  # whatever the service makes of it, the front door answers 413
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), *self._extra]
        else:
            self.sent_bytes += len(message.get("body", b""))
            self.is_finished = not message.get("more_body", False)
        await self._send(message)

    def begin(self, *, has_body: bool) -> None:
        """Remember the task that serves the request, to be cancelled when the client is gone."""
        self._task = asyncio.current_task()
        self._has_body = has_body

    def close(self) -> None:
        """Stop looking for a lost client."""
        if self._watcher is not None:
            self._watcher.cancel()

    def look(self) -> None:
        """Begin to look for a lost client, unless the service is still reading."""
        if self._watcher is None and (self._body_done or not self._has_body):
            self._watcher = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self.is_finished and self._task is not None:
            self.is_abandoned = True
            self._task.cancel()


class LongRequests:
    """Has the exchanges of requests that take long looked after; all share one timer."""

    def __init__(self) -> None:
        self._begun_at: dict[Exchange, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, exchange: Exchange) -> None:
        """Begin to count the time of a request."""
        loop = asyncio.get_running_loop()
        self._begun_at[exchange] = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(WATCH_AFTER_S, self._look)

    def discard(self, exchange: Exchange) -> None:
        """Forget a request."""
        self._begun_at.pop(exchange, None)

    def _look(self) -> None:
        self._timer = None
        if not self._begun_at:
            return
        loop = asyncio.get_running_loop()
        for exchange, begun_at in self._begun_at.items():
            if loop.time() - begun_at >= WATCH_AFTER_S:
                exchange.look()
        self._timer = loop.call_later(WATCH_AFTER_S, self._look)
