"""The command line: ``compare`` the servers, or measure a size by ``scale``."""

from __future__ import annotations

import argparse
import json
import shutil
import sys

from bench.machine import facts
from bench.rest.compare import Plan, compare
from bench.rest.equality import Differs
from bench.rest.load import LoadFailed
from bench.rest.page import rewrite
from bench.rest.questions import GOAL_CONNECTIONS, QUESTIONS
from bench.rest.report import as_json, as_markdown, as_text, lines_of
from bench.rest.servers import NEEDS, SERVERS

FULL = {GOAL_CONNECTIONS: 5, 1: 3, 64: 3}
"""Rounds for each number of connections"""
QUICK = {GOAL_CONNECTIONS: 3}
MISSING, FAILED = 7, 1


def main() -> int:
    """Do what was asked; return the exit code."""
    options = _parse()
    missing = _missing(options)
    if missing:
        sys.stderr.write(f"{missing}\n")
        return MISSING
    try:
        return _compare(options)
    except (Differs, LoadFailed) as error:
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
    return parser.parse_args()


def _missing(options: argparse.Namespace) -> str:
    """Return what is missing and how to get it."""
    for name in options.server or SERVERS:
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


if __name__ == "__main__":
    sys.exit(main())
