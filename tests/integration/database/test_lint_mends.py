"""The long mends of the lint do in Postgres what they promise."""

from __future__ import annotations

import itertools
from pathlib import Path

import networkx
import pytest

from gavan.database.lint.run import Rules, Sources, lint_files
from tests.conftest import Database

EXAMPLE = Path(__file__).parents[2] / "unit" / "database" / "lint" / "examples" / "GV373"
TABLES = """
create table edge (src int, dst int, type text, primary key (src, dst, type));
create table closure (ancestor int, descendant int, depth int, type text,
  primary key (ancestor, descendant, type));
"""
EDGES = [(1, 2), (3, 4), (2, 3), (4, 1), (5, 1)]


@pytest.fixture
def mend() -> str:
    rules = Rules(levels={"GV373": "error"}, exposed=("public",))
    (finding,) = (
        one for one in lint_files(Sources(ups=[EXAMPLE / "bad.sql"]), rules) if one.code == "GV373"
    )
    return finding.mend


@pytest.mark.parametrize("order", list(itertools.permutations(EDGES))[::11])
def test_the_mended_closure_is_the_transitive_closure(
    order: tuple[tuple[int, int], ...], mend: str, database: Database
) -> None:
    with database.connect() as connection:
        connection.execute(TABLES.encode())
        body = f"begin {mend} return null; end"
        connection.execute(
            f"create function add() returns trigger language plpgsql as $${body}$$".encode()
        )
        connection.execute(
            b"create trigger t after insert on edge for each row execute function add()"
        )
        for src, dst in order:
            connection.execute("insert into edge values (%s, %s, 'x')", (src, dst))
        rows = connection.execute("select ancestor, descendant from closure").fetchall()
    graph: networkx.DiGraph[int] = networkx.DiGraph(order)
    wanted = {(a, b) for a in graph for c in graph[a] for b in networkx.descendants(graph, c) | {c}}
    assert set(rows) == wanted
