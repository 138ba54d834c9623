"""A road to a server that breaks once, after so many bytes."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

PIECE = 64 * 1024


class Road(socketserver.ThreadingTCPServer):
    """Passes connections on to a port of this machine; one way counts, and is cut once."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, target: int, after: int, way: str) -> None:
        super().__init__(("127.0.0.1", 0), _Traveller)
        self.port = int(self.server_address[1])
        self.target = target
        self.after = after
        self.way = way
        self.carried = 0
        self.cuts = 0

    def pump(self, source: socket.socket, sink: socket.socket, way: str) -> None:
        """Carry one way until it ends or is cut; both ends are closed then."""
        with suppress(OSError):
            while data := source.recv(PIECE):
                sink.sendall(data)
                self.carried += len(data) if way == self.way else 0
                if self.carried >= self.after and not self.cuts:
                    self.cuts += 1
                    break
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class _Traveller(socketserver.BaseRequestHandler):
    server: Road

    def handle(self) -> None:
        with socket.create_connection(("127.0.0.1", self.server.target)) as upstream:
            down = threading.Thread(
                target=self.server.pump, args=(upstream, self.request, "down"), daemon=True
            )
            down.start()
            self.server.pump(self.request, upstream, "up")
            down.join()


@contextmanager
def cut_road(target: int, *, after: int, way: str = "up") -> Iterator[Road]:
    """Serve the road until the block ends."""
    with Road(target, after, way) as road:
        thread = threading.Thread(target=road.serve_forever, daemon=True)
        thread.start()
        try:
            yield road
        finally:
            road.shutdown()
            thread.join()
