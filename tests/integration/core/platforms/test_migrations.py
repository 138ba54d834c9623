"""Migrations on each supported major of Postgres: what we ask and say is known to all of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from gavan.backups.portable_dump import schema_text
from gavan.database.forecast.look import look
from gavan.database.lint.run import Rules, Sources
from gavan.database.migration import files, history
from gavan.database.migration.apply import plan_up, status
from gavan.database.migration.catalogue import compare_schemas, read_schema
from gavan.database.migration.converge import converge
from gavan.database.migration.errors import StatementError
from gavan.database.migration.lock import connect
from gavan.database.migration.parsed import Direction
from gavan.database.migration.plan import State
from gavan.database.migration.repair import repair
from gavan.database.migration.run import Options
from gavan.database.migration.seed import seed
from gavan.database.migration.unlock import lock_holder
from gavan.kit.secret import Secret
from tests.migrations import Migrations
from tests.plain_postgres import PlainPostgres

# Of every kind that the catalogue names, what PostgreSQL 14 knows.
SCHEMA = """
create schema shop;
create type shop.mood as enum ('bad', 'good');
create domain shop.percent as int not null default 0 check (value between 0 and 100);
create type shop.stretch as range (subtype = int);
create type shop.pair as (a int, b text);
create sequence shop.numbers start 7;
create table shop.board (
  id int generated always as identity primary key,
  name text not null collate "C" default 'new',
  share shop.percent,
  feeling shop.mood,
  upper_name text generated always as (upper(name)) stored,
  constraint named check (name <> '')
);
create table shop.card (id int primary key, board_id int references shop.board on delete cascade);
create table shop.event (at date not null, note text) partition by range (at);
create table shop.event_2026 partition of shop.event
  for values from ('2026-01-01') to ('2027-01-01');
create index card_board on shop.card (board_id) where board_id is not null;
create view shop.named as select id, name from shop.board;
create materialized view shop.counted as select count(*) as n from shop.card;
create function shop.seen() returns trigger language plpgsql as 'begin return new; end';
create procedure shop.clean() language sql as 'delete from shop.card';
create aggregate shop.total (int) (sfunc = int4pl, stype = int, initcond = '0');
create trigger seen before insert on shop.card for each row execute function shop.seen();
create rule quiet as on delete to shop.event do instead nothing;
create statistics shop.both (dependencies) on id, board_id from shop.card;
create publication told for table shop.card;
alter table shop.card enable row level security;
create policy reads on shop.card for select using (true);
grant select on shop.card to public;
grant update (board_id) on shop.card to public;
alter default privileges in schema shop grant select on tables to public;
comment on table shop.card is 'a card';
"""
_numbers = itertools.count(1)


@pytest.fixture
def fresh(postgres: PlainPostgres) -> Iterator[Secret]:
    """An empty database."""
    name = f"migrated_{next(_numbers)}"
    with postgres.connect() as admin:
        admin.execute(f"create database {name}".encode())
        yield Secret(make_conninfo(postgres.url(), dbname=name))
        admin.execute(f"drop database {name} with (force)".encode())


@pytest.fixture
def migrations(fresh: Secret, tmp_path: Path) -> Iterator[Migrations]:
    made = Migrations(tmp_path, fresh)
    yield made
    made.connection.close()


def test_files_go_there_and_back_and_resume(migrations: Migrations) -> None:
    migrations.write("000_a.sql", "create table a (id int);\ninsert into a values (1), (1);")
    index = "select 1;\ncreate unique index concurrently a_id on a (id);"
    migrations.write("010_b.sql", f"-- gavan: no-transaction\n{index}", "drop index a_id;")
    with pytest.raises(StatementError, match="unique"):
        migrations.up()
    migrations.connection.execute("delete from a")
    assert migrations.up() == ["010"]
    assert migrations.ask("select indisvalid from pg_index where indexrelid = 'a_id'::regclass")
    assert migrations.down() == ["010"]
    repair(migrations.url, migrations.folder, ["010"], Direction.UP, Options())
    states = [one.state for one in status(migrations.url, migrations.folder)]
    assert states == [State.APPLIED, State.HOLLOW]
    assert lock_holder(migrations.url) is None
    path = migrations.folder / "seed.txt"
    path.write_text("insert into a values (7);")
    for ran in (["seed.txt"], []):
        assert seed(migrations.url, [path], root=migrations.folder) == ran


def test_a_large_file_is_applied_and_recognised(
    migrations: Migrations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LARGE_BYTES", 50_000)
    monkeypatch.setattr(history, "LARGE_BYTES", 50_000)
    rows = "".join(f"insert into a values ({n}, '{'x' * 90}');\n" for n in range(1000))
    migrations.write("000_a.sql", f"create table a (id int, note text);\n{rows}")
    assert migrations.up() == ["000"]
    assert [one.state for one in status(migrations.url, migrations.folder)] == [State.APPLIED]


def test_a_plan_knows_the_tables_and_who_is_in_the_way_is_seen(migrations: Migrations) -> None:
    migrations.write("000_a.sql", SCHEMA)
    migrations.up()
    migrations.write("010_b.sql", "alter table shop.card add column n int;")
    plan = plan_up(migrations.url, migrations.folder, Options())
    rules = Rules(levels={}, exposed=("shop",))
    with connect(migrations.url, "plan") as connection:
        seen = look(connection, plan, Sources(), rules)
    assert [one.taken.table for one in seen.held[0][0]] == [("shop", "card")]
    other = psycopg.connect(migrations.url.reveal())
    pid = other.info.backend_pid
    other.execute("lock table shop.card")
    assert migrations.up(lock_timeout="1500ms", retries=8, kill_blockers=True) == ["010"]
    other.close()
    assert any(f"ended backend {pid}" == detail for _, _, detail in migrations.heard)


def test_a_schema_is_read_and_made_again(migrations: Migrations, postgres: PlainPostgres) -> None:
    migrations.connection.execute(SCHEMA.encode())
    name = f"again_{next(_numbers)}"
    with postgres.connect() as admin:
        admin.execute(f"create database {name}".encode())
        try:
            with psycopg.connect(
                make_conninfo(postgres.url(), dbname=name), autocommit=True
            ) as start:
                found = converge(start, migrations.connection)
                left = compare_schemas(read_schema(migrations.connection), read_schema(start))
            assert (left, found.left, found.remade) == ([], [], [])
        finally:
            admin.execute(f"drop database {name} with (force)".encode())


def test_the_schema_is_written_as_one_file(migrations: Migrations) -> None:
    migrations.connection.execute(SCHEMA.encode())
    text = schema_text(migrations.url)
    for part in ("CREATE TABLE shop.card", "CREATE POLICY reads", "CREATE MATERIALIZED VIEW"):
        assert part in text
