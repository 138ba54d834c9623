"""The command line: migrate by each tool in turns, print the table, put it on the page."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.machine import cluster, facts
from bench.migrate import files
from bench.migrate.measure import (
    DBMATE,
    GAVAN,
    SUPABASE,
    Run,
    ToolFailed,
    command,
    database,
    drop,
    gavan,
    replay,
    run,
)
from bench.rest.page import rewrite
from gavan.database.embedded import Server

TOOLS = (GAVAN, DBMATE, SUPABASE)
GOAL_MB = 200
VERBS = (
    ("migrate", "plan"),
    ("migrate", "lint"),
    ("migrate", "up"),
    ("migrate", "status"),
)
REPLAY = ("migrate", "verify")
HEADS = ("tool", "seconds", "fastest-slowest", "its processor seconds", "its memory, MB", "gavan")

Found = Mapping[str, Mapping[str, Sequence[Run]]]


def main() -> int:
    """Measure in turns; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.migrate", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=100, help="MB of the large file")
    parser.add_argument("--page", action="store_true", help="rewrite the table in docs/explanation")
    options = parser.parse_args()
    machine = facts()
    try:
        with tempfile.TemporaryDirectory(prefix="gm-") as folder, cluster() as (server, _):
            found = _compare(server, Path(folder), options.size, options.rounds)
            memory = _memory(server, Path(folder), (options.size, 3 * options.size))
    except ToolFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    text = as_markdown(machine, found, memory)
    print(text)
    if options.page:
        rewrite("bench migrate", text)
    return 0


def _compare(server: Server, folder: Path, size: int, rounds: int) -> Found:
    projects = {
        f"{files.SMALL:,} small files": files.small(folder / "small"),
        f"one file of {size} MB, a row each": files.large(folder / "rows", size * files.MB, 1),
        f"one file of {size} MB, 500 rows each": files.large(folder / "bulk", size * files.MB, 500),
    }
    found: dict[str, dict[str, list[Run]]] = {}
    # Each tool runs once for nothing: an installation has its bytecode, a disk its files in memory.
    first = files.small(folder / "first", 5)
    for tool in TOOLS:
        _once(server, tool, first)
    for number in range(rounds):
        for name, project in projects.items():
            for tool in TOOLS:
                done = _once(server, tool, project)
                found.setdefault(name, {}).setdefault(tool, []).append(done)
                sys.stderr.write(f"{name}: {tool}: {done}\n")
        sys.stderr.write(f"round {number + 1} of {rounds}\n")
    return found


def _once(server: Server, tool: str, project: Path) -> Run:
    url = database(server)
    done = run(command(tool, project, url), project, {"GAVAN_DB_URL": url})
    drop(server, url)
    return done


def _memory(server: Server, folder: Path, sizes: Sequence[int]) -> Mapping[str, Mapping[int, Run]]:
    """Return what each verb takes for a file of each size, in MB."""
    found: dict[str, dict[int, Run]] = {}
    for size in sizes:
        project = files.large(folder / f"memory{size}", size * files.MB, 20)
        url = database(server)
        shadow = database(server)
        for verb in (*VERBS, REPLAY):
            argv = gavan(*verb) if verb != REPLAY else replay()
            env = {"GAVAN_DB_URL": shadow if verb == REPLAY else url}
            done = run(argv, project, env)
            found.setdefault(" ".join(verb), {})[size] = done
            sys.stderr.write(f"{size} MB: {' '.join(verb)}: {done}\n")
        drop(server, url)
        drop(server, shadow)
    return found


def as_markdown(machine: str, found: Found, memory: Mapping[str, Mapping[int, Run]]) -> str:
    """Return a table per project and one of memory, with the command that makes them."""
    rounds = len(next(iter(next(iter(found.values())).values())))
    how_often = "one round" if rounds == 1 else f"median of {rounds} rounds"
    lines = [f"Made by `make bench-migrate` on {machine}; {how_often}."]
    for name, tools in found.items():
        lines += ["", f"**{name}**", "", f"| {' | '.join(HEADS)} |"]
        lines.append("| --- |" + " ---: |" * (len(HEADS) - 1))
        lines += [f"| {' | '.join(_cells(tool, runs, tools[GAVAN]))} |"
                  for tool, runs in tools.items()]  # fmt: skip
        ratio = min(_ratio(tools[GAVAN], tools[tool]) for tool in TOOLS if tool != GAVAN)
        word = "met" if ratio >= 1 else "missed"
        lines += ["", f"x {ratio:.2f} of the faster of the others; goal 1: {word}."]
    sizes = list(next(iter(memory.values())))
    heads = ["verb", *(f"{size} MB: memory, MB" for size in sizes),
             *(f"{size} MB: seconds" for size in sizes)]  # fmt: skip
    lines += ["", "**Memory of `gavan` for one file, 20 rows to a statement**", ""]
    lines += [f"| {' | '.join(heads)} |", "| --- |" + " ---: |" * (len(heads) - 1)]
    for verb, runs in memory.items():
        peaks = [f"{runs[size].peak_mb:.0f}" for size in sizes]
        times = [f"{runs[size].wall_s:.1f}" for size in sizes]
        lines.append(f"| {' | '.join([verb, *peaks, *times])} |")
    most = max(one.peak_mb for runs in memory.values() for one in runs.values())
    word = "met" if most < GOAL_MB else "missed"
    lines += ["", f"At most {most:.0f} MB; goal below {GOAL_MB}: {word}."]
    return "\n".join(lines)


def _cells(tool: str, runs: Sequence[Run], ours: Sequence[Run]) -> list[str]:
    times = [one.wall_s for one in runs]
    return [
        tool,
        f"{statistics.median(times):.1f}",
        f"{min(times):.1f}-{max(times):.1f}",
        f"{statistics.median(one.cpu_s for one in runs):.1f}",
        f"{max(one.peak_mb for one in runs):.0f}",
        "" if tool == GAVAN else f"x {_ratio(ours, runs):.2f}",
    ]


def _ratio(ours: Sequence[Run], theirs: Sequence[Run]) -> float:
    """Return how many times as fast ours is, in the median of the rounds."""
    return statistics.median(
        their.wall_s / our.wall_s for our, their in zip(ours, theirs, strict=True)
    )


if __name__ == "__main__":
    sys.exit(main())
