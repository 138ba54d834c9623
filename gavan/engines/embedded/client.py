"""The verbs' side of the control socket, blocking: one request, one answer, or a stream of changes.

Stands in the command-line process; `control.py` is the other side.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from gavan.kit.errors import GavanError

CONNECT_S = 2.0


class Client:
    """A connection to the supervisor of a stack."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def ask(self, do: str, **more: Any) -> dict[str, Any]:
        """Send a request and return its answer; raise the GavanError that the supervisor sent."""
        self._connection.sendall(json.dumps({"do": do, **more}).encode() + b"\n")
        answer = self._line()
        if answer is None:
            raise GavanError("GV226", "the supervisor ended before it answered", exit_code=3)
        if not answer["ok"]:
            error = answer["error"]
            raise GavanError(
                error["code"], error["message"], hint=error["hint"], exit_code=error["exit_code"]
            )
        return answer

    def watch(self, timeout_s: float | None = None) -> Iterator[dict[str, Any] | None]:
        """Yield the whole state, then every change; None when ``timeout_s`` passed without one.

        Ends when the supervisor is gone.
        """
        self._connection.sendall(b'{"do": "watch"}\n')
        self._connection.settimeout(timeout_s)
        while True:
            try:
                message = self._line()
            except TimeoutError:
                yield None
                continue
            if message is None:
                return
            yield message

    def _line(self) -> dict[str, Any] | None:
        while b"\n" not in self._buffer:
            try:
                chunk = self._connection.recv(65536)
            except ConnectionResetError:
                return None
            if not chunk:
                return None
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return dict(json.loads(line))


def connect(path: Path) -> Client | None:
    """Return a connection, or None when nobody listens.

    Raises GavanError GV227 when the stack runs as another user.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(CONNECT_S)
    try:
        connection.connect(str(path))
    except PermissionError as error:
        connection.close()
        raise GavanError(
            "GV227", f"the stack runs as another user ({path})", exit_code=4
        ) from error
    except OSError:
        connection.close()
        return None
    connection.settimeout(None)
    return Client(connection)
