"""Applying migrations to a real database: atomic files, places of errors, locks, two runners."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import threading

import pytest

from gavan.database.migration.apply import migrate, status
from gavan.database.migration.errors import StatementError
from gavan.database.migration.history import read_applied, read_seeds
from gavan.database.migration.lock import KEY, migration_lock
from gavan.database.migration.plan import State, difference
from gavan.database.migration.run import Options
from gavan.database.migration.seed import seed
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from tests.conftest import Database
from tests.migrations import Migrations
from tests.servers import wait_until


def test_files_are_applied_in_order_and_once(migrations: Migrations) -> None:
    migrations.write("010_b.sql", "-- второй\nalter table a add column name text;\n-- end\n")
    migrations.write("000_a.sql", "create table a (id int primary key);")
    assert migrations.up() == ["000", "010"]
    assert migrations.up() == []
    assert migrations.ask(
        "select version, name, statements from supabase_migrations.schema_migrations order by 1"
    ) == [
        ("000", "a", ["create table a (id int primary key)"]),
        ("010", "b", ["-- второй\nalter table a add column name text", "-- end"]),
    ]
    assert migrations.ask("select version, direction, outcome from gavan.migration_log") == [
        ("000", "up", "applied"),
        ("010", "up", "applied"),
    ]


def test_tables_belong_to_postgres_and_the_history_has_three_columns(
    migrations: Migrations,
) -> None:
    migrations.write("000_a.sql", "create table a (id int);")
    migrations.up()
    assert migrations.ask("select tableowner from pg_tables where tablename = 'a'") == [
        ("postgres",)
    ]
    columns = migrations.ask(
        "select attname, format_type(atttypid, atttypmod), attnotnull from pg_attribute"
        " where attrelid = 'supabase_migrations.schema_migrations'::regclass and attnum > 0"
    )
    assert columns == [
        ("version", "text", True),
        ("statements", "text[]", False),
        ("name", "text", False),
    ]


def test_a_failing_statement_leaves_nothing_and_names_its_place(migrations: Migrations) -> None:
    migrations.write("000_a.sql", "create table a (id int);")
    migrations.write("010_b.sql", "create table b (id int);\n\ncreate table c (\n  x привет\n);")
    with pytest.raises(StatementError) as caught:
        migrations.up()
    error = caught.value
    assert error.where == f"{migrations.folder / '010_b.sql'}:4:5"
    assert error.sqlstate == "42704"
    assert "nothing of this file" in (error.details or "")
    assert migrations.tables() == ["a"]
    assert migrations.versions() == ["000"]


def test_detail_of_the_server_is_shown(migrations: Migrations) -> None:
    migrations.write(
        "000_a.sql", "create table a (id int primary key);\ninsert into a values (1), (1);"
    )
    with pytest.raises(StatementError) as caught:
        migrations.up()
    assert (caught.value.where or "").endswith("000_a.sql:2:1")
    assert "Key (id)=(1) already exists" in (caught.value.details or "")
    assert migrations.tables() == []


def test_a_reserved_word_is_explained_before_anything_is_applied(migrations: Migrations) -> None:
    migrations.write("000_a.sql", "create table a (id int);")
    migrations.write("010_b.sql", "create table column (id int);")
    with pytest.raises(StatementError) as caught:
        migrations.up()
    assert caught.value.code == "GV361"
    assert '"column"' in (caught.value.hint or "")
    assert (caught.value.where or "").endswith("010_b.sql:1:14")
    assert migrations.tables() == []


@pytest.mark.parametrize(
    "sql", ["insert into column values (1);", "select 1 from a join user on 1;"]
)
def test_reserved_words_are_explained_in_other_statements(migrations: Migrations, sql: str) -> None:
    migrations.write("000_a.sql", sql)
    with pytest.raises(StatementError) as caught:
        migrations.up()
    assert caught.value.code in {"GV361", "GV311"}


def test_an_inline_index_of_mysql_is_explained(migrations: Migrations) -> None:
    migrations.write("000_a.sql", "create table t (\n  a int,\n  INDEX idx_a (a)\n);")
    with pytest.raises(StatementError) as caught:
        migrations.up()
    assert caught.value.code == "GV362"
    assert "create index idx_a on t (a);" in (caught.value.hint or "")


def test_a_psql_command_is_refused(migrations: Migrations) -> None:
    migrations.write("000_a.sql", "select 1;\n\\d\n")
    with pytest.raises(StatementError) as caught:
        migrations.up()
    assert caught.value.code == "GV307"
    assert (caught.value.where or "").endswith("000_a.sql:2:1")


def test_transaction_commands_are_refused_and_savepoints_are_not(migrations: Migrations) -> None:
    migrations.write("000_a.sql", "savepoint s;\nrelease savepoint s;")
    assert migrations.up() == ["000"]
    for text in (
        "begin;\ncreate table b (id int);\nrollback;",
        "begin;\ncreate table b (id int);\ncommit;\nbegin;\ncommit;",
        "begin isolation level serializable;\ncreate table b (id int);\ncommit;",
        "begin;\nvacuum;\ncommit;",
        "create table b (id int);\ncommit;",
    ):
        migrations.write("010_b.sql", text)
        with pytest.raises(StatementError, match="one transaction"):
            migrations.up()
    assert migrations.tables() == []


def test_one_pair_of_begin_and_commit_means_the_transaction_that_is_there(
    migrations: Migrations,
) -> None:
    migrations.write("000_a.sql", "begin;\ncreate table a (id int);\ncommit;\nselect 1/0;")
    with pytest.raises(StatementError):
        migrations.up()
    assert migrations.tables() == []
    migrations.write("000_a.sql", "begin;\ncreate table a (id int);\ncommit;")
    assert migrations.up() == ["000"]
    assert migrations.ask("select statements from supabase_migrations.schema_migrations") == [
        (["begin", "create table a (id int)", "commit"],)
    ]


def test_an_extension_of_another_engine_is_named(migrations: Migrations) -> None:
    migrations.write("000_a.sql", "create extension postgis;")
    with pytest.raises(StatementError) as caught:
        migrations.up()
    assert caught.value.code == "GV230"


def test_settings_of_one_file_do_not_reach_the_next(migrations: Migrations) -> None:
    migrations.write("000_a.sql", "select set_config('search_path', '', false);")
    migrations.write("010_b.sql", "create table b (id int);")
    assert migrations.up() == ["000", "010"]


def test_an_edited_file_stops_later_ones(migrations: Migrations) -> None:
    migrations.write("000_a.sql", "create table a (id int);")
    migrations.up()
    migrations.write("000_a.sql", "create table a (id bigint);")
    migrations.write("010_b.sql", "create table b (id int);")
    with pytest.raises(GavanError) as caught:
        migrations.up()
    assert caught.value.code == "GV308"
    entries = status(migrations.url, migrations.folder)
    assert [entry.state for entry in entries] == [State.CHANGED, State.PENDING]
    assert "+create table a (id bigint)" in difference(entries[0])
    assert migrations.tables() == ["a"]


def test_concurrently_runs_without_a_transaction_and_heals_an_invalid_index(
    migrations: Migrations,
) -> None:
    migrations.write("000_a.sql", "create table a (id int);\ninsert into a values (1), (1);")
    migrations.write("010_i.sql", "create unique index concurrently a_id on a (id);")
    with pytest.raises(StatementError):
        migrations.up()
    assert migrations.versions() == ["000"]
    migrations.connection.execute("delete from a")
    assert migrations.up() == ["010"]
    assert migrations.ask(
        "select indisvalid from pg_index where indexrelid = 'a_id'::regclass"
    ) == [(True,)]


def test_a_file_without_transaction_resumes_after_its_last_statement(
    migrations: Migrations,
) -> None:
    sql = "-- gavan: no-transaction\ncreate table a (id int);\nselect 1 / count(*) from a;"
    migrations.write("000_a.sql", sql)
    with pytest.raises(StatementError):
        migrations.up()
    migrations.connection.execute("insert into a values (1)")
    assert migrations.up() == ["000"]
    assert migrations.versions() == ["000"]


def test_a_lock_is_waited_for_and_the_file_retried(
    migrations: Migrations, database: Database
) -> None:
    migrations.write("000_a.sql", "create table a (id int);")
    migrations.up()
    migrations.write("010_b.sql", "alter table a add column b int;")
    with database.connect() as reader:
        reader.execute("begin")
        reader.execute("select * from a")

        def release(step: str, state: str, detail: str) -> None:
            if state == "warn":
                reader.execute("rollback")

        options = Options(lock_timeout="100ms", retries=5, report=release)
        assert migrate(migrations.url, migrations.folder, options) == ["010"]


def test_a_lock_that_never_comes_is_reported(migrations: Migrations, database: Database) -> None:
    migrations.write("000_a.sql", "create table a (id int);")
    migrations.up()
    migrations.write("010_b.sql", "alter table a add column b int;")
    with database.connect() as reader:
        reader.execute("begin")
        reader.execute("select * from a")
        with pytest.raises(GavanError) as caught:
            migrations.up(lock_timeout="50ms", retries=0)
    assert caught.value.code == "GV314"
    assert caught.value.exit_code == 4


def test_the_holder_of_the_lock_is_shown(migrations: Migrations) -> None:
    with (
        migration_lock(migrations.url, wait_s=0, waiting=lambda who: None),
        pytest.raises(GavanError) as caught,
    ):
        migrations.up(wait_s=0.0)
    assert caught.value.code == "GV313"
    assert caught.value.exit_code == 4
    assert "gavan-migrate-lock/" in (caught.value.details or "")


def test_two_runners_apply_each_file_once(migrations: Migrations) -> None:
    for number in range(5):
        migrations.write(f"0{number}0_t.sql", f"create table t{number} (id int);")
    results: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: results.append(migrations.up(wait_s=30.0)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(len, results)) == [0, 0, 5]
    assert migrations.versions() == ["000", "010", "020", "030", "040"]


def test_a_killed_runner_leaves_nothing_and_frees_the_lock(migrations: Migrations) -> None:
    migrations.write("000_a.sql", "create table a (id int);\nselect pg_sleep(60);")
    script = (
        "import sys; from pathlib import Path; from gavan.kit.secret import Secret;"
        "from gavan.database.migration.apply import migrate;"
        "from gavan.database.migration.run import Options;"
        "migrate(Secret(sys.stdin.read()), Path(sys.argv[1]), Options())"
    )
    runner = subprocess.Popen(
        [sys.executable, "-c", script, str(migrations.folder)], stdin=subprocess.PIPE, text=True
    )
    assert runner.stdin is not None
    runner.stdin.write(migrations.url.reveal())
    runner.stdin.close()
    sleeping = "select count(*) from pg_stat_activity where query like 'select pg_sleep%'"
    wait_until(lambda: migrations.ask(sleeping) == [(1,)])
    runner.send_signal(signal.SIGKILL)
    runner.wait(60)
    held = (
        f"select count(*) from pg_locks where locktype = 'advisory' and objid = {KEY & 0xFFFFFFFF}"
    )
    wait_until(lambda: migrations.ask(held) == [(0,)])
    migrations.connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where query like 'select pg_sleep%'"
        " and pid <> pg_backend_pid()"
    )
    assert migrations.tables() == []
    migrations.write("000_a.sql", "create table a (id int);")
    assert migrations.up() == ["000"]


def test_another_tool_that_applies_meanwhile_is_no_error(
    migrations: Migrations, database: Database
) -> None:
    migrations.write("000_a.sql", "select 1;")
    migrations.up()
    migrations.write("010_b.sql", "select pg_notify('now', ''); select pg_sleep(0.3);")
    with database.connect() as other:
        other.execute("begin")
        other.execute("insert into supabase_migrations.schema_migrations (version) values ('010')")
        thread = threading.Timer(1.0, other.commit)
        thread.start()
        result = migrations.up()
        thread.join()
    assert result == []
    assert migrations.versions() == ["000", "010"]


def test_migrations_work_on_a_database_without_our_system_schemas(
    migrations: Migrations, database: Database
) -> None:
    name = f"{database.name}_bare"
    with database.cluster.connect() as admin:
        admin.execute(f"create database {name} template template0 owner postgres".encode())
        try:
            migrations.write("000_a.sql", "create table a (id int);")
            url = Secret(database.cluster.url("postgres", name))
            assert migrate(url, migrations.folder, Options()) == ["000"]
        finally:
            admin.execute(f"drop database {name} with (force)".encode())


def test_asking_for_a_history_that_is_not_there_is_no_error_of_the_server(
    migrations: Migrations,
) -> None:
    # An error would be in its log, and would have broken this transaction.
    with migrations.connection.transaction():
        assert read_applied(migrations.connection) == []
        assert read_seeds(migrations.connection) == {}
        assert migrations.ask("select 1") == [(1,)]


def test_an_unreachable_database_is_one_sentence(migrations: Migrations) -> None:
    migrations.write("000_a.sql", "select 1;")
    with pytest.raises(GavanError) as caught:
        migrate(Secret("postgresql://x:y@127.0.0.1:1/x"), migrations.folder, Options())
    assert caught.value.code == "GV321"
    assert "y@" not in str(caught.value.details)


def test_seeds_run_once_per_content(migrations: Migrations) -> None:
    folder = migrations.folder / "supabase"
    folder.mkdir()
    file = folder / "seed.sql"
    migrations.connection.execute("create table a (id int primary key)")
    file.write_text("insert into a values (1);")

    def run(*, again: bool = False) -> list[str]:
        return seed(migrations.url, [file], root=migrations.folder, again=again)

    assert run() == ["supabase/seed.sql"]
    assert run() == []
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert migrations.ask("select path, hash from supabase_migrations.seed_files") == [
        ("supabase/seed.sql", digest)
    ]
    file.write_text("insert into a values (2);")
    assert run() == []
    assert run(again=True) == ["supabase/seed.sql"]
    assert migrations.ask("select id from a order by 1") == [(1,), (2,)]


def test_a_failing_seed_leaves_nothing(migrations: Migrations) -> None:
    file = migrations.folder / "seed.sql"
    migrations.connection.execute("create table a (id int primary key)")
    file.write_text("insert into a values (1);\ninsert into a values (1);")
    with pytest.raises(StatementError):
        seed(migrations.url, [file], root=migrations.folder)
    assert migrations.ask("select count(*) from a") == [(0,)]
    assert migrations.ask("select count(*) from supabase_migrations.seed_files") == [(0,)]


def test_user_migrations_cannot_touch_the_system_history(migrations: Migrations) -> None:
    migrations.write("000_a.sql", "delete from gavan.system_migrations;")
    with pytest.raises(StatementError) as caught:
        migrations.up()
    assert caught.value.sqlstate == "42501"
