"""`gavan status`, `logs`, `exec`, `restart`, `start` and `stop` of a profile on containers.

Stands under those verbs; units have the names of the stack file, of a part with two slots the
running ones are meant.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, Never

from gavan.cli.compose.project import project_of
from gavan.cli.context import Context
from gavan.cli.render import Result, Style, table
from gavan.engines.compose.addresses import SLOTS
from gavan.engines.compose.project import Project
from gavan.engines.docker import docker, find_docker
from gavan.kit.errors import GavanError

HEADERS = ("service", "state", "health", "cpu", "memory", "since", "image")
_FINE = ("running", "healthy", "done")


def status(context: Context, *, exit_code: bool) -> Result:
    """Show every container of the stack, with its load."""
    project = project_of(context)
    services = sorted(project.services(), key=lambda one: str(one["Service"]))
    load = _load(services)
    units = [_unit(service, load) for service in services]
    ready = bool(units) and all(unit["health"] in _FINE for unit in units)
    return Result(
        data={"running": bool(units), "ready": ready, "units": units},
        text=lambda style: _text(project, units, style),
        exit_code=3 if exit_code and not ready else 0,
    )


def _load(services: Sequence[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """Return processor and memory of the running containers, by their id."""
    running = [str(one["ID"]) for one in services if one["State"] == "running"]
    if not running:
        return {}
    form = "{{.ID}}\t{{.CPUPerc}}\t{{.MemUsage}}"
    lines = docker("stats", "--no-stream", "--format", form, *running).splitlines()
    rows = (line.split("\t") for line in lines)
    return {identity: (cpu, memory) for identity, cpu, memory in rows}


def _unit(service: dict[str, Any], load: dict[str, tuple[str, str]]) -> dict[str, Any]:
    cpu, memory = load.get(str(service["ID"]), ("", ""))
    health = service["Health"] or service["State"]
    if service["State"] == "exited":
        health = "done" if service["ExitCode"] == 0 else f"exit {service['ExitCode']}"
    return {
        "service": service["Service"],
        "state": service["State"],
        "health": health,
        "cpu": cpu,
        "memory": memory,
        "since": service["RunningFor"],
        "image": service["Image"],
    }


def _text(project: Project, units: list[dict[str, Any]], style: Style) -> str:
    if not units:
        stack = project.plan.stack
        return f"{stack.name} is not running under {stack.profile.name}"
    return table(HEADERS, [tuple(unit[name] for name in HEADERS) for unit in units], style)


def logs(context: Context, units: Sequence[str], words: Sequence[str]) -> Never:
    """Print the logs of containers; compose does it, Ctrl-C ends it."""
    project = project_of(context)
    plain = [] if sys.stdout.isatty() else ["--no-color"]
    _become(project.words("logs", "--timestamps", *plain, *words, *services_of(project, units)))


def execute(context: Context, unit: str, argv: Sequence[str]) -> Never:
    """Run a command in the container of a unit."""
    project = project_of(context)
    service = services_of(project, [unit])[0]
    terminal = [] if os.isatty(0) else ["-T"]
    _become(project.words("exec", *terminal, service, *argv))


def act(context: Context, verb: str, units: Sequence[str]) -> Result:
    """Restart, start or stop units."""
    project = project_of(context)
    services = services_of(project, units)
    project.run(verb, *services)
    return Result(data={"units": services}, text=f"{verb}: {', '.join(services)}")


def services_of(project: Project, units: Sequence[str]) -> list[str]:
    """Return the services that units are; raise GavanError GV223 for one that is not there."""
    there = {str(one["Service"]): str(one["State"]) for one in project.services()}
    found: list[str] = []
    for unit in units:
        slots = [name for name in (unit, *(f"{unit}-{slot}" for slot in SLOTS)) if name in there]
        running = [name for name in slots if there[name] == "running"]
        if not slots:
            raise GavanError(
                "GV223",
                f"no unit {unit} in this stack",
                hint=f"there are: {', '.join(sorted(there)) or 'none, run gavan up'}",
                exit_code=2,
            )
        found += running or slots[:1]
    return found


def _become(words: Sequence[str]) -> Never:
    path = find_docker()
    os.execv(path, [path, *words])  # noqa: S606 - the terminal and its signals are compose's then
