"""The command line: ``compare`` the servers, or measure a size by ``scale``."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from bench.machine import cluster, facts
from bench.rest.compare import Plan, compare
from bench.rest.equality import Differs
from bench.rest.load import LoadFailed
from bench.rest.page import rewrite
from bench.rest.questions import GOAL_CONNECTIONS, QUESTIONS
from bench.rest.report import as_json, as_markdown, as_text, lines_of
from bench.rest.scale import cache, figures, idle, memory
from bench.rest.scale.figures import Failed
from bench.rest.servers import NEEDS, SERVERS
from gavan.database.embedded import Server

FULL = {GOAL_CONNECTIONS: 5, 1: 3, 64: 3}
"""Rounds for each number of connections"""
QUICK = {GOAL_CONNECTIONS: 3}
MISSING, FAILED = 7, 1
SIZES: dict[str, Callable[[Server, Path, argparse.Namespace], list[figures.Figure]]] = {
    "cache": lambda server, folder, given: cache.measure_cache(server, folder, given.tables),
    "idle": lambda server, folder, given: idle.measure_idle(
        server, folder, given.connections, given.hold
    ),
    "memory": lambda server, folder, given: memory.measure_memory(server, folder, given.requests),
}


def main() -> int:
    """Do what was asked; return the exit code."""
    options = _parse()
    servers = (options.server or SERVERS) if options.verb == "compare" else ()
    missing = _missing(servers)
    if missing:
        sys.stderr.write(f"{missing}\n")
        return MISSING
    try:
        return _compare(options) if options.verb == "compare" else _scale(options)
    except (Differs, LoadFailed, Failed) as error:
        sys.stderr.write(f"{error}\n")
        return FAILED


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.rest", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("compare", help="four questions, all servers, in turns")
    one.add_argument("--quick", action="store_true", help="16 connections only, three rounds")
    one.add_argument("--seconds", type=int, default=1, help="of each turn")
    one.add_argument("--connections", type=int, action="append", help="these only, five rounds")
    one.add_argument("--server", choices=[*SERVERS], action="append", help="these only")
    one.add_argument(
        "--question", choices=[one.name for one in QUESTIONS], action="append", help="these only"
    )
    one.add_argument("--json", action="store_true", help="everything as JSON on stdout")
    one.add_argument("--page", action="store_true", help="rewrite the table in docs/explanation")
    other = verbs.add_parser("scale", help="a big schema, many idle clients, a long life")
    other.add_argument("what", nargs="?", choices=[*SIZES], help="all of them by default")
    other.add_argument("--tables", type=int, default=cache.TABLES)
    other.add_argument("--connections", type=int, default=idle.CONNECTIONS)
    other.add_argument("--hold", type=float, default=idle.HOLD_S, help="seconds")
    other.add_argument("--requests", type=int, default=memory.REQUESTS)
    other.add_argument("--json", action="store_true", help="the figures as JSON on stdout")
    other.add_argument("--page", action="store_true", help="rewrite the table in docs/explanation")
    options = parser.parse_args()
    if options.page and not _is_whole(options, parser):
        parser.error("--page wants the whole measurement")
    return options


def _is_whole(options: argparse.Namespace, parser: argparse.ArgumentParser) -> bool:
    """Tell whether nothing but the output was chosen: a page never holds half a table."""
    whole = vars(parser.parse_args([options.verb]))
    return {**vars(options), "page": False, "json": False} == whole


def _missing(servers: Iterable[str]) -> str:
    """Return what is missing and how to get it."""
    for name in servers:
        need = NEEDS.get(name)
        if need is not None and not need.path.exists():
            return f"{name} needs {need.path}: {need.hint}"
    if shutil.which("wrk") is None:
        return "the load needs wrk: apt-get install wrk"
    return ""


def _compare(options: argparse.Namespace) -> int:
    connections = QUICK if options.quick else FULL
    if options.connections:
        connections = dict.fromkeys(options.connections, 5)
    wanted = options.question or [one.name for one in QUESTIONS]
    plan = Plan(
        connections=connections,
        seconds=options.seconds,
        servers=tuple(options.server or SERVERS),
        questions=tuple(one for one in QUESTIONS if one.name in wanted),
    )
    begun = facts()
    found = compare(plan)
    lines = lines_of(found)
    if options.json:
        print(json.dumps(as_json(begun, found), indent=2))
    else:
        print(as_text(begun, lines))
    if options.page:
        rewrite("bench rest", as_markdown(begun, "make bench-rest", lines))
    return 0


def _scale(options: argparse.Namespace) -> int:
    begun = facts()
    found: list[figures.Figure] = []
    for name in [options.what] if options.what else SIZES:
        with cluster() as (server, folder):
            found += SIZES[name](server, folder, options)
    if options.json:
        print(json.dumps(figures.as_json(begun, found), indent=2))
    else:
        print(f"{begun}\n\n{figures.as_text(found)}")
    if options.page:
        rewrite("bench scale", figures.as_markdown(begun, "make bench-scale", found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
