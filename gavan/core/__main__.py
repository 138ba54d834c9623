"""The core process: ``python -m gavan.core``, told everything by its environment."""

from __future__ import annotations

import signal
import sys
from types import FrameType

import uvicorn

from gavan.core.gateway.app import build
from gavan.core.settings import Settings, read_settings
from gavan.kit.errors import GavanError
from gavan.kit.logging import configure

GRACE_S = 2
KEEP_ALIVE_S = 65
SOCKET_MESSAGE_BYTES = 5_000_000  # supabase/realtime closes with 1009 beyond it


def main() -> int:
    """Serve until SIGTERM; return the exit code."""
    try:
        settings = read_settings()
        configure("core", log_format=settings.log_format)
        server = uvicorn.Server(_config(settings))
    except GavanError as error:
        hint = f"\n  hint: {error.hint}" if error.hint else ""
        sys.stderr.write(f"{error.code} {error.message}{hint}\n")
        return error.exit_code
    # uvicorn raises the signal again when it has finished: a wanted end is no failure.
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    server.run()
    return 0 if server.started else 1


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _config(settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        build(settings),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_max_size=SOCKET_MESSAGE_BYTES,
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        log_level="warning",  # its information lines name every socket once more
        access_log=False,
        server_header=False,
        headers=[("server", "gavan")],
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )


if __name__ == "__main__":
    sys.exit(main())
