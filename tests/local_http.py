"""A small HTTP server of this machine that plays an outside service: it records and answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One request; header names in small letters."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


Answer = Callable[[Heard], Reply]


@dataclass(slots=True)
class LocalServer:
    """What it heard, and where it listens."""

    url: str
    heard: list[Heard] = field(default_factory=list)


@contextmanager
def local_server(answer: Answer, host: str = "127.0.0.1") -> Iterator[LocalServer]:
    """Listen on a free port of an address of this machine until the block ends."""
    with ThreadingHTTPServer((host, 0), _handler(answer)) as server:
        listening = LocalServer(f"http://{host}:{server.server_address[1]}")
        server.listening = listening  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield listening
        finally:
            server.shutdown()
            thread.join()


def _handler(answer: Answer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("content-length", "0"))
            heard = Heard(
                method=self.command,
                path=self.path,
                headers={name.lower(): value for name, value in self.headers.items()},
                body=self.rfile.read(length),
            )
            self.server.listening.heard.append(heard)  # type: ignore[attr-defined]
            reply = answer(heard)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = do_PUT = do_DELETE = _serve

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler
