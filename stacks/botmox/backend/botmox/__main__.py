"""Serve the backend: HOST and PORT of the environment, `--reload` while it is being written."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import uvicorn

if __name__ == "__main__":
    uvicorn.run(
        "botmox.app:make_app",
        factory=True,
        host=os.environ.get("HOST", "127.0.0.1"),
        port=int(os.environ["PORT"]),
        reload="--reload" in sys.argv[1:],
        reload_dirs=[str(Path(__file__).parent)],
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=20,
    )
