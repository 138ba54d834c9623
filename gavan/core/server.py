"""The HTTP server under the front door: uvicorn, with the sizes and times of this project."""

from __future__ import annotations

import signal
from types import FrameType

import uvicorn

from gavan.core.connection_limit import ConnectionLimit
from gavan.core.frame_socket import FrameSocket
from gavan.core.gateway.app import Gateway
from gavan.core.listening import ANY_HOST, Address, bind, room_for_connections
from gavan.core.settings import Settings

GRACE_S = 3
"""Longer than FrameSocket takes to send its clients away"""
KEEP_ALIVE_S = 65
SOCKET_MESSAGE_BYTES = 5_000_000  # supabase/realtime closes with 1009 beyond it
KEPT_BYTES = 1024 * 1024
"""Of freed memory, what the process keeps at hand, twice; more goes back to the kernel"""


def run(application: Gateway, settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code.

    Raises GavanError GV703 when the unix socket, or the port of every address, cannot be had.
    """
    ConnectionLimit.most = room_for_connections()
    _keep_memory()
    unix = settings.unix_socket
    sockets = None
    if unix is not None or settings.host == ANY_HOST:
        sockets = [bind(Address(host=settings.host, port=settings.port, unix=unix))]
    server = uvicorn.Server(_config(application, settings))

    def leave(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(application.exit_code)

    # uvicorn raises the signal again when it has finished: a wanted end is no failure.
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    try:
        server.run(sockets)
    finally:
        if unix is not None:
            unix.path.unlink(missing_ok=True)
    return 0 if server.started else 1


def _keep_memory() -> None:
    # From the first block of this size on that is freed, glibc keeps smaller ones for the next to
    # come (mallopt(3), M_MMAP_THRESHOLD). Otherwise the pieces of a body, 256 kB each, are given
    # back to the kernel one by one, and every page of the next one is a fault again.
    bytes(KEPT_BYTES)


def _config(application: Gateway, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=ConnectionLimit,
        ws=FrameSocket,
        ws_max_size=SOCKET_MESSAGE_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=None,  # clients heartbeat; the service closes those that do not
        lifespan="on",
        log_config=None,
        log_level="warning",  # its information lines name every socket once more
        access_log=False,
        server_header=False,
        headers=[("server", "gavan")],
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
