"""A board is open to its members and to nobody else, whatever a stranger tries."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.stacks.crm.database import DEFAULT_BOARD, Crm, User
from tests.stacks.crm.test_cards import add_card, columns, move, new_board, one

TABLES = [
    "board", "board_member", '"column"', "task", "card", "card_move", "node", "edge", "closure",
    "embedding", "cfd_daily", "burndown", "velocity", "cycle_time",
]  # fmt: skip
VECTOR = "[" + ",".join(["0.5"] * 1536) + "]"


@pytest.fixture
def ada(crm: Crm) -> User:
    return crm.sign_up("ada@example.org")


@pytest.fixture
def bob(crm: Crm) -> User:
    return crm.sign_up("bob@example.org")


@pytest.fixture
def board(crm: Crm, ada: User) -> dict[str, Any]:
    """A board of Ada with a row in every table."""
    with crm.acting(ada) as connection:
        board = new_board(connection)
        ids = columns(connection, board)
        move(connection, add_card(connection, ids["backlog"], "secret"), ids["done"])
        nodes = [
            one(
                connection,
                "insert into node (board_id, kind, name) values (%s, 'person', 'x') returning id",
                board["id"],
            )["id"]
            for _ in range(2)
        ]
        connection.execute("insert into edge (src, dst, type) values (%s, %s, 'knows')", nodes)
        connection.execute(
            "insert into embedding (board_id, entity_type, entity_id, v)"
            " values (%s, 'node', %s, %s::extensions.vector)",
            (board["id"], nodes[0], VECTOR),
        )
    with crm.connect() as owner:
        owner.execute("select metrics.refresh()")
    return board | ids


def test_a_member_sees_a_row_in_every_table_and_metric(crm: Crm, ada: User, board: Any) -> None:
    with crm.acting(ada) as connection:
        for table in TABLES:
            row = one(connection, f"select count(*) as n from {table}")
            assert row["n"] > 0, table


def test_a_stranger_sees_nothing(crm: Crm, bob: User, board: Any) -> None:
    with crm.acting(bob) as connection:
        for table in TABLES:
            assert connection.execute(f"select * from {table}".encode()).fetchall() == [], table


def test_without_an_account_no_table_opens(crm: Crm, board: Any) -> None:
    with crm.acting(None) as connection:
        for table in TABLES:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"select * from {table}".encode())
        for call in ["create_board('x')", f"invite_member('{DEFAULT_BOARD}', 'x')"]:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"select {call}".encode())


def test_a_stranger_changes_nothing(crm: Crm, bob: User, board: Any) -> None:
    with crm.acting(bob) as connection:
        for table, change in [
            ("board", "name = 'mine'"),
            ('"column"', "name = 'mine'"),
            ("task", "title = 'mine'"),
            ("node", "name = 'mine'"),
            ("edge", "type = 'mine'"),
            ("embedding", "entity_type = 'mine'"),
        ]:
            assert connection.execute(f"update {table} set {change}".encode()).rowcount == 0, table
        for table in ["board", '"column"', "task", "node", "edge", "embedding", "board_member"]:
            assert connection.execute(f"delete from {table}".encode()).rowcount == 0, table


@pytest.mark.parametrize(
    "statement",
    [
        "insert into task (board_id, title) values (%(board)s, 'mine')",
        "insert into \"column\" (board_id, name, key) values (%(board)s, 'Mine', 'mine')",
        "insert into node (board_id, kind, name) values (%(board)s, 'person', 'mine')",
        "insert into board_member (board_id, user_id, email) values (%(board)s, %(bob)s, 'b')",
        "insert into card (board_id, task_id, column_id) values (%(board)s, %(board)s, %(done)s)",
        "insert into card_move (card_id, board_id, kind, to_status, to_stage)"
        " values (%(card)s, %(board)s, 'moved', 'done', 'done')",
        "insert into closure values (%(card)s, %(card)s, 1, 'x', %(board)s)",
        "insert into board (name, created_by) values ('as ada', %(ada)s)",
        "update card set position = 1",
        "select * from metrics.cfd_daily",
        "select private.join_board(%(board)s, 'bob@example.org')",
        "select graph.rebuild_closure()",
        "select metrics.refresh()",
        "select * from auth.users",
    ],
)
def test_a_stranger_is_refused(crm: Crm, ada: User, bob: User, board: Any, statement: str) -> None:
    with crm.connect() as owner:
        card = one(owner, "select id from card")["id"]
    values = {
        "board": board["id"],
        "done": board["done"],
        "card": card,
        "ada": ada.id,
        "bob": bob.id,
    }
    with (
        crm.acting(bob) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement.encode(), values)


@pytest.mark.parametrize(
    "call",
    [
        "create_card(%(done)s, 'mine')",
        "move_card(%(card)s, %(done)s)",
        "archive_card(%(card)s)",
        "invite_member(%(board)s, 'bob@example.org')",
    ],
)
def test_a_stranger_cannot_call_his_way_in(crm: Crm, bob: User, board: Any, call: str) -> None:
    with crm.connect() as owner:
        card = one(owner, "select id from card")["id"]
    with crm.acting(bob) as connection, pytest.raises(psycopg.Error) as refusal:
        connection.execute(
            f"select {call}".encode(), {"board": board["id"], "done": board["done"], "card": card}
        )
    assert refusal.value.diag.sqlstate == "PT404"


def test_a_card_cannot_be_moved_into_a_board_of_others(
    crm: Crm, ada: User, bob: User, board: Any
) -> None:
    with crm.acting(bob) as connection:
        own = columns(connection, new_board(connection))
        card = add_card(connection, own["backlog"], "mine")
        with pytest.raises(psycopg.Error, match="column not found"):
            move(connection, card, board["backlog"])
        with pytest.raises(psycopg.Error, match="new row violates row-level security"):
            connection.execute("update task set board_id = %s", (board["id"],))
    with crm.connect() as owner:
        foreign = one(owner, "select id from card where board_id = %s", board["id"])["id"]
    with crm.acting(bob) as connection, pytest.raises(psycopg.Error, match="card not found"):
        move(connection, str(foreign), own["backlog"])


def test_an_invited_user_works_on_the_board_and_may_leave_it(
    crm: Crm, ada: User, bob: User, board: Any
) -> None:
    with crm.acting(ada) as connection:
        for email in ["Bob@Example.org ", "bob@example.org"]:
            member = one(connection, "select * from invite_member(%s, %s)", board["id"], email)
            assert (str(member["user_id"]), member["role"]) == (bob.id, "member")
    with crm.acting(bob) as connection:
        add_card(connection, board["backlog"], "from bob")
        connection.execute("update task set assignee = %s where title = 'from bob'", (bob.id,))
        assert connection.execute("delete from board").rowcount == 0
        assert connection.execute("delete from board_member").rowcount == 1
        assert connection.execute("select id from board").fetchall() == []
    with crm.acting(ada) as connection:
        task = one(connection, "select assignee from task where title = 'from bob'")
        assert task["assignee"] is None
        assert connection.execute("delete from board_member").rowcount == 0, "the owner stays"


def test_only_a_member_can_be_in_charge_of_a_task(
    crm: Crm, ada: User, bob: User, board: Any
) -> None:
    with crm.acting(ada) as connection, pytest.raises(psycopg.errors.ForeignKeyViolation):
        connection.execute("update task set assignee = %s", (bob.id,))


def test_inviting_an_unknown_address_says_what_to_do(crm: Crm, ada: User, board: Any) -> None:
    with crm.acting(ada) as connection, pytest.raises(psycopg.Error) as refusal:
        connection.execute("select invite_member(%s, 'nobody@example.org')", (board["id"],))
    assert refusal.value.diag.sqlstate == "PT404"
    assert "sign up first" in str(refusal.value.diag.message_hint)


def test_the_service_key_moves_cards_and_reads_metrics(crm: Crm, board: Any) -> None:
    with psycopg.connect(crm.database.url("authenticator"), autocommit=True) as connection:
        connection.execute(
            "select set_config('request.jwt.claims', '{\"role\": \"service_role\"}', false)"
        )
        connection.execute("set role service_role")
        connection.execute("select move_card((select id from card), %s)", (board["review"],))
        assert connection.execute("select * from cfd_daily").fetchall()


def test_embeddings_are_found_by_meaning_on_ones_own_board_only(
    crm: Crm, ada: User, bob: User, board: Any
) -> None:
    query = "select * from match_embedding(%s, %s::extensions.vector)"
    with crm.acting(ada) as connection:
        found = one(connection, query, board["id"], VECTOR)
        assert found["distance"] == pytest.approx(0, abs=1e-6)
    with crm.acting(bob) as connection:
        assert connection.execute(query.encode(), (board["id"], VECTOR)).fetchall() == []


def test_a_stranger_cannot_take_the_place_of_an_embedding(
    crm: Crm, ada: User, bob: User, board: Any
) -> None:
    insert = (
        "insert into embedding (board_id, entity_type, entity_id, v)"
        " values (%s, 'card', %s, %s::extensions.vector) returning id"
    )
    with crm.acting(ada) as connection:
        entity = one(connection, "select id from card")["id"]
    with crm.acting(bob) as connection:
        one(connection, insert, new_board(connection)["id"], entity, VECTOR)
    with crm.acting(ada) as connection:
        assert one(connection, insert, board["id"], entity, VECTOR)["id"]


def test_every_table_has_row_security_and_every_foreign_key_an_index(crm: Crm) -> None:
    with crm.connect() as owner:
        unguarded = owner.execute(
            "select relname from pg_class where relnamespace = 'public'::regnamespace"
            " and relkind = 'r' and not relrowsecurity"
        ).fetchall()
        unindexed = owner.execute(
            "select c.conrelid::regclass::text as t, c.conname from pg_constraint c"
            " where c.contype = 'f' and c.connamespace = 'public'::regnamespace"
            " and not exists (select from pg_index i where i.indrelid = c.conrelid"
            "   and (i.indkey::int2[])[0:0] <@ c.conkey and i.indpred is null)"
        ).fetchall()
        loose = owner.execute(
            "select p.oid::regprocedure::text as f from pg_proc p"
            " where p.pronamespace in ('public'::regnamespace, 'private'::regnamespace,"
            "   'graph'::regnamespace, 'metrics'::regnamespace)"
            " and not coalesce(p.proconfig::text like '%%search_path=%%', false)"
        ).fetchall()
    assert (unguarded, unindexed, loose) == ([], [], [])


def test_with_a_second_factor_a_password_alone_opens_no_board(
    crm: Crm, ada: User, board: dict[str, Any]
) -> None:
    with crm.connect() as owner:
        owner.execute(
            "insert into auth.mfa_factors"
            " (id, user_id, factor_type, status, created_at, updated_at)"
            " values (gen_random_uuid(), %s, 'totp', 'verified', now(), now())",
            (ada.id,),
        )
    with crm.acting(ada) as connection:
        for table in TABLES:
            row = one(connection, f"select count(*) as n from {table}")
            assert row["n"] == 0, table
        with pytest.raises(psycopg.errors.Error):
            connection.execute(
                "select * from public.invite_member(%s, 'bob@example.org')", (board["id"],)
            )
    with crm.acting(ada.proved()) as connection:
        for table in TABLES:
            row = one(connection, f"select count(*) as n from {table}")
            assert row["n"] > 0, table
