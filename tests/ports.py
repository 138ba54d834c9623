"""Free TCP ports for servers that tests start, stop and start again."""

from __future__ import annotations

import random
import socket

# Below the range from which Linux takes the source ports of outgoing connections: a port in that
# range can be lost while its server is down, even to a client that retries it and meets itself.
FIRST, LAST = 20000, 32000
_random = random.SystemRandom()


def free_port() -> int:
    """Return a port of the loopback that nobody listens on now."""
    while True:
        port = _random.randint(FIRST, LAST)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
