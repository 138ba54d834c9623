"""The command line: measure uploads and downloads, print them, put the table on the page."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.machine import cluster, facts
from bench.rest.load import LoadFailed, Round
from bench.rest.page import rewrite
from bench.storage.measure import CONNECTIONS, DISK, LARGE, Load
from bench.storage.servers import CADDY, GAVAN, serving

SIZES = {"4 kB": 4096, "1 MB": 1024 * 1024, "1 GiB": 1024**3}
GOAL = 0.5
HEADS = ("who", "per second", "MB/s", "slowest-fastest", "p99 ms", "cpu us per MB", "gavan")
Found = dict[tuple[str, str], dict[str, list[Round]]]


def main() -> int:
    """Measure in turns; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.storage", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4, help="of each turn")
    parser.add_argument("--size", choices=list(SIZES), action="append", help="only this one")
    parser.add_argument("--json", action="store_true", help="everything as JSON on stdout")
    parser.add_argument("--page", action="store_true", help="rewrite the table in docs/explanation")
    options = parser.parse_args()
    machine = facts()
    try:
        found = measure(options.size or list(SIZES), options.rounds, options.seconds)
    except LoadFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if options.json:
        rounds = {
            f"{way} {size}": {who: [dataclasses.asdict(one) for one in them[who]] for who in them}
            for (way, size), them in found.items()
        }
        print(json.dumps({"machine": machine, "rounds": rounds}))
        return 0
    text = as_markdown(machine, found)
    print(text)
    if options.page:
        rewrite("bench storage", text)
    return 0


def measure(sizes: Sequence[str], turns: int, seconds: int) -> Found:
    """Return every round by way and size, then by who; raise LoadFailed for any failure."""
    found: Found = {}
    with cluster() as (server, folder):
        files = {size: _file(folder / "files", size) for size in sizes}
        load = Load(folder, seconds)
        with serving(server, folder, list(files.values())) as targets:
            for turn in range(turns):
                for size, file in files.items():
                    down = found.setdefault(("down", size), {})
                    up = found.setdefault(("up", size), {})
                    for target in targets:
                        down.setdefault(target.name, []).append(load.download(target, file))
                        if target.put is not None:
                            up.setdefault(target.name, []).append(load.upload(target, file))
                    # The copies stay to the end: who removes thousands of files leaves the disk
                    # work that would count against whoever is measured next.
                    up.setdefault(DISK, []).append(load.copy(file, folder / "copies"))
                sys.stderr.write(f"round {turn + 1} of {turns}\n")
    return found


def as_markdown(machine: str, found: Found) -> str:
    """Return a table for each way and size, with the command that makes them."""
    lines = [f"Made by `make bench-storage` on {machine}; {CONNECTIONS} connections, "
             f"from {LARGE // 1024**2} MiB on one."]  # fmt: skip
    for (way, size), them in found.items():
        lines += ["", f"**{size} {way}**", "", f"| {' | '.join(HEADS)} |"]
        lines.append("| --- |" + " ---: |" * (len(HEADS) - 1))
        for who, rounds in them.items():
            lines.append(f"| {' | '.join(_cells(who, rounds, SIZES[size], them[GAVAN]))} |")
        limit = them.get(CADDY if way == "down" else DISK)
        if limit and SIZES[size] >= SIZES["1 MB"]:
            share = _ratio(them[GAVAN], limit)
            met = "met" if share >= GOAL else "missed"
            lines += ["", f"{share:.2f} of the limit; goal {GOAL}: {met}."]
    return "\n".join(lines)


def _cells(who: str, rounds: Sequence[Round], size: int, ours: Sequence[Round]) -> list[str]:
    rates = [one.per_s for one in rounds]
    megabytes = size / 1e6
    late = statistics.median(one.p99_ms for one in rounds)
    return [
        who,
        f"{statistics.median(rates):.4g}",
        f"{statistics.median(rates) * megabytes:.4g}",
        f"{min(rates):.4g}-{max(rates):.4g}",
        f"{late:.1f}" if late else "",
        f"{statistics.median(one.cpu_us for one in rounds) / megabytes:.0f}",
        "" if who == GAVAN else f"x {_ratio(ours, rounds):.2f}",
    ]


def _ratio(ours: Sequence[Round], theirs: Sequence[Round]) -> float:
    return statistics.median(
        our.per_s / their.per_s for our, their in zip(ours, theirs, strict=True)
    )


def _file(folder: Path, size: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / size.replace(" ", "")
    with file.open("wb") as stream:
        left = SIZES[size]
        while left > 0:
            left -= stream.write(os.urandom(min(left, 1024 * 1024)))
    return file


if __name__ == "__main__":
    sys.exit(main())
