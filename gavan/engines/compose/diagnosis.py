"""Why a container is not healthy: how it ended, what its last question answered, what it said.

Stands above project.py; a failed start and a failed release both show it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

from gavan.engines.compose.project import Project
from gavan.engines.docker import container_logs, try_docker
from gavan.kit.cause import Cause, cause_of

LAST_LINES = 30
RESTART_S = 5.0
POLL_S = 0.05


def diagnose(project: Project) -> Iterator[Cause]:
    """Yield the services that failed, those that ended before those that are only unwell."""
    for service in sorted(project.services(), key=lambda one: one["State"] == "running"):
        inspected = _inspect(service["ID"])
        cause = cause_of(service["Service"], inspected) if inspected else None
        if cause is not None:
            logs = container_logs(service["ID"], LAST_LINES)
            said = f"{cause.details}\n{logs}" if cause.details else logs
            yield Cause(service=cause.service, what=cause.what, details=said.strip())


def _inspect(container: str) -> dict[str, Any] | None:
    """Return what docker knows; one that is started again and again is met when it has ended."""
    until = time.monotonic() + RESTART_S
    while True:
        text = try_docker("inspect", container)
        found: dict[str, Any] | None = json.loads(text)[0] if text else None
        if found is None or not found.get("RestartCount") or not found["State"]["Running"]:
            return found
        if time.monotonic() > until:
            return found
        time.sleep(POLL_S)
