"""Upload one file again and again over connections that stay open, each time under a new name.

The kernel sends the bytes out of its page cache: wrk would put a request of a megabyte together in
its script first, and take a sixth of the machine from the server for it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from bench.rest.load import LoadFailed
from bench.storage.servers import Target

ANSWER_S = 30


class Sender:
    """One connection to one server; ``took_s`` are the times of its uploads so far."""

    def __init__(self, target: Target, file: BinaryIO, length: int, names: Iterator[str]) -> None:
        if target.put is None:
            raise ValueError(f"{target.name} takes nothing")
        self._method, url = target.put
        where = urlsplit(url)
        self._name, self._path = target.name, where.path
        self._headers = {**target.headers, "Content-Length": str(length)}
        self._file, self._names = file, names
        self._connection = HTTPConnection(where.netloc, timeout=ANSWER_S)
        self._connection.connect()
        self.took_s: list[float] = []

    def send(self) -> None:
        """Store the file; raise LoadFailed unless it is stored."""
        began, connection = time.perf_counter(), self._connection
        connection.putrequest(self._method, self._path.format(name=next(self._names)))
        for name, text in self._headers.items():
            connection.putheader(name, text)
        connection.endheaders()
        connection.sock.sendfile(self._file)
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != 200:
            raise LoadFailed(f"{self._name}: {answer.status} {said!r}")
        self.took_s.append(time.perf_counter() - began)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@contextmanager
def senders(target: Target, file: Path, prefix: str, many: int) -> Iterator[Sequence[Sender]]:
    """Open connections that share the new names, which begin with ``prefix``."""
    names = map(f"{prefix}-{{}}".format, count())  # no generator: those serve one thread at a time
    with ExitStack() as stack:
        files = [stack.enter_context(file.open("rb")) for _ in range(many)]
        made = [Sender(target, one, file.stat().st_size, names) for one in files]
        for sender in made:
            stack.callback(sender.close)
        yield made
