"""Free TCP ports for servers that tests start, stop and start again."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

# Below the range from which Linux takes the source ports of outgoing connections: a port in that
# range can be lost while its server is down, even to a client that retries it and meets itself.
FIRST, LAST = 20000, 32000


def free_port() -> int:
    """Return a port of the loopback that nobody listens on now.

    Tests run in several processes, and a port is taken some time before its server listens: all
    processes of a user take from one sequence, so that a port comes again only after all others.
    """
    while True:
        port = _next_port()
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def _next_port() -> int:
    """Return the port after the one that was given out last, and write it down."""
    sequence = Path(tempfile.gettempdir()) / f"gavan-test-port-{os.geteuid()}"
    with sequence.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        last = int(file.read() or random.SystemRandom().randint(FIRST, LAST))
        port = last + 1 if last < LAST else FIRST
        file.truncate(0)
        file.write(str(port))
    return port
