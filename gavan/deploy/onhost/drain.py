"""The step that stops what a release took over from, and what the stack has no more.

Stands above work.py. A slot stops when nobody talks to it; workers that are in the stack file no
more stop at once. What stopped for good is taken away; its data stay where they are.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from gavan.deploy.onhost.docker import attempt, connections, containers, docker
from gavan.deploy.onhost.work import Work

QUIET_S = 1.0
"""How long an old slot has no connection until it counts as left"""
PAUSE_S = 0.2


@dataclass(frozen=True)
class Leaving:
    """A container that stops; ``port`` is where people talk to it, 0 where nobody does."""

    service: str
    number: str
    pid: int
    port: int

    def is_busy(self) -> bool:
        return bool(self.port and self.pid and connections(self.pid, self.port) != 0)


def drain(work: Work) -> str:
    """Stop the old slots once nobody talks to them, at the latest after the time to drain."""
    began = time.monotonic()
    for_good = work.gone()
    left = _leaving(work, for_good)
    said = ", ".join(sorted(one.service for one in left))
    last = {one.number: began if one.port else 0.0 for one in left}
    while left and time.monotonic() < began + work.plan["drain"]:
        now = time.monotonic()
        last |= {one.number: now for one in left if one.is_busy()}
        quiet = [one for one in left if now - last[one.number] >= QUIET_S]
        _stop(quiet)
        left = [one for one in left if one not in quiet]
        time.sleep(PAUSE_S)
    _stop(left)
    for service, (number, is_at_work) in containers(work.plan["project"]).items():
        if service in for_good and not is_at_work:
            attempt("rm", number)
    return f"{said} in {time.monotonic() - began:.1f} s" if said else "nothing"


def _leaving(work: Work, for_good: set[str]) -> list[Leaving]:
    """Return what is to stop: slots that served, and what the stack has no more."""
    ports = {f"{part}-{one['slot']}": int(one["port"])
             for part, one in work.live.get("parts", {}).items()}  # fmt: skip
    old = {f"{part}-{slot}" for part in work.changed()
           if (slot := work.slot_of(part)) and slot != work.next_slot(part)}  # fmt: skip
    return [Leaving(service, number, _pid(number), ports.get(service, 0))
            for service, (number, is_at_work) in containers(work.plan["project"]).items()
            if is_at_work and service in old | for_good]  # fmt: skip


def _pid(number: str) -> int:
    done = attempt("inspect", number)
    return int(json.loads(done.stdout)[0]["State"]["Pid"]) if done.returncode == 0 else 0


def _stop(leaving: list[Leaving]) -> None:
    """Stop containers together: each one finishes what it has begun and sends its websockets
    away, for as long as it was given when it was made."""
    if leaving:
        docker("stop", *(one.number for one in leaving))
