"""Decide whether a unit may start, must wait, or is skipped because of what it needs.

Pure: states in, verdict out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gavan.engines.embedded.model import ALIVE, BAD, Process, State, Status


@dataclass(frozen=True, slots=True)
class Met:
    pass


@dataclass(frozen=True, slots=True)
class Waiting:
    name: str


@dataclass(frozen=True, slots=True)
class Blocked:
    reason: str


def judge(needs: Mapping[str, str], known: Mapping[str, Status]) -> Met | Waiting | Blocked:
    """Return the verdict over all needs; a blocked one wins over one that is only not ready yet."""
    waiting: Waiting | None = None
    for name, condition in needs.items():
        status = known.get(name)
        if status is None or _is_met(condition, status):
            continue
        if status.state in BAD or (status.state is State.STOPPED and not status.wanted):
            why = f" ({status.reason})" if status.reason else ""
            return Blocked(f"needs {name}: {status.state}{why}")
        waiting = waiting or Waiting(name)
    return waiting or Met()


def _is_met(condition: str, status: Status) -> bool:
    match condition:
        case "started":
            return status.state in ALIVE or status.state is State.COMPLETED
        case "completed":
            return status.state is State.COMPLETED
        case _:
            return status.state in (State.HEALTHY, State.RUNNING, State.COMPLETED)


def dependants(name: str, processes: Iterable[Process]) -> frozenset[str]:
    """Return the names of the units that need this one directly."""
    return frozenset(process.name for process in processes if name in process.needs)


def closure(names: Iterable[str], processes: Mapping[str, Process]) -> frozenset[str]:
    """Return the names and everything they need, directly or not."""
    wanted: set[str] = set()
    open_ = list(names)
    while open_:
        name = open_.pop()
        if name in wanted or name not in processes:
            continue
        wanted.add(name)
        open_.extend(processes[name].needs)
    return frozenset(wanted)
