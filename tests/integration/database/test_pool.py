"""The pool against a real Postgres: sessions never leak, errors carry SQLSTATE, faults heal."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from gavan.database import pipeline
from gavan.database.pipeline import Check
from gavan.database.pool import Pool, Times
from gavan.database.session import DatabaseError, Ending, PoolTimeout, Rows, Session, Statement
from gavan.kit.secret import Secret
from tests.conftest import Database

ANON = Session(role="anon", settings=(("request.jwt.claims", '{"role":"anon"}'),))
WHO = (
    "select current_user, current_setting('request.jwt.claims', true),"
    " current_setting('transaction_read_only'), current_setting('timezone')"
)


def sql(text: str, *params: bytes | None) -> Statement:
    return Statement(text=text, params=params)


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not await condition():  # noqa: ASYNC110 - the condition lives in the server
            await asyncio.sleep(0.01)


@pytest_asyncio.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    with database.connect() as connection:
        connection.execute(
            "create table parent (id int primary key);"
            "create table item (id int primary key, note text,"
            " parent int references parent deferrable initially deferred)"
        )
    made = Pool(Secret(database.url("authenticator")), size=3, times=Times(acquire_s=20))
    await made.open()
    yield made
    await made.close()


async def failure(pool: Pool, session: Session, statement: Statement) -> DatabaseError:
    with pytest.raises(DatabaseError) as caught:
        await pool.run(session, statement)
    return caught.value


async def test_a_statement_runs_as_the_role_with_its_settings(pool: Pool) -> None:
    rows = await pool.run(replace(ANON, read_only=True), sql(WHO))
    assert rows.values[0][:3] == (b"anon", b'{"role":"anon"}', b"on")
    assert len(rows.values) == 1


async def test_a_following_statement_shares_the_transaction(pool: Pool, database: Database) -> None:
    with database.connect() as connection:
        connection.execute("create sequence begun; grant usage on sequence begun to public")
    following = sql("explain select $1::int", b"5")
    first = replace(sql("select txid_current(), $1::text", b"a"), then=following)
    for number, session in enumerate((ANON, replace(ANON, rollback=True), ANON), start=1):
        counted = replace(session, before="select nextval('begun')")
        rows = await pool.run(counted, replace(first, then=sql("select txid_current()")))
        assert rows.then is not None
        assert rows.values[0] == (rows.then.values[0][0], b"a")
        assert (await pool.run(session, sql("select last_value from begun"))).values == [
            (str(number).encode(),)
        ]
    explained = (await pool.run(replace(ANON, read_only=True), first)).then
    assert explained is not None
    assert b"Result" in (explained.values[0][0] or b"")
    nul = await failure(pool, ANON, replace(first, then=sql("select $1::text", b"a\0")))
    assert nul.sqlstate == "22021"


async def test_two_thousand_random_role_switches_never_leak(pool: Pool) -> None:
    choice = random.Random(7)
    plain = (await pool.run(ANON, sql(WHO))).values[0]

    async def one(number: int) -> None:
        role = choice.choice(["anon", "authenticated", "service_role"])
        session = Session(
            role=role,
            settings=(("request.jwt.claims", str(number)),)
            + ((("timezone", "Asia/Tokyo"),) if choice.random() < 0.3 else ()),
            read_only=choice.random() < 0.5,
            rollback=choice.random() < 0.1,
            isolation="repeatable read" if choice.random() < 0.1 else None,
        )
        fails = choice.random() < 0.1
        try:
            rows = await pool.run(session, sql(WHO + ", 1/0" if fails else WHO))
        except DatabaseError as error:
            assert fails
            assert error.sqlstate == "22012"
            return
        zone = b"Asia/Tokyo" if len(session.settings) == 2 else plain[3]
        read_only = b"on" if session.read_only else b"off"
        assert rows.values[0] == (role.encode(), str(number).encode(), read_only, zone)

    await asyncio.gather(*(one(number) for number in range(2000)))


async def test_a_read_only_session_cannot_write_nor_free_itself(pool: Pool) -> None:
    session = replace(ANON, read_only=True)
    write = sql("insert into item (id) values (1)")
    assert (await failure(pool, session, write)).sqlstate == "25006"
    free = sql("select set_config('transaction_read_only', 'off', true)")
    assert (await failure(pool, session, free)).sqlstate == "25001"


async def test_an_error_carries_its_fields_and_the_next_request_is_fine(pool: Pool) -> None:
    error = await failure(pool, ANON, sql("select nope"))
    assert (error.sqlstate, error.position) == ("42703", 8)
    error = await failure(
        pool,
        ANON,
        sql(
            "do $$ begin raise sqlstate 'PT402'"
            " using message = 'm', detail = 'd', hint = 'h'; end $$"
        ),
    )
    assert (error.code, error.message, error.details, error.hint) == ("PT402", "m", "d", "h")
    assert (await pool.run(ANON, sql("select 1"))).values == [(b"1",)]


async def test_a_deferred_violation_at_commit_is_an_error(pool: Pool) -> None:
    bad = sql("insert into item values (1, 'x', 99)")
    assert (await failure(pool, ANON, bad)).sqlstate == "23503"
    assert (await failure(pool, replace(ANON, rollback=True), bad)).sqlstate == "23503"
    assert (await pool.run(ANON, sql("select * from item"))).values == []


@pytest.mark.parametrize(
    ("role", "sqlstate"),
    [("nobody", "22023"), ("supabase_admin", "42501"), ("none", "22023"), ("NONE", "22023")],
)
async def test_a_role_out_of_reach_is_refused(pool: Pool, role: str, sqlstate: str) -> None:
    assert (await failure(pool, replace(ANON, role=role), sql("select 1"))).sqlstate == sqlstate


async def test_rollback_and_a_failing_check_keep_nothing(pool: Pool) -> None:
    insert = sql("insert into item values (1, $1) returning note", b"x")
    assert (await pool.run(replace(ANON, rollback=True), insert)).values == [(b"x",)]

    def refuse(rows: Rows) -> None:
        raise ValueError(len(rows.values))

    with pytest.raises(ValueError, match="1"):
        await pool.run(ANON, insert, check=refuse)
    assert (await pool.run(ANON, sql("select * from item"))).values == []
    await pool.run(ANON, insert, check=lambda rows: None)
    assert (await pool.run(ANON, sql("select note from item"))).values == [(b"x",)]


async def test_what_a_check_leaves_is_done_as_its_own_role_with_the_change(
    pool: Pool, database: Database
) -> None:
    with database.connect() as connection:
        connection.execute("create table told (by text, of text check (of <> 'bad'))")
        connection.execute("revoke all on told from anon; grant insert on told to service_role")
    insert = sql("insert into item values (1, $1) returning note", b"x")

    def leave(text: bytes) -> Check:
        told = sql("insert into told select current_user, $1", text)
        return lambda rows: Ending(role="service_role", statement=told)

    for refused, sqlstate in ((b"bad", "23514"), (b"a\0b", "22021")):
        with pytest.raises(DatabaseError) as caught:
            await pool.run(ANON, insert, check=leave(refused))
        assert caught.value.sqlstate == sqlstate
        assert (await pool.run(ANON, sql("select * from item"))).values == []
    assert (await pool.run(ANON, insert, check=leave(b"good"))).values == [(b"x",)]
    with database.connect() as connection:
        assert connection.execute("select * from told").fetchall() == [("service_role", "good")]
        assert connection.execute("select note from item").fetchall() == [("x",)]
    assert (await pool.run(ANON, sql("select current_user"))).values == [(b"anon",)]


async def test_isolation_is_taken_and_an_unknown_one_refused(pool: Pool) -> None:
    show = sql("select current_setting('transaction_isolation')")
    rows = await pool.run(replace(ANON, isolation="serializable"), show)
    assert rows.values == [(b"serializable",)]
    error = await failure(pool, replace(ANON, isolation="serializable; drop table item"), show)
    assert error.sqlstate == "22023"


async def test_a_nul_byte_is_refused_instead_of_cutting_the_value(pool: Pool) -> None:
    assert (await failure(pool, ANON, sql("select $1", b"a\0b"))).sqlstate == "22021"


async def test_a_statement_timeout_of_the_session_counts_for_the_statement(pool: Pool) -> None:
    session = replace(ANON, settings=(*ANON.settings, ("statement_timeout", "50ms")))
    assert (await failure(pool, session, sql("select pg_sleep(20)"))).sqlstate == "57014"


async def test_large_values_go_both_ways(pool: Pool) -> None:
    value = b"x" * 12_000_000
    assert (await pool.run(ANON, sql("select $1::text", value))).values == [(value,)]


async def test_a_changed_table_does_not_break_a_prepared_statement(
    pool: Pool, database: Database
) -> None:
    every = sql("select * from parent")
    with database.connect() as connection:
        connection.execute("insert into parent values (1)")
    assert (await pool.run(ANON, every)).values == [(b"1",)]
    with database.connect() as connection:
        connection.execute("alter table parent add column note text")
    assert (await pool.run(ANON, every)).values == [(b"1", None)]
    await pool.run(ANON, sql("deallocate all"))
    assert (await pool.run(ANON, every)).values == [(b"1", None)]


async def test_prepared_statements_are_bounded(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "PREPARED_STATEMENTS", 5)
    pool = Pool(Secret(database.url("authenticator")), size=1)
    await pool.open()
    for number in range(40):
        text = "select 1/0" if number % 3 == 0 else f"select {number}"
        try:
            await pool.run(ANON, sql(f"{text} -- {number}"))
        except DatabaseError as error:
            assert error.sqlstate == "22012"
    rows = await pool.run(ANON, sql("select count(*) from pg_prepared_statements"))
    assert int(rows.values[0][0] or 0) <= 10
    await pool.close()


async def test_a_cancelled_request_cancels_its_statement(pool: Pool, database: Database) -> None:
    async with await psycopg.AsyncConnection.connect(
        database.url("supabase_admin"), autocommit=True
    ) as admin:

        async def running() -> bool:
            cursor = await admin.execute(
                "select count(*) from pg_stat_activity where datname = current_database()"
                " and state <> 'idle' and query like '%pg_sleep(60)%' and pid <> pg_backend_pid()"
            )
            row = await cursor.fetchone()
            return row is not None and row[0] > 0

        async def stopped() -> bool:
            return not await running()

        task = asyncio.create_task(pool.run(ANON, sql("select pg_sleep(60)")))
        await until(running)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(stopped)
        for number in range(20):
            rows = await pool.run(ANON, sql("select $1", str(number).encode()))
            assert rows.values == [(str(number).encode(),)]


async def test_random_cancellations_leave_every_connection_usable(pool: Pool) -> None:
    choice = random.Random(11)
    insert = sql("insert into item (id) select count(*) from item returning pg_sleep(0.002)")

    async def one() -> None:
        session = replace(ANON, rollback=choice.random() < 0.3)
        check = (lambda rows: None) if choice.random() < 0.3 else None
        task = asyncio.create_task(pool.run(session, insert, check=check))
        await asyncio.sleep(choice.random() * 0.01)
        task.cancel()
        try:
            await task
        except (asyncio.CancelledError, DatabaseError):
            return

    await asyncio.gather(*(one() for _ in range(150)))
    rows = await asyncio.gather(*(pool.run(ANON, sql(WHO)) for _ in range(30)))
    assert {row.values[0][0] for row in rows} == {b"anon"}
    assert pool._total <= 3


async def test_the_wait_for_a_connection_ends(database: Database) -> None:
    pool = Pool(Secret(database.url("authenticator")), size=1, times=Times(acquire_s=0.2))
    await pool.open()
    slow = asyncio.create_task(pool.run(ANON, sql("select pg_sleep(60)")))
    await asyncio.sleep(0)
    with pytest.raises(PoolTimeout):
        await pool.run(ANON, sql("select 1"))
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)
    await pool.close()


async def test_killed_connections_are_replaced(pool: Pool, database: Database) -> None:
    await asyncio.gather(*(pool.run(ANON, sql("select 1")) for _ in range(3)))
    flying = asyncio.create_task(pool.run(ANON, sql("select pg_sleep(60)")))

    async def killed() -> bool:
        async with await psycopg.AsyncConnection.connect(
            database.url("supabase_admin"), autocommit=True
        ) as admin:
            await admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where usename = 'authenticator' and datname = current_database()"
            )
        return flying.done()

    await until(killed)
    error = flying.exception()
    assert isinstance(error, DatabaseError)
    assert error.sqlstate in {"57P01", "08006"}
    reader = replace(ANON, read_only=True)
    assert (await pool.run(reader, sql("select 1"))).values == [(b"1",)]


async def test_an_unreachable_server_is_an_error_at_once_and_not_a_crash() -> None:
    pool = Pool(Secret("postgresql://authenticator:hidden@127.0.0.1:1/postgres"))
    await pool.open()
    error = await failure(pool, ANON, sql("select 1"))
    assert error.sqlstate == "08001"
    assert "hidden" not in f"{error}{error.details}"
    assert pool.retry_after_s >= 1
    await pool.close()
    with pytest.raises(DatabaseError):
        await pool.run(ANON, sql("select 1"))
