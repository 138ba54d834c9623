"""Files without a transaction: killed or failed anywhere, each statement counts once."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from gavan.database.migration.errors import StatementError
from gavan.kit.errors import GavanError
from tests.conftest import Database
from tests.migrations import Migrations
from tests.servers import wait_until

RUNNER = (
    "import sys; from pathlib import Path; from gavan.kit.secret import Secret;"
    "from gavan.database.migration.apply import migrate;"
    "from gavan.database.migration.run import Options;"
    "migrate(Secret(sys.stdin.read()), Path(sys.argv[1]), Options())"
)


def start(migrations: Migrations) -> subprocess.Popen[str]:
    runner = subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(migrations.folder)], stdin=subprocess.PIPE, text=True
    )
    assert runner.stdin is not None
    runner.stdin.write(migrations.url.reveal())
    runner.stdin.close()
    return runner


def kill(runner: subprocess.Popen[str]) -> None:
    runner.send_signal(signal.SIGKILL)
    runner.wait(60)


def valid(migrations: Migrations, index: str) -> list[tuple[bool]]:
    return migrations.ask(
        f"select indisvalid from pg_index where indexrelid = to_regclass('{index}')"
    )


def test_an_index_whose_runner_was_killed_is_made_by_the_next_run(
    migrations: Migrations, database: Database
) -> None:
    migrations.write("000_a.sql", "create table a (id int); create schema s; create table s.b ();")
    migrations.up()
    migrations.write(
        "010_i.sql",
        "-- gavan: no-transaction\n"
        "create table once (id int);\n"
        "create index concurrently if not exists b_i on s.b ((1));\n"
        "create index concurrently if not exists a_id on a (id);\n"
        "insert into once values (1);",
    )
    with database.connect() as old:
        # A transaction that is older than the index: the build waits for it to end.
        old.execute("begin isolation level repeatable read")
        old.execute("select * from a")
        runner = start(migrations)
        wait_until(lambda: valid(migrations, "s.b_i") == [(False,)])
        kill(runner)
        # The server notices within a second that nobody waits for the statement.
        building = "select count(*) from pg_stat_activity where query like 'create index conc%'"
        wait_until(lambda: migrations.ask(building) == [(0,)])
    assert valid(migrations, "s.b_i") == [(False,)]
    assert migrations.up() == ["010"]
    assert valid(migrations, "s.b_i") == [(True,)]
    assert valid(migrations, "a_id") == [(True,)]
    assert migrations.ask("select * from once") == [(1,)]
    assert migrations.versions() == ["000", "010"]


def test_killed_again_and_again_it_ends_with_each_statement_once(migrations: Migrations) -> None:
    migrations.write("000_a.sql", "create table a (id int);")
    migrations.up()
    lines = [f"insert into a values ({n});\nselect pg_sleep(0.1);" for n in range(6)]
    index = "create index concurrently a_id on a (id);"
    text = "-- gavan: no-transaction\n" + "\n".join([*lines[:3], index, *lines[3:]])
    migrations.write("010_b.sql", text)
    done = "select count(*) from gavan.migration_log where version = '010' and outcome = 'partial'"
    for wanted in (1, 4, 7, 10):
        runner = start(migrations)
        wait_until(lambda wanted=wanted: migrations.ask(done)[0][0] >= wanted)  # type: ignore[misc]
        kill(runner)
    migrations.up()
    assert migrations.ask("select id from a order by id") == [(n,) for n in range(6)]
    assert valid(migrations, "a_id") == [(True,)]
    assert migrations.versions() == ["000", "010"]


def test_an_index_that_was_finished_before_its_line_was_written_is_not_made_again(
    migrations: Migrations,
) -> None:
    migrations.write("000_a.sql", "create table письма (id int);")
    migrations.up()
    migrations.write("010_i.sql", "create index concurrently письма_id on письма (id);")
    # The line "done" is refused once: what a crash between the index and the line would leave.
    migrations.connection.execute(
        "create function public.crash() returns trigger language plpgsql as"
        " $$ begin raise exception 'crash'; end $$;"
        "create trigger crash before insert on gavan.migration_log for each row"
        " when (new.outcome = 'partial') execute function public.crash()"
    )
    with pytest.raises(GavanError, match="crash"):
        migrations.up()
    made = migrations.ask("select 'письма_id'::regclass::oid")
    assert valid(migrations, "письма_id") == [(True,)]
    assert migrations.versions() == ["000"]
    migrations.connection.execute("drop trigger crash on gavan.migration_log")
    assert migrations.up() == ["010"]
    assert migrations.ask("select 'письма_id'::regclass::oid") == made


def test_an_index_of_somebody_else_is_not_taken_for_ours(migrations: Migrations) -> None:
    migrations.write("000_a.sql", "create table a (id int); create index a_id on a (id);")
    migrations.up()
    migrations.write("010_i.sql", "create index concurrently a_id on a (id);")
    for _ in range(2):
        with pytest.raises(StatementError, match="already exists"):
            migrations.up()


def test_a_drop_that_was_finished_before_its_line_was_written_counts(
    migrations: Migrations,
) -> None:
    migrations.write("000_a.sql", "create table a (id int); create index a_id on a (id);")
    migrations.up()
    migrations.write("010_i.sql", "drop index concurrently a_id;")
    migrations.connection.execute(
        "create function public.crash() returns trigger language plpgsql as"
        " $$ begin raise exception 'crash'; end $$;"
        "create trigger crash before insert on gavan.migration_log for each row"
        " when (new.outcome = 'partial') execute function public.crash()"
    )
    with pytest.raises(GavanError, match="crash"):
        migrations.up()
    migrations.connection.execute("drop trigger crash on gavan.migration_log")
    assert migrations.up() == ["010"]


def test_an_ordinary_statement_and_its_line_are_one(migrations: Migrations) -> None:
    migrations.write("000_a.sql", "create table a (id int);")
    migrations.up()
    migrations.write(
        "010_b.sql",
        "-- gavan: no-transaction\nset work_mem to '7MB';\ninsert into a values (1);\n"
        "insert into a select 1 / count(*) from b;\n"
        "insert into a select 7 where current_setting('work_mem') = '7MB';",
    )
    for _ in range(3):
        with pytest.raises(StatementError) as caught:
            migrations.up()
        assert "2 statements before it stay" in (caught.value.details or "")
    assert migrations.ask("select id from a") == [(1,)]
    migrations.connection.execute("create table b as select 1 as x")
    assert migrations.up() == ["010"]
    # The setting held in the last run too, which did not begin with it.
    assert migrations.ask("select id from a") == [(1,), (1,), (7,)]


def test_a_procedure_that_commits_runs(migrations: Migrations) -> None:
    migrations.write(
        "000_a.sql",
        "create table a (id int); create procedure fill() language plpgsql as"
        " $$ begin insert into a values (1); commit; insert into a values (2); end $$;",
    )
    migrations.write("010_b.sql", "-- gavan: no-transaction\ncall fill();")
    assert migrations.up() == ["000", "010"]
    assert migrations.ask("select id from a order by 1") == [(1,), (2,)]


def test_the_log_of_an_older_version_learns_the_new_word(migrations: Migrations) -> None:
    migrations.write("000_a.sql", "create table a (id int);")
    migrations.up()
    migrations.connection.execute(
        "alter table gavan.migration_log drop constraint migration_log_outcome_check,"
        " add constraint migration_log_outcome_check check (outcome in ('applied', 'partial'))"
    )
    migrations.write("010_i.sql", "create index concurrently a_id on a (id);")
    assert migrations.up() == ["010"]
