"""One channel of the running core, as a client of version 1.0.0 joins it; blocking."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret

HEARTBEAT_S = 25.0
OPEN_S = 10.0
RETRY_S = 1.0
MESSAGE_BYTES = 16 * 1024 * 1024
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What to join: a topic without its prefix, and the config of the join."""

    url: str
    token: Secret
    topic: str
    config: Json


def events(wish: Wish) -> Iterator[tuple[str, Json]]:
    """Yield (event, payload) for ever, across restarts of the core; ``lost`` tells of a break.

    Raises:
        GavanError: GV240, nothing answers at first; GV250, the core refuses the join.
    """
    has_joined = False
    while True:
        try:
            with _open(wish) as socket:
                for event, payload in _read(socket, wish):
                    has_joined = True
                    yield event, payload
        except (OSError, TimeoutError, ConnectionClosed, InvalidStatus) as error:
            if not has_joined:
                raise _unreachable(wish, error) from error
            yield "lost", {"why": str(error)}
            time.sleep(RETRY_S)


def _open(wish: Wish) -> Connection:
    address = wish.url.replace("http", "ws", 1) + "/realtime/v1/websocket"
    query = urlencode({"apikey": wish.token.reveal(), "vsn": "1.0.0"})
    return connect(
        f"{address}?{query}",
        open_timeout=OPEN_S,
        max_size=MESSAGE_BYTES,
        compression=None,
        proxy=None,
    )


def _read(socket: Connection, wish: Wish) -> Iterator[tuple[str, Json]]:
    topic = f"realtime:{wish.topic}"
    _send(socket, topic, "phx_join", {"config": wish.config}, ref="1")
    beat_at = time.monotonic() + HEARTBEAT_S
    while True:
        left = beat_at - time.monotonic()
        if left <= 0:
            _send(socket, "phoenix", "heartbeat", {}, ref="beat")
            beat_at = time.monotonic() + HEARTBEAT_S
            continue
        with suppress(TimeoutError):
            message = json.loads(socket.recv(timeout=left))
            if message["topic"] == topic:
                yield _event(message)


def _event(message: Json) -> tuple[str, Json]:
    payload = message["payload"]
    if message["event"] == "phx_reply" and payload.get("status") == "error":
        reason = payload.get("response", {}).get("reason", "no reason")
        raise _refused(str(reason))
    if message["event"] == "system" and payload.get("status") == "error":
        raise _refused(str(payload.get("message")))
    return message["event"], payload


def _send(socket: Connection, topic: str, event: str, payload: Json, ref: str) -> None:
    frame = {"topic": topic, "event": event, "payload": payload, "ref": ref, "join_ref": "1"}
    socket.send(json.dumps(frame))


def _refused(reason: str) -> GavanError:
    return GavanError(
        "GV250",
        f"the core refuses to be watched: {reason}",
        hint="a table has to be in the publication: "
        "alter publication supabase_realtime add table NAME",
    )


def _unreachable(wish: Wish, error: Exception) -> GavanError:
    # Its text may hold the address, and with it the token.
    return GavanError(
        "GV240",
        f"no realtime service answers at {wish.url}",
        details=type(error).__name__,
        hint="start the stack: gavan up, or look: gavan status",
        exit_code=3,
    )
