"""One sender, many listeners: run as a process of its own, tells its figures as JSON."""

from __future__ import annotations

import argparse
import json
import sys
import time

import psutil

from bench.machine import cpu_s
from bench.realtime.wire import (
    Listeners,
    await_bytes,
    broadcast_frame,
    frame_of,
    join_frame,
    open_socket,
)
from bench.rest.load import LoadFailed


def main() -> int:
    """Open the sockets, send bursts, count what comes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--pid", type=int, required=True, help="of the server")
    parser.add_argument("--bare", action="store_true", help="no joins: the server relays bytes")
    parser.add_argument("--listeners", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--burst", type=int, default=1, help="broadcasts at once")
    parser.add_argument("--body", type=int, default=200)
    options = parser.parse_args()
    try:
        found = run(options)
    except LoadFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    print(json.dumps(found))
    return 0


def run(options: argparse.Namespace) -> dict[str, float]:
    """Return deliveries, the seconds they took, and those of the server's processor."""
    opened = [open_socket(options.port, options.path) for _ in range(options.listeners + 1)]
    if options.bare:
        message = frame_of(bytes(options.body), 2)
    else:
        message = broadcast_frame(options.body)
        for one in opened:
            one.sendall(join_frame())
            await_bytes(one, b'"ok"')
    sender = opened[0]
    listeners = Listeners({one.fileno(): one for one in opened[1:]})
    listeners.settle()
    sender.sendall(message)
    frame_bytes = len(listeners.settle())
    server = psutil.Process(options.pid)
    round_bytes = options.listeners * options.burst * frame_bytes
    rounds, spent, began = 0, cpu_s(server), time.perf_counter()
    while time.perf_counter() - began < options.seconds:
        sender.sendall(message * options.burst)
        rounds += 1
        listeners.count_until(rounds * round_bytes)
    took, used = time.perf_counter() - began, cpu_s(server) - spent
    listeners.close()
    return {"deliveries": rounds * options.burst * options.listeners, "took_s": took, "cpu_s": used}


if __name__ == "__main__":
    sys.exit(main())
