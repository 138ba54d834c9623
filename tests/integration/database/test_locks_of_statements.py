"""The locks that a plan tells of, held against those that the server takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from gavan.database.forecast.locks import locks
from gavan.database.migration.split import split
from tests.conftest import Cluster, cloning

SCHEMA = """
create table t (id int primary key, n int, s text, constraint n_positive check (n > 0) not valid);
create table other (id int primary key, t_id int);
create table parent (id int, d date) partition by range (d);
create table part partition of parent for values from ('2026-01-01') to ('2026-02-01');
create table loose (id int, d date not null);
create table base (id int);
create table child () inherits (base);
create view v as select id from t;
create materialized view m as select id from t;
create unique index m_id on m (id);
create index t_n on t (n);
create function f() returns trigger language plpgsql as 'begin return new; end';
create trigger tr before insert on t for each row execute function f();
create policy p on t using (true);
create rule r as on delete to t do also notify gone;
create publication pub;
insert into t values (1, 1, 'a');
"""
MODES = [
    "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock", "ShareLock",
    "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock",
]  # fmt: skip
STATEMENTS = [
    "alter table t add column x int",
    "alter table t add column x uuid default gen_random_uuid()",
    "alter table t add column x timestamptz default now()",
    "alter table t add column x bigserial",
    "alter table t add column x int generated always as (n + 1) stored",
    "alter table t drop column s",
    "alter table t alter column n type bigint",
    "alter table t alter column n set not null",
    "alter table t alter column n set default 1",
    "alter table t alter column n set statistics 500",
    "alter table t set (fillfactor = 80)",
    "alter table t validate constraint n_positive",
    "alter table t add constraint c check (n < 100)",
    "alter table t add unique (n)",
    "alter table other add constraint fk foreign key (t_id) references t (id)",
    "alter table other add column t2 int references t (id)",
    "alter table t disable trigger tr",
    "alter table t enable row level security",
    "alter table t replica identity full",
    "alter table t set unlogged",
    "alter table t rename column n to nn",
    "alter table t rename to tt",
    "alter table t set schema extensions",
    "alter table t add constraint pk2 exclude (n with =)",
    "alter table parent attach partition loose for values from ('2026-03-01') to ('2026-04-01')",
    "alter table parent detach partition part",
    "alter table child no inherit base",
    "create index on t (s)",
    "create table q (t_id int references t (id))",
    "create table q (t_id int, foreign key (t_id) references t (id))",
    "create table q () inherits (base)",
    "create table q partition of parent for values from ('2026-05-01') to ('2026-06-01')",
    "create trigger tr2 after insert on t for each row execute function f()",
    "create policy p2 on t using (true)",
    "alter policy p on t using (false)",
    "drop policy p on t",
    "drop trigger tr on t",
    "drop rule r on t",
    "create rule r2 as on update to t do also notify changed",
    "drop table other",
    "drop view v",
    "drop materialized view m",
    "create or replace view v as select id from t",
    "refresh materialized view m",
    "refresh materialized view concurrently m",
    "truncate other",
    "lock table t in share mode",
    "cluster other using other_pkey",
    "reindex table t",
    "create statistics st on n, s from t",
    "comment on table t is 'x'",
    "comment on column t.n is 'x'",
    "alter publication pub add table t",
    "insert into t values (2, 2, 'b')",
    "update t set n = 3",
    "delete from other",
    "merge into other using t on t.id = other.id when matched then do nothing",
    "analyze t",
    "grant select on t to anon",
    "create table q (id int)",
]


@pytest.fixture(scope="module")
def connection(cluster: Cluster) -> Iterator[psycopg.Connection[Any]]:
    """One database for all statements: each is rolled back."""
    with cloning(cluster) as clone, clone().connect() as connection:
        connection.execute(SCHEMA)
        yield connection


def taken(connection: psycopg.Connection[Any], statement: str) -> dict[str, tuple[str, bool]]:
    """Return what the server takes: table to mode and whether its rows are in another file."""
    before = files(connection)
    connection.execute("begin")
    connection.execute(statement.encode())
    rows = connection.execute(
        "select relation::bigint, mode from pg_locks where pid = pg_backend_pid() and granted"
        " and locktype = 'relation' and mode <> 'AccessShareLock'"
    ).fetchall()
    after = files(connection)
    connection.execute("rollback")
    anew = {
        oid
        for oid in before
        if oid in after and before[oid][1] != after[oid][1] and not statement.startswith("truncate")
    }
    found: dict[str, tuple[str, bool]] = {}
    for oid, mode in sorted(rows, key=lambda row: MODES.index(row[1])):
        if oid in before:
            found[before[oid][0]] = (mode, oid in anew)
    return found


def files(connection: psycopg.Connection[Any]) -> dict[int, tuple[str, int]]:
    rows = connection.execute(
        "select oid, relname, relfilenode from pg_class where relkind in ('r', 'p', 'v', 'm')"
        " and relnamespace::regnamespace::text in ('public', 'extensions')"
    ).fetchall()
    return {oid: (name, number) for oid, name, number in rows}


def told(statement: str) -> dict[str, tuple[str, bool]]:
    return {one.table[1]: (MODES[one.mode - 2], one.rewrites) for one in locks(split(statement)[0])}


@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_locks_told_are_those_the_server_takes(
    connection: psycopg.Connection[Any], statement: str
) -> None:
    assert told(statement) == taken(connection, statement)
