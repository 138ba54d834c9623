"""Whatever fails while a file runs is at file:line:column of that file."""

from __future__ import annotations

from pathlib import Path

import pytest

from gavan.database.migration.errors import StatementError
from gavan.database.migration.seed import seed
from gavan.kit.errors import GavanError
from tests.conftest import Database
from tests.migrations import Migrations

DEFERRED = """
create table a (id int primary key);
create table b (a_id int references a (id) deferrable initially deferred);
insert into b values (7);
"""


def failure(migrations: Migrations, text: str) -> StatementError:
    migrations.write("000_a.sql", text)
    with pytest.raises(StatementError) as caught:
        migrations.up()
    assert migrations.tables() == []
    return caught.value


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("select 1;\n\n  select\n    nothing;", "4:5"),
        ("do $$\nbegin\n  perform 1;\n    perform 1 / 0;\nend $$;", "4:5"),
        ("select 1;\ndo $x$ begin\n  raise exception 'no';\nend $x$;", "3:3"),
        ("create function f() returns int language sql as $$\n  select nothing\n$$;", "2:10"),
        ("create function f() returns int language plpgsql as $$\nbegin\n  retrn 1;\nend $$;",
         "3:3"),
        ("insert into pg_temp.x\nvalues (1);", "1:13"),
    ],
)  # fmt: skip
def test_a_statement_is_pointed_at(migrations: Migrations, text: str, place: str) -> None:
    assert failure(migrations, text).where == f"{migrations.folder / '000_a.sql'}:{place}"


def test_too_many_tables_in_one_file_is_told_with_the_way_out(migrations: Migrations) -> None:
    full = "raise exception 'out of shared memory' using errcode = '53200'"
    migrations.write("000_a.sql", f"do $$ begin {full}; end $$;")
    with pytest.raises(StatementError, match="out of shared memory") as caught:
        migrations.up()
    assert "split the file" in (caught.value.hint or "")


def test_what_is_checked_at_the_end_points_at_the_last_statement(migrations: Migrations) -> None:
    error = failure(migrations, DEFERRED)
    assert error.where == f"{migrations.folder / '000_a.sql'}:4:1"
    assert error.sqlstate == "23503"
    assert "Key (a_id)=(7) is not present" in (error.details or "")


def test_a_duplicate_at_the_end_is_no_matter_of_locks(migrations: Migrations) -> None:
    text = (
        "create table a (id int unique deferrable initially deferred);\n"
        "insert into a values (1), (1);"
    )
    error = failure(migrations, text)
    assert (error.code, error.sqlstate) == ("GV311", "23505")
    assert len(migrations.heard) == 2  # begun and failed, never again


def test_outside_a_transaction_it_is_the_statement_whose_work_is_kept(
    migrations: Migrations,
) -> None:
    text = f"-- gavan: no-transaction{DEFERRED}select 1;"
    migrations.write("000_a.sql", text)
    with pytest.raises(StatementError) as caught:
        migrations.up()
    assert caught.value.where == f"{migrations.folder / '000_a.sql'}:4:1"


def test_a_lock_that_does_not_come_points_at_the_statement_and_names_who_has_it(
    migrations: Migrations, database: Database
) -> None:
    migrations.write("000_a.sql", "create table a (id int);")
    migrations.up()
    migrations.write("010_b.sql", "select 1;\nalter table a add column b int;")
    with database.connect() as reader:
        reader.execute("begin")
        reader.execute("select 'a long report' from a")
        pid = reader.info.backend_pid
        with pytest.raises(GavanError) as caught:
            migrations.up(lock_timeout="3s", retries=0)
    assert caught.value.code == "GV314"
    assert caught.value.where == f"{migrations.folder / '010_b.sql'}:2:1"
    assert f"backend {pid} " in (caught.value.details or "")
    assert "a long report" in (caught.value.details or "")


def test_a_down_file_is_pointed_at(migrations: Migrations) -> None:
    migrations.write("000_a.sql", "create table a (id int);", down="select 1;\ndrop table aa;")
    migrations.up()
    with pytest.raises(StatementError) as caught:
        migrations.down()
    assert caught.value.where == f"{migrations.folder / 'down/000_a.sql'}:2:1"


def test_a_connection_that_ends_is_said_with_the_place(migrations: Migrations) -> None:
    migrations.write("000_a.sql", "select 1;\nselect pg_terminate_backend(pg_backend_pid());")
    with pytest.raises(GavanError) as caught:
        migrations.up()
    assert caught.value.code == "GV338"
    assert caught.value.exit_code == 3
    assert caught.value.where == f"{migrations.folder / '000_a.sql'}:2:1"


def test_a_seed_is_pointed_at_to_its_end(migrations: Migrations, tmp_path: Path) -> None:
    path = tmp_path / "seed.sql"
    path.write_text(DEFERRED)
    with pytest.raises(StatementError) as caught:
        seed(migrations.url, [path], root=tmp_path)
    assert caught.value.where == f"{path}:4:1"
    assert migrations.tables() == []
