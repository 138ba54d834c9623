"""The generators as processes beside the servers, and what they find."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass

from bench.realtime.servers import Target
from bench.realtime.wire import open_socket
from bench.rest.load import LoadFailed
from bench.rest.scale.figures import rss_mb

CLIENTS = 2
WARM_UP = 50
SETTLE_S = 2.0


@dataclass(frozen=True, slots=True)
class FanOut:
    """Deliveries of one sender's broadcasts: for each second of the clock, and of a core."""

    per_s: float
    per_core_s: float


@dataclass(frozen=True, slots=True)
class Idle:
    """Sockets that joined and are silent."""

    sockets: int
    kb_each: float
    whole_mb: float


def fan_out(target: Target, *, listeners: int, burst: int, seconds: float) -> FanOut:
    """Broadcast to many listeners, ``burst`` messages at once; raise LoadFailed."""
    argv = [
        *(sys.executable, "-m", "bench.realtime.fan_out"),
        *("--port", str(target.port), "--path", target.path, "--pid", str(target.process.pid)),
        *("--listeners", str(listeners), "--burst", str(burst), "--seconds", str(seconds)),
        *(["--bare"] if target.is_bare else []),
    ]
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode:
        raise LoadFailed(f"{target.name}: {done.stderr}")
    found = json.loads(done.stdout)
    return FanOut(
        found["deliveries"] / found["took_s"], found["deliveries"] / max(found["cpu_s"], 0.01)
    )


def idle(target: Target, sockets: int) -> Idle:
    """Hold many sockets from several processes and weigh the server; raise LoadFailed."""
    for _ in range(WARM_UP):
        open_socket(target.port, target.path).close()
    time.sleep(SETTLE_S)
    before_mb = rss_mb(target.process)
    each = sockets // CLIENTS
    with ExitStack() as stack:
        clients = []
        for number in range(CLIENTS):
            argv = [
                *(sys.executable, "-m", "bench.realtime.idle"),
                *("--port", str(target.port), "--path", target.path),
                *("--sockets", str(each), "--first", str(number * each)),
            ]
            client = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(client)
            clients.append(client)
        for client in clients:
            assert client.stdout is not None
            assert client.stderr is not None
            if client.stdout.readline().strip() != "open":
                raise LoadFailed(f"{target.name}: {client.stderr.read()}")
        time.sleep(SETTLE_S)
        held_mb = rss_mb(target.process)
    return Idle(each * CLIENTS, (held_mb - before_mb) * 1024 / (each * CLIENTS), held_mb)
