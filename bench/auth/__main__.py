"""The command line: measure auth, print it, and put the table into the documentation."""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
from collections.abc import Sequence

from bench.auth.measure import (
    CONNECTIONS,
    HASH,
    REFRESH,
    SIGN_IN,
    USER,
    Check,
    ask,
    checks,
    hash_rate,
    serving,
)
from bench.machine import cluster, facts
from bench.rest.load import LoadFailed, Round
from bench.rest.page import rewrite

GOAL_US = 1.0
HEADS = ("what", "per second", "slowest-fastest", "p50 ms", "p99 ms", "cpu us", "postgres us")
CHECK_HEADS = ("algorithm", "first time, us", "known, us", f"goal {GOAL_US:.0f} us")


def main() -> int:
    """Measure in turns; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.auth", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="of each turn")
    parser.add_argument("--json", action="store_true", help="everything as JSON on stdout")
    parser.add_argument("--page", action="store_true", help="rewrite the table in docs/explanation")
    options = parser.parse_args()
    machine = facts()
    try:
        rounds = _measure(options.rounds, options.seconds)
    except LoadFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    tokens = checks()
    if options.json:
        found = {
            "machine": machine,
            "rounds": {name: [dataclasses.asdict(one) for one in rounds[name]] for name in rounds},
            "checks": [dataclasses.asdict(check) for check in tokens],
        }
        print(json.dumps(found))
        return 0
    text = as_markdown(machine, rounds, tokens)
    print(text)
    if options.page:
        rewrite("bench auth", text)
    return 0


def _measure(turns: int, seconds: int) -> dict[str, list[Round]]:
    found: dict[str, list[Round]] = {name: [] for name in (HASH, SIGN_IN, REFRESH, USER)}
    refreshed = 0
    with cluster() as (server, folder), serving(server, folder) as served:
        for turn in range(turns):
            found[HASH].append(hash_rate(seconds))
            found[SIGN_IN].append(ask(served, SIGN_IN, seconds, folder))
            found[REFRESH].append(ask(served, REFRESH, seconds, folder, first=refreshed))
            # wrk forgets how far it came; what it can have asked for is skipped.
            refreshed += int(found[REFRESH][-1].per_s * (seconds + 1)) + CONNECTIONS
            found[USER].append(ask(served, USER, seconds, folder))
            sys.stderr.write(f"round {turn + 1} of {turns}\n")
    return found


def as_markdown(machine: str, rounds: dict[str, list[Round]], tokens: Sequence[Check]) -> str:
    """Return both tables, with the command that makes them."""
    lines = [
        f"Made by `make bench-auth ARGS=--page` on {machine}; {CONNECTIONS} connections.",
        "",
        *_table(HEADS, [_cells(name, rounds[name]) for name in rounds]),
        "",
        _share(rounds),
        "",
        "What checking the token of a request costs, in one process:",
        "",
        *_table(CHECK_HEADS, [_check_cells(check) for check in tokens]),
    ]
    return "\n".join(lines)


def _share(rounds: dict[str, list[Round]]) -> str:
    pairs = zip(rounds[SIGN_IN], rounds[HASH], strict=True)
    share = statistics.median(signed.per_s / hashed.per_s for signed, hashed in pairs)
    return f"A sign-in reaches {share:.0%} of what the hash alone allows on all cores."


def _cells(name: str, found: Sequence[Round]) -> list[str]:
    rates = [one.per_s for one in found]
    costs = [statistics.median(one.cpu_us for one in found)]
    costs.append(statistics.median(one.postgres_us for one in found))
    return [
        name,
        f"{statistics.median(rates):.0f}",
        f"{min(rates):.0f}-{max(rates):.0f}",
        f"{statistics.median(one.p50_ms for one in found):.1f}",
        f"{statistics.median(one.p99_ms for one in found):.1f}",
        *(f"{cost:.0f}" if cost else "" for cost in costs),
    ]


def _check_cells(check: Check) -> list[str]:
    met = "met" if check.known_us < GOAL_US else "missed"
    return [check.algorithm, f"{check.first_us:.0f}", f"{check.known_us:.2f}", met]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---" if place == 0 else "---:" for place in range(len(heads))]
    return [f"| {' | '.join(row)} |" for row in (heads, rule, *rows)]


if __name__ == "__main__":
    sys.exit(main())
