"""Processor and memory of units with all their descendants, over a short look."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

from gavan.engines.embedded.guard import processes, read_bytes

LOOK_S = 0.1
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Percent of one core; bytes of resident memory, shared pages counted for each process."""

    cpu_percent: float
    rss_bytes: int


def measure(pids: Mapping[str, int]) -> dict[str, Load]:
    """Return the load by name; what has ended meanwhile counts as nothing."""
    if not pids:
        return {}
    trees = {name: _tree(pid) for name, pid in pids.items()}
    before = {name: sum(map(_ticks, tree)) for name, tree in trees.items()}
    started = time.monotonic()
    time.sleep(LOOK_S)
    passed = time.monotonic() - started
    return {
        name: Load(
            cpu_percent=max(0, sum(map(_ticks, tree)) - before[name]) / TICKS / passed * 100,
            rss_bytes=sum(map(_rss, tree)),
        )
        for name, tree in trees.items()
    }


def _tree(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for pid, (parent, _, _) in processes().items():
        children.setdefault(parent, []).append(pid)
    found = [root]
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def _ticks(pid: int) -> int:
    fields = read_bytes(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return int(fields[11]) + int(fields[12]) if len(fields) > 12 else 0


def _rss(pid: int) -> int:
    fields = read_bytes(f"/proc/{pid}/statm").split()
    return int(fields[1]) * PAGE if len(fields) > 1 else 0
