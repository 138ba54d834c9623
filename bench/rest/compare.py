"""Measure all servers and the limit in turns and gather the rounds.

The turns are interleaved: a busy neighbour of the machine hits all of them, and ratios hold.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
import psycopg

from bench.machine import cluster
from bench.rest.equality import check_equal
from bench.rest.limit import LIMIT, PIPELINE, Limit, record
from bench.rest.load import Generator, Round
from bench.rest.questions import GOAL_CONNECTIONS, Question
from bench.rest.servers import SERVERS, Target
from gavan.database.embedded import Server

SCHEMA = Path(__file__).parents[1] / "schema.sql"
WARM_UP_S = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to measure.

    Args:
        connections: how many, and how many rounds with each.
        seconds: of each turn.
        servers: names of ``SERVERS``.
        limit: measure pgbench too.
    """

    connections: dict[int, int]
    seconds: float
    servers: tuple[str, ...]
    questions: tuple[Question, ...]
    limit: bool = True


@dataclass(frozen=True, slots=True)
class Series:
    """The rounds of one contender for one question."""

    question: Question
    connections: int
    contender: str
    rounds: tuple[Round, ...]


def compare(plan: Plan) -> list[Series]:
    """Start Postgres and the servers, see that their answers are equal, measure.

    Raises Differs for unequal answers and LoadFailed for errors under load.
    """
    with cluster() as (server, folder):
        return compare_on(server, folder, plan)


def compare_on(server: Server, folder: Path, plan: Plan) -> list[Series]:
    """Do the same on a Postgres that runs, in an empty database; logs go to ``folder``."""
    load_schema(server)
    with ExitStack() as stack:
        sent = asyncio.run(record(server))
        targets = [stack.enter_context(SERVERS[name](server, folder)) for name in plan.servers]
        _say("comparing the answers")
        check_equal(targets)
        generator, limit = Generator(folder, postmaster(server)), Limit(server, folder, sent)
        _warm_up(plan, limit, generator, targets)
        return _measure(plan, limit, generator, targets)


def load_schema(server: Server) -> None:
    """Make the tables of the questions and fill them."""
    with psycopg.connect(server.url("postgres").reveal(), autocommit=True) as connection:
        connection.execute(SCHEMA.read_text())


def postmaster(server: Server) -> psutil.Process:
    """Return the first process of a running Postgres."""
    return psutil.Process(int((server.data_dir / "postmaster.pid").read_text().split()[0]))


def _warm_up(plan: Plan, limit: Limit, generator: Generator, targets: Sequence[Target]) -> None:
    """Run everything once with the most connections: what cannot be borne fails at once."""
    most = max(plan.connections)
    for question in plan.questions:
        _say(f"warming up, {question.at(most)}")
        for target in targets:
            generator.measure(target, question, most, WARM_UP_S)
        if plan.limit:
            limit.measure(question, most, WARM_UP_S)


def _measure(
    plan: Plan, limit: Limit, generator: Generator, targets: Sequence[Target]
) -> list[Series]:
    found = []
    for connections, rounds in plan.connections.items():
        for question in plan.questions:
            _say(f"{question.at(connections)}, {rounds} rounds")
            turns = {
                target.name: partial(generator.measure, target, question, connections, plan.seconds)
                for target in targets
            }
            if plan.limit:
                ours = partial(limit.measure, question, connections, plan.seconds)
                turns[LIMIT] = ours
                if connections == GOAL_CONNECTIONS:
                    turns[PIPELINE] = partial(ours, pipeline=True)
            gathered: dict[str, list[Round]] = {name: [] for name in turns}
            for _ in range(rounds):
                for name, turn in turns.items():
                    gathered[name].append(turn())
            found += [
                Series(question, connections, name, tuple(one)) for name, one in gathered.items()
            ]
    return found


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
