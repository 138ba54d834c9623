"""The closure of the CRM's graph is the transitive closure with shortest depths, whatever happens.

The judge is networkx: after every statement the table must equal what it computes from the edges.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import networkx as nx
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.stacks.crm.database import DEFAULT_BOARD, Crm

NODES = [f"00000000-0000-4000-9000-{number:012}" for number in range(7)]
TYPES = ["parent", "knows"]
Connection = psycopg.Connection[Any]
Edge = tuple[int, int, str]
Paths = set[tuple[str, str, str, int]]

# Few nodes and many edges: paths get longer and shorter and close to cycles all the time.
edges = st.tuples(
    st.integers(0, 4), st.integers(0, 4), st.sampled_from(["parent", "parent", "knows"])
)
some_edges = st.lists(edges, min_size=1, max_size=6, unique=True)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), some_edges),
        st.tuples(st.just("delete"), some_edges),
        st.tuples(st.just("reverse"), some_edges),
        st.tuples(st.just("delete node"), st.lists(edges, min_size=1, max_size=2)),
    ),
    min_size=2,
    max_size=15,
)


def expected(connection: Connection) -> Paths:
    """Shortest lengths of all paths with at least one edge, cycles back to the start included."""
    paths: Paths = set()
    for kind in TYPES:
        rows = connection.execute("select src, dst from edge where type = %s", (kind,))
        graph: nx.DiGraph[str] = nx.DiGraph((str(r["src"]), str(r["dst"])) for r in rows)
        for start in graph:
            for after in graph.successors(start):
                lengths = nx.single_source_shortest_path_length(graph, after)
                paths |= {(start, end, kind, length + 1) for end, length in lengths.items()}
    shortest: dict[tuple[str, str, str], int] = {}
    for start, end, kind, length in paths:
        key = (start, end, kind)
        shortest[key] = min(length, shortest.get(key, length))
    return {(*key, length) for key, length in shortest.items()}


def stored(connection: Connection) -> Paths:
    rows = connection.execute("select ancestor, descendant, type, depth from closure")
    return {
        (str(r["ancestor"]), str(r["descendant"]), str(r["type"]), int(r["depth"])) for r in rows
    }


def add_nodes(connection: Connection) -> None:
    connection.cursor().executemany(
        "insert into node (id, board_id, kind, name) values (%s, %s, 'person', 'someone')"
        " on conflict do nothing",
        [(node, DEFAULT_BOARD) for node in NODES],
    )


def insert(connection: Connection, new: list[Edge]) -> None:
    connection.execute(
        "insert into edge (src, dst, type) select * from unnest(%s::uuid[], %s::uuid[], %s::text[])"
        " on conflict do nothing",
        _arrays(new),
    )


def delete(connection: Connection, old: list[Edge]) -> None:
    connection.execute(
        "delete from edge where (src, dst, type) in"
        " (select * from unnest(%s::uuid[], %s::uuid[], %s::text[]))",
        _arrays(old),
    )


def reverse(connection: Connection, some: list[Edge]) -> None:
    """Turn edges round by one update, except where the other direction is there already."""
    connection.execute(
        "update edge e set src = e.dst, dst = e.src where (src, dst, type) in"
        " (select * from unnest(%s::uuid[], %s::uuid[], %s::text[]))"
        " and not exists (select from edge o"
        " where (o.src, o.dst, o.type) = (e.dst, e.src, e.type))",
        _arrays(some),
    )


def _arrays(some: list[Edge]) -> tuple[list[str], list[str], list[str]]:
    return ([NODES[e[0]] for e in some], [NODES[e[1]] for e in some], [e[2] for e in some])


@given(steps=steps)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_closure_equals_the_transitive_closure_after_any_changes(
    crm: Crm, steps: list[tuple[str, list[Edge]]]
) -> None:
    with crm.connect() as connection:
        connection.execute("delete from node")
        add_nodes(connection)
        for kind, some in steps:
            match kind:
                case "insert":
                    insert(connection, some)
                case "delete":
                    delete(connection, some)
                case "reverse":
                    reverse(connection, some)
                case _:
                    ids = [NODES[e[0]] for e in some]
                    connection.execute("delete from node where id = any (%s::uuid[])", (ids,))
                    assert stored(connection) == expected(connection)
                    add_nodes(connection)
            assert stored(connection) == expected(connection)


@pytest.fixture
def graph(crm: Crm) -> Crm:
    with crm.connect() as connection:
        add_nodes(connection)
    return crm


def test_d4_joining_two_chains_finds_every_path_between_them(graph: Crm) -> None:
    """Regression: 1->2 and 3->4 joined by 2->3 once missed 1->3 and 2->4."""
    with graph.connect() as connection:
        for edge in [(1, 2, "parent"), (3, 4, "parent"), (2, 3, "parent")]:
            insert(connection, [edge])
        depths = {(a, d): n for a, d, _, n in stored(connection)}
    assert depths == {
        (NODES[1], NODES[2]): 1,
        (NODES[2], NODES[3]): 1,
        (NODES[3], NODES[4]): 1,
        (NODES[1], NODES[3]): 2,
        (NODES[2], NODES[4]): 2,
        (NODES[1], NODES[4]): 3,
    }


def test_a_short_cut_shortens_and_its_loss_lengthens_the_paths(graph: Crm) -> None:
    def depth(connection: Connection) -> int:
        return {(a, d): n for a, d, _, n in stored(connection)}[NODES[0], NODES[6]]

    with graph.connect() as connection:
        insert(connection, [(n, n + 1, "parent") for n in range(6)])
        lengths = [depth(connection)]
        insert(connection, [(0, 5, "parent")])
        lengths.append(depth(connection))
        delete(connection, [(0, 5, "parent")])
        lengths.append(depth(connection))
    assert lengths == [6, 2, 6]


def test_deleting_a_board_with_a_cyclic_graph_leaves_no_path(graph: Crm) -> None:
    with graph.connect() as connection:
        insert(connection, [(0, 1, "knows"), (1, 2, "knows"), (2, 0, "knows")])
        connection.execute("delete from board where id = %s", (DEFAULT_BOARD,))
        assert stored(connection) == set()


def test_writers_at_the_same_time_miss_no_path(graph: Crm) -> None:
    """Each of six connections adds one link of a chain, all at once."""

    def add(link: int) -> None:
        with graph.connect() as connection:
            insert(connection, [(link, link + 1, "parent")])

    with ThreadPoolExecutor(6) as writers:
        list(writers.map(add, range(6)))
    with graph.connect() as connection:
        assert stored(connection) == expected(connection)
        assert len(stored(connection)) == 21


def test_edges_refuse_a_snapshot_that_could_miss_another_writer(graph: Crm) -> None:
    with graph.connect() as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with (
            pytest.raises(psycopg.errors.FeatureNotSupported, match="repeatable read"),
            connection.transaction(),
        ):
            insert(connection, [(0, 1, "parent")])


def test_an_edge_cannot_join_two_boards(graph: Crm) -> None:
    with graph.connect() as connection:
        row = connection.execute(
            "insert into board (name) values ('Other') returning id"
        ).fetchone()
        assert row is not None
        connection.execute(
            "insert into node (id, board_id, kind, name)"
            " values ('00000000-0000-4000-9000-000000000099', %s, 'person', 'stranger')",
            (row["id"],),
        )
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            connection.execute(
                "insert into edge (src, dst, type)"
                " values (%s, '00000000-0000-4000-9000-000000000099', 'knows')",
                (NODES[0],),
            )


def test_a_rebuild_mends_a_damaged_closure_and_counts_the_wrong_rows(graph: Crm) -> None:
    with graph.connect() as connection:
        insert(connection, [(0, 1, "parent"), (1, 2, "parent"), (2, 3, "knows")])
        assert _rebuild(connection) == 0
        connection.execute("update closure set depth = 7 where depth = 2")
        connection.execute("delete from closure where type = 'knows'")
        assert _rebuild(connection) == 3
        assert stored(connection) == expected(connection)


def _rebuild(connection: Connection) -> int:
    row = connection.execute("select graph.rebuild_closure() as wrong").fetchone()
    assert row is not None
    return int(row["wrong"])
