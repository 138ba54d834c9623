"""The command line: back up and restore in turns, print the ratios, put them on the page."""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Sequence

from bench.backup.content import fill, fill_objects
from bench.backup.measure import DATABASE, Bench, Turn
from bench.machine import cluster, facts
from bench.rest.page import rewrite
from gavan.database.bootstrap import bootstrap
from gavan.database.embedded import ADMIN

GOAL = 0.9
BACKUP, AGAIN, RESTORE = "gavan backup run", "gavan backup run, again", "gavan backup restore"
BARE_BACKUP, BARE_RESTORE = "pg_dump -j2, cp", "pg_restore -j2, cp"
Found = dict[str, list[Turn]]


def main() -> int:
    """Measure in turns; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.backup", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=1000, help="of database, about")
    parser.add_argument("--objects", type=int, default=10_000)
    parser.add_argument("--quick", action="store_true", help="100 MB, 1,000 objects, one round")
    parser.add_argument("--page", action="store_true", help="rewrite the table in docs/explanation")
    options = parser.parse_args()
    megabytes, objects, rounds = (
        (100, 1_000, 1) if options.quick else (options.megabytes, options.objects, options.rounds)
    )
    machine = facts()
    with cluster() as (server, root):
        url = server.url(ADMIN, database=DATABASE)
        bootstrap(url, {})
        bench = Bench(server, root / "stack")
        size = fill(url.reveal(), megabytes)
        stored = fill_objects(url.reveal(), bench.blobs, objects)
        found: Found = {}
        for number in range(rounds):
            _round(bench, found, theirs_first=number % 2 == 0)
            sys.stderr.write(f"round {number + 1} of {rounds}\n")
    what = f"{size / 1e6:.0f} MB of database, {objects:,} objects of {stored / 1e6:.0f} MB"
    text = as_markdown(machine, what, found)
    print(text)
    if options.page:
        rewrite("bench backup", text)
    return 0


def _round(bench: Bench, found: Found, *, theirs_first: bool) -> None:
    """Let each do its work once; who begins changes from round to round."""
    order = 1 if theirs_first else -1
    backups: list[tuple[str, Callable[[], Turn]]] = [
        (BARE_BACKUP, bench.bare_backup),
        (BACKUP, bench.backup),
    ]
    restores = [(BARE_RESTORE, bench.bare_restore), (RESTORE, bench.restore)]
    for name, turn in (*backups[::order], (AGAIN, bench.backup), *restores[::order]):
        done = turn()
        found.setdefault(name, []).append(done)
        cpu = f"{done.own_cpu:.1f} + {done.server_cpu:.1f}"
        sys.stderr.write(f"{name}: {done.seconds:.1f} s, processor time {cpu} s\n")
    bench.forget()


def as_markdown(machine: str, what: str, found: Found) -> str:
    """Return the table, the goals, and where our time goes."""
    rounds = len(found[BACKUP])
    lines = [f"Made by `make bench-backup` on {machine}; {what}; median of {rounds} rounds.", "",
             "| what | seconds | fastest-slowest | of the speed of the bare programs"
             " | processor s, programs | Postgres |",
             "| --- | ---: | ---: | ---: | ---: | ---: |"]  # fmt: skip
    for name in (BARE_BACKUP, BACKUP, AGAIN, BARE_RESTORE, RESTORE):
        turns = found[name]
        beside = {BACKUP: BARE_BACKUP, RESTORE: BARE_RESTORE}.get(name)
        share = f"x {_ratio(turns, found[beside]):.2f}" if beside else ""
        times = [turn.seconds for turn in turns]
        own = statistics.median(turn.own_cpu for turn in turns)
        server = statistics.median(turn.server_cpu for turn in turns)
        lines.append(f"| {name} | {statistics.median(times):.1f} |"
                     f" {min(times):.1f}-{max(times):.1f} | {share} |"
                     f" {own:.1f} | {server:.1f} |")  # fmt: skip
    lines += ["", "| step | backup | again | restore |", "| --- | ---: | ---: | ---: |"]
    ours = (BACKUP, AGAIN, RESTORE)
    for step in dict.fromkeys(step for name in ours for step in found[name][0].steps):
        cells = [_step(found[name], step) for name in ours]
        lines.append(f"| {step} | {' | '.join(cells)} |")
    for name, beside in ((BACKUP, BARE_BACKUP), (RESTORE, BARE_RESTORE)):
        ratio = _ratio(found[name], found[beside])
        met = "met" if ratio >= GOAL else "missed"
        lines += [
            "",
            f"{name}: {ratio:.2f} of their speed, its proofs included; goal {GOAL}: {met}.",
        ]
    return "\n".join(lines)


def _ratio(ours: Sequence[Turn], theirs: Sequence[Turn]) -> float:
    return statistics.median(
        their.seconds / our.seconds for our, their in zip(ours, theirs, strict=True)
    )


def _step(turns: Sequence[Turn], step: str) -> str:
    times = [turn.steps[step] for turn in turns if step in turn.steps]
    return f"{statistics.median(times):.1f}" if times else ""


if __name__ == "__main__":
    sys.exit(main())
