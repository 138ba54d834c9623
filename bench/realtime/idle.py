"""Sockets that have joined and are silent: run as a process of its own, holds them until told."""

from __future__ import annotations

import argparse
import resource
import sys

from bench.realtime.wire import await_bytes, join_frame, open_socket
from bench.rest.load import LoadFailed

ROOMS = 100
SPARE_FILES = 100


def main() -> int:
    """Open the sockets, say so, and hold them until the standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--sockets", type=int, required=True)
    parser.add_argument("--first", type=int, required=True, help="number of the first of them")
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < options.sockets + SPARE_FILES:
        sys.stderr.write(f"ulimit -Hn {options.sockets + SPARE_FILES}\n")
        return 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    held = []
    try:
        for number in range(options.first, options.first + options.sockets):
            one = open_socket(options.port, options.path, number)
            held.append(one)
            one.sendall(join_frame(topic=f"realtime:bench-{number % ROOMS}"))
            await_bytes(one, b'"ok"')
    except (LoadFailed, OSError) as error:
        sys.stderr.write(f"after {len(held)} sockets: {error}\n")
        return 1
    print("open", flush=True)
    sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
