"""Close connections whose body nobody will read: a refused upload must not be taken in to its end.

Stands between the front door and the rooms. The front door lets the client finish its sentence.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

DRAINED_BYTES = 64 * 1024
"""A body up to this size is read to its end, so that the connection can be used again"""


async def close_unread(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve a request; answer ``Connection: close`` when much of its body is left by then, or when
    the client waits to be asked for it: it may never send it, and begin another request instead."""
    if not _may_stay(scope):
        await app(scope, receive, send)
        return
    is_read = False

    async def watched_receive() -> Message:
        nonlocal is_read
        message = await receive()
        is_read = is_read or not message.get("more_body", False)
        return message

    async def closing_send(message: Message) -> None:
        if message["type"] == "http.response.start" and not is_read:
            message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
        await send(message)

    await app(scope, watched_receive, closing_send)


def _may_stay(scope: Scope) -> bool:
    headers = dict(scope["headers"])
    if headers.get(b"expect", b"").lower() == b"100-continue":
        return True
    length = headers.get(b"content-length", b"")
    return b"transfer-encoding" in headers or (length.isdigit() and int(length) > DRAINED_BYTES)
