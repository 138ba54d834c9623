"""The command line: measure realtime, print it, and put the tables into the documentation."""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.machine import cluster, facts
from bench.realtime.measure import FanOut, Idle, fan_out, idle
from bench.realtime.rows import Delay, Passed, changes_per_s, delay, prepare
from bench.realtime.servers import BARE, GAVAN, bare, core
from bench.rest.load import LoadFailed
from bench.rest.page import rewrite

LIMIT = "websockets"
GOAL_PER_CORE, GOAL_SHARE, GOAL_KB, GOAL_P99_MS = 25_000, 0.4, 30.0, 50.0
ROWS = {1: 5000, 100: 2000, 1000: 300}
"""Changes of one transaction, by the number of distinct claims that are asked about each"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured."""

    rounds: int = 3
    seconds: float = 4.0
    listeners: int = 1000
    bursts: Sequence[int] = (1, 10)
    claims: Sequence[int] = (1, 100, 1000)
    per_s: int = 200
    sockets: int = 10_000
    bare: Sequence[str] = BARE


@dataclass(slots=True)
class Found:
    """Every round of everything."""

    fan_outs: dict[tuple[int, str], list[FanOut]] = field(default_factory=dict)
    passed: dict[int, list[Passed]] = field(default_factory=dict)
    delays: list[Delay] = field(default_factory=list)
    idle: Idle | None = None


def main() -> int:
    """Measure in turns; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.realtime", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4, help="of each turn")
    parser.add_argument("--sockets", type=int, default=10_000, help="that are idle")
    parser.add_argument("--json", action="store_true", help="everything as JSON on stdout")
    parser.add_argument("--page", action="store_true", help="rewrite the table in docs/explanation")
    options = parser.parse_args()
    machine = facts()
    size = Size(rounds=options.rounds, seconds=options.seconds, sockets=options.sockets)
    try:
        found = measure(size)
    except LoadFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if options.json:
        print(json.dumps({"machine": machine, "found": as_json(found)}))
        return 0
    text = as_markdown(machine, size, found)
    print(text)
    if options.page:
        rewrite("bench realtime", text)
    return 0


def measure(size: Size) -> Found:
    """Return every round; raise LoadFailed for any failure."""
    found = Found()
    with cluster() as (server, folder):
        prepare(server)
        for turn in range(size.rounds):
            # Fresh processes each: what one round leaves in memory is not the next one's.
            for name in (GAVAN, *size.bare):
                serving = core(server, folder) if name == GAVAN else bare(name, folder)
                with serving as target:
                    for burst in size.bursts:
                        told = fan_out(
                            target, listeners=size.listeners, burst=burst, seconds=size.seconds
                        )
                        found.fan_outs.setdefault((burst, name), []).append(told)
            with core(server, folder) as target:
                for claims in size.claims:
                    passed = changes_per_s(target, server, claims, ROWS[claims])
                    found.passed.setdefault(claims, []).append(passed)
                found.delays.append(delay(target, server, size.per_s, size.seconds))
            sys.stderr.write(f"round {turn + 1} of {size.rounds}\n")
        with core(server, folder) as target:
            found.idle = idle(target, size.sockets)
    return found


def as_json(found: Found) -> dict[str, object]:
    """Return every round as JSON."""
    return {
        "fan_out": {
            f"{name} {burst}": [dataclasses.asdict(one) for one in rounds]
            for (burst, name), rounds in found.fan_outs.items()
        },
        "changes": {
            str(claims): [dataclasses.asdict(one) for one in rounds]
            for claims, rounds in found.passed.items()
        },
        "delay": [dataclasses.asdict(one) for one in found.delays],
        "idle": dataclasses.asdict(found.idle) if found.idle else None,
    }


def as_markdown(machine: str, size: Size, found: Found) -> str:
    """Return the tables, with the command that makes them."""
    return "\n".join(
        [
            f"Made by `make bench-realtime` on {machine}.",
            "",
            *_fan_outs(size, found),
            "",
            *_rows(size, found),
            "",
            *_idle(found),
        ]
    )


def _fan_outs(size: Size, found: Found) -> list[str]:
    lines = [
        f"**One sender, {size.listeners} listeners, 200 bytes**",
        "",
        "| who | at once | delivered per core-second | slowest-fastest | per second | gavan |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for (burst, name), rounds in found.fan_outs.items():
        cores = [one.per_core_s for one in rounds]
        ours = found.fan_outs[burst, GAVAN]
        ratio = "" if name == GAVAN else f"x {_ratio(ours, rounds):.2f}"
        lines.append(
            f"| {name} | {burst} | {statistics.median(cores):.0f} | {min(cores):.0f}-"
            f"{max(cores):.0f} | {statistics.median(one.per_s for one in rounds):.0f} | {ratio} |"
        )
    first = size.bursts[0]
    rate = statistics.median(one.per_core_s for one in found.fan_outs[first, GAVAN])
    lines += ["", f"{rate:.0f} for each core; goal {GOAL_PER_CORE}: {_met(rate >= GOAL_PER_CORE)}."]
    if (first, LIMIT) in found.fan_outs:
        share = _ratio(found.fan_outs[first, GAVAN], found.fan_outs[first, LIMIT])
        lines[-1] += (
            f" {share:.2f} of the bare `{LIMIT}`; goal {GOAL_SHARE}: {_met(share >= GOAL_SHARE)}."
        )
    return lines


def _rows(size: Size, found: Found) -> list[str]:
    lines = [
        "**Inserted rows behind a policy**",
        "",
        "| distinct claims | changes per second | cpu us per change |",
        "| ---: | ---: | ---: |",
    ]
    for claims, rounds in found.passed.items():
        per_s = statistics.median(one.per_s for one in rounds)
        core_us = statistics.median(one.core_us for one in rounds)
        lines.append(f"| {claims} | {per_s:.0f} | {core_us:.0f} |")
    p50 = statistics.median(one.p50_ms for one in found.delays)
    p99 = statistics.median(one.p99_ms for one in found.delays)
    lines += [
        "",
        f"At {size.per_s} commits a second, from the answer to the commit until the change is"
        f" read from the socket: p50 {p50:.1f} ms, p99 {p99:.1f} ms; goal {GOAL_P99_MS:.0f}:"
        f" {_met(p99 <= GOAL_P99_MS)}.",
    ]
    return lines


def _idle(found: Found) -> list[str]:
    if found.idle is None:
        return []
    kb = found.idle.kb_each
    return [
        f"{found.idle.sockets} idle sockets, each in a channel: {kb:.1f} kB each,"
        f" {found.idle.whole_mb:.0f} MB the whole server; goal {GOAL_KB:.0f} kB:"
        f" {_met(kb <= GOAL_KB)}."
    ]


def _ratio(ours: Sequence[FanOut], theirs: Sequence[FanOut]) -> float:
    return statistics.median(
        our.per_core_s / their.per_core_s for our, their in zip(ours, theirs, strict=True)
    )


def _met(is_met: bool) -> str:
    return "met" if is_met else "missed"


if __name__ == "__main__":
    sys.exit(main())
