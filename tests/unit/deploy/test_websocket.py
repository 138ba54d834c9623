"""A websocket is opened and pinged as a browser would, and what is wrong with it is told."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.http11 import Request
from websockets.sync.server import ServerConnection, serve
from websockets.utils import accept_key

from gavan.deploy import questions
from gavan.deploy.onhost import asking, smoke
from gavan.deploy.onhost.failure import Failure
from gavan.stack.load import load
from tests.ports import free_port
from tests.unit.deploy.test_questions import stack_of

Talk = Callable[[ServerConnection], None]


@contextmanager
def sockets(talk: Talk, seen: list[str]) -> Iterator[int]:
    """Serve websockets on a free port; ``talk`` has each of them, ``seen`` what they asked."""

    def note(_: ServerConnection, request: Request) -> None:
        seen.append(request.path)

    with serve(talk, "127.0.0.1", 0, process_request=note) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.socket.getsockname()[1]
        finally:
            server.shutdown()
            thread.join()


def accepted(asked: str) -> bytes:
    key = next(line for line in asked.splitlines() if line.startswith("Sec-WebSocket-Key"))
    told = accept_key(key.partition(": ")[2])
    return f"HTTP/1.1 101 Go\r\nSec-WebSocket-Accept: {told}\r\n\r\n".encode()


@contextmanager
def lines(answer: bytes, *, opens: bool = False) -> Iterator[int]:
    """Answer one connection with these bytes, whatever it asks; after a handshake if it opens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def run() -> None:
            connection, _ = listening.accept()
            with connection:
                asked = connection.recv(4096).decode()
                connection.sendall((accepted(asked) if opens else b"") + answer)
                # What is unread at a close would cut off what was said.
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(4096):
                    pass

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            thread.join()


def why(port: int, **more: Any) -> str:
    asked = {"name": "live", "kind": "websocket", "host": "localhost", "path": "/live?v=1",
             "tls": False, "port": port, **more}  # fmt: skip
    try:
        smoke.check(asked, 0.0, asking.HERE)
    except Failure as failure:
        return f"{failure.message} {failure.details}"
    return ""


def test_one_that_answers_a_ping_is_well_whatever_else_it_says_before() -> None:
    seen: list[str] = []

    def talk(connection: ServerConnection) -> None:
        connection.send("x" * 70_000)
        connection.send("y" * 300)
        for _ in connection:
            pass

    with sockets(talk, seen) as port:
        assert why(port) == ""
        assert why(port, key="a key&b") == ""
    assert seen == ["/live?v=1", "/live?v=1&apikey=a%20key%26b"]


def test_one_that_closes_at_once_is_told_with_its_code() -> None:
    with lines(b"\x88\x02" + struct.pack("!H", 4401), opens=True) as port:
        assert "code 4401" in why(port)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"\x81", "middle of a frame"),
        (b"\x81\x7f" + b"\xff" * 8, "a frame of"),
        (b"\x81\x00" * 50, "does not answer a ping"),
    ],
)
def test_one_that_never_answers_the_ping_is_not_waited_for(answer: bytes, said: str) -> None:
    with lines(answer, opens=True) as port:
        assert said in why(port)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 401 No\r\nContent-Length: 5\r\n\r\nno ke", "status 401"),
        (b"HTTP/1.1 404 No\r\nContent-Length: x\r\n\r\n", "status 404"),
        (b"HTTP/1.1 101 Go\r\nSec-WebSocket-Accept: made-up\r\n\r\n", "without having read"),
        (b"", "status none"),
    ],
)
def test_what_is_no_websocket_is_told_as_what_it_is(answer: bytes, said: str) -> None:
    with lines(answer) as port:
        assert said in why(port, key="very-private")


def test_the_key_is_in_no_message() -> None:
    with lines(b"HTTP/1.1 401 No\r\n\r\n") as port:
        assert "very-private" not in why(port, key="very-private")
    assert "Refused" in why(free_port(), key="very-private")


def test_the_server_asks_realtime_with_its_key_and_nobody_else_does(tmp_path: Path) -> None:
    asked = questions.on_the_way(stack_of(tmp_path))
    [realtime] = [one for one in asked if one["name"] == "realtime"]
    assert (realtime["kind"], realtime["key_of"]) == ("websocket", "ANON_KEY")
    assert realtime not in questions.without_keys(asked)
    assert len(questions.without_keys(asked)) == len(asked) - 1


@pytest.mark.parametrize(("scheme", "tls"), [("wss", True), ("ws", False)])
def test_a_question_of_ones_own_may_be_a_websocket(tmp_path: Path, scheme: str, tls: bool) -> None:
    url = f"{scheme}://api.pier.example/live"
    text = '[stack]\nname = "pier"\n[[deploy.smoke]]\nname = "live"\nurl = "{}"\n{}'
    asked = questions.on_the_way(stack_of(tmp_path, text.format(url, "")))
    assert [(one["kind"], one["tls"]) for one in asked if one["name"] == "live"] == [
        ("websocket", tls)
    ]
    file = tmp_path / "gavan.toml"
    file.write_text(text.format(url, 'contains = "hits"\n'))
    assert [finding.code for finding in load(file, environ={}).findings] == ["GV168"]
