"""pytest plugin: the suite's address is written into its tests; the core listens elsewhere."""

from __future__ import annotations

import os
import sys


def pytest_collection_finish() -> None:
    for name in ("tests._async.client", "tests._sync.client"):
        if name in sys.modules:
            sys.modules[name].REST_URL = os.environ["CORE_URL"]  # type: ignore[attr-defined]
