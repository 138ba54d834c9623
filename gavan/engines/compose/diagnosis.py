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
from gavan.kit.cause import Cause, at_its_end, cause_of, ends_words

LAST_LINES = 30


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
    """Return what docker knows; of one that is started again and again, how it ended last."""
    text = try_docker("inspect", container)
    if not text:
        return None
    found: dict[str, Any] = json.loads(text)[0]
    if not found["RestartCount"]:
        return found
    return at_its_end(found, try_docker(*ends_words(found, time.time())) or "")
