"""Answers the front door gives by itself; errors are JSON and never carry a stack trace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from starlette.types import Send

from gavan.kit.errors import GavanError

JSON = (b"content-type", b"application/json; charset=utf-8")
NO_STORE = (b"cache-control", b"no-store")


class BodyTooLarge(GavanError):
    """The request body is over the limit."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            "GV710",
            f"the request body is larger than {limit_bytes} bytes",
            hint="send less at a time, or raise GAVAN_MAX_BODY_BYTES",
            status=413,
        )


def not_found(path: str) -> GavanError:
    """Return the error of a path that nothing serves."""
    return GavanError(
        "GV711",
        f"nothing is served at {path}",
        hint="the services are /rest/v1, /auth/v1 and /realtime/v1",
        status=404,
    )


def not_ready(service: str) -> GavanError:
    """Return the error of a service that has not started yet."""
    return GavanError(
        "GV712",
        f"the service {service} is starting",
        details="its database cannot be reached yet",
        hint="try again in a second; gavan status shows what it waits for",
        status=503,
    )


def unexpected() -> GavanError:
    """Return the error of a defect; the log line of the same request id tells the rest."""
    return GavanError(
        "GV713", "an unexpected error happened", hint="the log of this request id says more"
    )


async def send_error(
    send: Send, error: GavanError, headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    """Answer with an error in the shape code, message, details, hint."""
    body = {
        "code": error.code,
        "message": error.message,
        "details": error.details,
        "hint": error.hint,
    }
    await send_json(send, error.status, body, headers)


async def send_json(
    send: Send,
    status: int,
    body: Mapping[str, Any],
    headers: Iterable[tuple[bytes, bytes]] = (),
) -> None:
    """Answer with a JSON body."""
    await send_bytes(send, status, orjson.dumps(body), [JSON, *headers])


async def send_bytes(
    send: Send, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    """Answer with a whole body; the server leaves it out when the method was HEAD."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body})
