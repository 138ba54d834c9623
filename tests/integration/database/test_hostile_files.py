"""Files that would break a runner: rows for psql, settings that outlive them, odd encodings."""

from __future__ import annotations

import pytest

from gavan.database.embedded import ADMIN
from gavan.database.migration.apply import migrate, status
from gavan.database.migration.errors import StatementError
from gavan.database.migration.plan import State
from gavan.database.migration.run import Options
from gavan.kit.secret import Secret
from tests.conftest import Database
from tests.migrations import Migrations

TABLE = "create table t (id int);\n"
# More than is held in memory.
LARGE = (
    "create table t (id int, x text);\n" + f"insert into t values (1, '{'y' * 200}');\n" * 20_000
)


@pytest.mark.parametrize(
    ("sql", "line"),
    [
        pytest.param(f"{TABLE}copy t from stdin;\n1\n2\n\\.\n", 3, id="rows"),
        pytest.param(f"{TABLE}copy t from stdin;\n", 2, id="no rows"),
        pytest.param(f"{TABLE}copy (select 1) to stdout;\n", 2, id="to the client"),
        pytest.param(f"{LARGE}copy t from stdin;\n", 20_002, id="large"),
        pytest.param(f"{LARGE}copy t from stdin;\n1\tx\n\\.\n", 20_003, id="large, rows"),
    ],
)
def test_rows_that_only_psql_could_send_are_refused(
    migrations: Migrations, sql: str, line: int
) -> None:
    migrations.write("1_a.sql", sql)
    with pytest.raises(StatementError) as caught:
        migrations.up()
    assert caught.value.code == "GV307"
    assert (caught.value.where or "").endswith(f"1_a.sql:{line}:1")
    assert "pg_dump --inserts" in (caught.value.hint or "")
    assert migrations.tables() == []


def test_a_copy_that_the_server_does_alone_is_run(
    database: Database, migrations: Migrations
) -> None:
    migrations.write("1_a.sql", f"{TABLE}copy t from program 'echo 7';\n")
    migrate(Secret(database.url(ADMIN)), migrations.folder, Options())
    with database.connect(ADMIN) as connection:
        assert connection.execute("select id from t").fetchall() == [(7,)]


def test_a_role_that_a_file_took_does_not_write_the_history(migrations: Migrations) -> None:
    migrations.write("1_a.sql", "set role anon; select 1;")
    migrations.write("2_b.sql", TABLE)
    assert migrations.up() == ["1", "2"]
    owner = migrations.ask("select tableowner from pg_tables where tablename = 't'")
    assert owner == [("postgres",)]


def test_a_role_is_kept_from_statement_to_statement_without_a_transaction(
    migrations: Migrations,
) -> None:
    migrations.write(
        "1_a.sql",
        "-- gavan: no-transaction\n"
        "create table t as select 'x'::text as who; grant select, update on t to anon;\n"
        "set role anon; update t set who = current_user; reset role; create table u ();\n",
    )
    assert migrations.up() == ["1"]
    assert migrations.ask("select who from t") == [("anon",)]
    assert migrations.tables() == ["t", "u"]


def test_an_encoding_that_a_file_sets_does_not_reach_the_history(migrations: Migrations) -> None:
    migrations.write("1_a.sql", "set client_encoding to 'LATIN1'; select 'é';")
    migrations.write("2_b.sql", "create table t as select 'é'::text as x;")
    assert migrations.up() == ["1", "2"]
    assert migrations.ask("select x from t") == [("é",)]
    states = [entry.state for entry in status(migrations.url, migrations.folder)]
    assert states == [State.APPLIED, State.APPLIED]


def test_the_locale_of_the_machine_does_not_matter(
    migrations: Migrations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    migrations.write("1_имя.sql", "create table t as select 'é'::text as x;")
    assert migrations.up() == ["1"]
    assert migrations.ask("select x from t") == [("é",)]
    assert migrations.ask("select name from supabase_migrations.schema_migrations") == [("имя",)]
    assert [one.state for one in status(migrations.url, migrations.folder)] == [State.APPLIED]


@pytest.mark.parametrize(
    "sql",
    [
        "discard all",
        "reindex schema public",
        "alter table t detach partition p concurrently",
    ],
)
def test_what_postgres_refuses_in_a_transaction_is_run_without(
    migrations: Migrations, sql: str
) -> None:
    migrations.write(
        "1_a.sql",
        "create table t (id int) partition by range (id);\n"
        f"create table p partition of t for values from (1) to (2);\n{sql};\ncreate table u ();",
    )
    assert migrations.up() == ["1"]
    assert migrations.tables() == ["p", "t", "u"]


def test_what_only_the_server_knows_to_refuse_is_run_without_where_the_file_says_so(
    database: Database, migrations: Migrations
) -> None:
    # No server listens there; in a transaction nobody would have tried to reach it.
    sql = "create subscription s connection 'host=127.0.0.1 port=1' publication p"
    migrations.write("1_a.sql", f"-- gavan: no-transaction\n{TABLE}{sql};\n")
    with pytest.raises(StatementError) as caught:
        migrate(Secret(database.url(ADMIN)), migrations.folder, Options())
    assert "could not connect" in caught.value.message
    assert migrations.tables() == ["t"]


def test_a_block_that_commits_is_told_how_it_may(migrations: Migrations) -> None:
    migrations.write("1_a.sql", f"{TABLE}do $$ begin insert into t values (1); commit; end $$;")
    with pytest.raises(StatementError) as caught:
        migrations.up()
    assert "no-transaction" in (caught.value.hint or "")
    assert migrations.tables() == []
