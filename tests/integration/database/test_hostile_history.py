"""A history that another hand has been at: older tables, odd rows, rights that are gone."""

from __future__ import annotations

from functools import partial

import pytest
from psycopg.conninfo import make_conninfo

from gavan.database.embedded import ADMIN
from gavan.database.migration.apply import migrate, status
from gavan.database.migration.plan import State
from gavan.database.migration.run import Options
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from tests.conftest import Database
from tests.migrations import Migrations

HISTORY = "supabase_migrations.schema_migrations"


@pytest.fixture
def made(migrations: Migrations) -> Migrations:
    """A database without a table of the history, and two migrations."""
    migrations.ask("select 1")
    migrations.connection.execute(f"drop table if exists {HISTORY}".encode())
    migrations.write("1_a.sql", "create table a (id int);")
    migrations.write("2_b.sql", "create table b (id int);")
    return migrations


def run(migrations: Migrations, *commands: str) -> None:
    for command in commands:
        migrations.connection.execute(command.encode())


def states(migrations: Migrations) -> list[State]:
    return [entry.state for entry in status(migrations.url, migrations.folder)]


@pytest.mark.parametrize("columns", ["", ", statements text[]"])
def test_the_table_of_an_older_cli_is_read_and_completed(made: Migrations, columns: str) -> None:
    run(
        made,
        f"create table {HISTORY} (version text primary key{columns})",
        f"insert into {HISTORY} (version) values ('1')",
    )
    assert states(made) == [State.APPLIED, State.PENDING]
    assert made.up() == ["2"]
    assert made.ask(f"select version, statements, name from {HISTORY} order by 1") == [
        ("1", None, None),
        ("2", ["create table b (id int)"], "b"),
    ]


def test_columns_of_a_newer_cli_are_left_alone(made: Migrations) -> None:
    run(
        made,
        f"create table {HISTORY} (version text primary key, created_by text,"
        " idempotency_key text unique, rollback text[], statements text[], name text)",
    )
    assert made.up() == ["1", "2"]
    assert states(made) == [State.APPLIED, State.APPLIED]


@pytest.mark.parametrize("statements", ["{NULL,x}", "{{a,b},{c,d}}", "{}"])
def test_statements_that_no_tool_writes_are_an_edited_file(
    made: Migrations, statements: str
) -> None:
    made.up()
    run(made, f"update {HISTORY} set statements = '{statements}' where version = '1'")
    assert states(made)[0] is State.CHANGED
    with pytest.raises(GavanError) as caught:
        made.up()
    assert caught.value.code == "GV308"


def test_a_table_of_another_tool_in_its_place_is_named(made: Migrations) -> None:
    run(made, f"create table {HISTORY} (version bigint primary key, dirty boolean)")
    with pytest.raises(GavanError) as caught:
        made.up()
    assert caught.value.code == "GV345"
    assert "bigint" in (caught.value.details or "")
    assert made.tables() == []


def test_a_history_that_may_not_be_written_leaves_nothing_and_says_so(made: Migrations) -> None:
    made.up()
    run(made, f"revoke insert on {HISTORY} from postgres")
    made.write("3_c.sql", "create table c (id int);")
    with pytest.raises(GavanError) as caught:
        made.up()
    assert caught.value.code == "GV345"
    assert "permission denied for table schema_migrations" in caught.value.message
    assert (caught.value.where or "").endswith("3_c.sql:1:1")
    assert made.tables() == ["a", "b"]


def test_a_role_without_rights_is_told_so(database: Database, made: Migrations) -> None:
    made.up()
    with database.connect(ADMIN) as admin:
        admin.execute("create role stranger login password 'stranger'")
        try:
            url = Secret(make_conninfo(database.url(), user="stranger", password="stranger"))
            for ask in (status, partial(migrate, options=Options())):
                with pytest.raises(GavanError) as caught:
                    ask(url, made.folder)
                assert caught.value.code == "GV345"
                assert "permission denied for schema supabase_migrations" in caught.value.message
        finally:
            admin.execute("drop role stranger")


def test_a_file_that_drops_the_log_is_rolled_back(made: Migrations) -> None:
    made.write("3_c.sql", "drop table gavan.migration_log;")
    with pytest.raises(GavanError) as caught:
        made.up()
    assert caught.value.code == "GV345"
    assert made.versions() == ["1", "2"]
    assert made.ask("select count(*) from gavan.migration_log") == [(2,)]
