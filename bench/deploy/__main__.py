"""The command line: release under load, print what it took, put the table on the page."""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.deploy.botmox import memory_of_botmox
from bench.deploy.measure import RATE, Turn, plain, plain_words, turn
from bench.machine import facts
from bench.rest.page import rewrite
from tests.hosts.conftest import BASES, machine
from tests.hosts.jetty import PLAIN_PORT, Jetty, jetty_on_a_server

DEPLOY, ROLLBACK, COMPOSE = "gavan deploy", "gavan rollback", "docker compose up -d"
HEADS = ("command", "new answers after, s", "fastest-slowest", "in all, s", "requests", "failed")
MEMORY_GOAL_MIB = 700
Found = dict[str, list[Turn]]


def main() -> int:
    """Measure in turns; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.deploy", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--page", action="store_true", help="rewrite the table in docs/explanation")
    options = parser.parse_args()
    about = facts()
    os.environ.update(machine("docker-up.sh"))
    machine("base-images.sh", *BASES)
    with tempfile.TemporaryDirectory(prefix="gb-") as folder:
        root = Path(folder)
        (root / "jetty").mkdir()
        with jetty_on_a_server(root / "jetty", "benchjetty") as jetty:
            found = asyncio.run(measure(jetty, options.rounds))
        memory = memory_of_botmox(root, "benchmox")
    text = as_markdown(about, found, memory)
    print(text)
    if options.page:
        rewrite("bench deploy", text)
    return 0


async def measure(jetty: Jetty, rounds: int) -> Found:
    """Return every turn by its command; one of each in a round."""
    found: Found = {DEPLOY: [], ROLLBACK: [], COMPOSE: []}
    before = "one"
    with plain(jetty):
        for number in range(rounds):
            label = f"round{number}"
            jetty.commit(label, 512)
            found[DEPLOY].append(await turn(jetty, jetty.words("deploy"), label))
            found[ROLLBACK].append(await turn(jetty, jetty.words("rollback"), before))
            words = plain_words(jetty, label)
            found[COMPOSE].append(await turn(jetty, words, label, PLAIN_PORT))
            sys.stderr.write(f"round {number + 1} of {rounds}\n")
    return found


def as_markdown(about: str, found: Found, memory: Mapping[str, float]) -> str:
    """Return the tables, with the command that makes them."""
    lines = [f"Made by `make bench-deploy` on {about}; the server is two processors and 4 GB of "
             f"the same machine. {RATE:g} requests per second, GET and POST, on 20 kept "
             "connections 60 ms away.",
             "", f"| {' | '.join(HEADS)} |", "| --- |" + " ---: |" * (len(HEADS) - 1)]  # fmt: skip
    lines += [f"| {' | '.join(_cells(who, turns))} |" for who, turns in found.items()]
    whole = sum(memory.values())
    met = "met" if whole <= MEMORY_GOAL_MIB else "missed"
    lines += ["", "**botmox on its server**", "", "| container | MiB |", "| --- | ---: |"]
    lines += [f"| {name} | {mib:.0f} |" for name, mib in sorted(memory.items())]
    lines += [f"| all | {whole:.0f} |", "", f"Goal {MEMORY_GOAL_MIB} MiB: {met}."]
    return "\n".join(lines)


def _cells(who: str, turns: Sequence[Turn]) -> list[str]:
    switched = [one.switched_s for one in turns]
    return [
        f"`{who}`",
        f"{statistics.median(switched):.1f}",
        f"{min(switched):.1f}-{max(switched):.1f}",
        f"{statistics.median(one.whole_s for one in turns):.1f}",
        f"{sum(one.asked for one in turns):,}",
        f"{sum(one.failed for one in turns):,}",
    ]


if __name__ == "__main__":
    sys.exit(main())
