"""Why a container is not healthy: how it ended, what its last question answered, what it said.

Stands above project.py; a failed start and a failed release both show it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gavan.engines.compose.project import Project
from gavan.engines.docker import container_logs, try_docker

LAST_LINES = 30
RESTART_S = 5.0
POLL_S = 0.05
PROBE_BYTES = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One service that did not come up, in a sentence and with its last lines."""

    service: str
    what: str
    details: str


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


def cause_of(service: str, inspected: dict[str, Any]) -> Cause | None:
    """Return what is wrong with a container, by what docker knows of it; None when nothing is."""
    state = inspected["State"]
    if state.get("OOMKilled"):
        limit = inspected["HostConfig"].get("Memory", 0) // 2**20
        return Cause(service=service, what=f"was killed: it took more than {limit} MiB", details="")
    restarts = inspected.get("RestartCount", 0)
    has_failed = state["ExitCode"] != 0 or restarts
    if state["Status"] in ("exited", "dead", "restarting") and has_failed:
        again = f", {restarts} restarts" if restarts else ""
        return Cause(service=service, what=f"ended with code {state['ExitCode']}{again}",
                     details=state.get("Error", ""))  # fmt: skip
    health = state.get("Health") or {}
    if health.get("Status") in ("unhealthy", "starting"):
        probes = health.get("Log") or []
        said = probes[-1]["Output"][-PROBE_BYTES:].strip() if probes else "it was never asked"
        word = "does not answer its health check" if probes else "has not begun to answer"
        return Cause(service=service, what=word, details=f"last probe: {said}")
    return None
