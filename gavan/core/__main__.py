"""The core process: ``python -m gavan.core``, told everything by its environment."""

from __future__ import annotations

import sys

from gavan.core.gateway.app import build
from gavan.core.server import run
from gavan.core.settings import read_settings
from gavan.kit.errors import GavanError
from gavan.kit.logging import configure


def main() -> int:
    """Serve until SIGTERM; return the exit code."""
    try:
        settings = read_settings()
        configure("core", log_format=settings.log_format)
        application = build(settings)
    except GavanError as error:
        hint = f"\n  hint: {error.hint}" if error.hint else ""
        sys.stderr.write(f"{error.code} {error.message}{hint}\n")
        return error.exit_code
    return run(application, settings)


if __name__ == "__main__":
    sys.exit(main())
