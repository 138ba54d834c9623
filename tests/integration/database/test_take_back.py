"""Taking migrations back: down files, newest first, a history that says what is there."""

from __future__ import annotations

import pytest

from gavan.database.migration.apply import migrate, plan_up, status
from gavan.database.migration.errors import StatementError
from gavan.database.migration.plan import State
from gavan.database.migration.run import Options
from gavan.database.migration.take_back import plan_down, take_back
from gavan.kit.errors import GavanError
from tests.conftest import Database
from tests.migrations import Migrations


@pytest.fixture
def three(migrations: Migrations) -> Migrations:
    """Three applied migrations, each with its down file."""
    for version in ("000", "010", "020"):
        name = f"t{version}"
        migrations.write(
            f"{version}_{name}.sql", f"create table {name} (id int);", f"drop table {name};"
        )
    migrations.up()
    return migrations


def test_the_newest_is_taken_back_and_can_be_applied_again(three: Migrations) -> None:
    assert three.down() == ["020"]
    assert three.tables() == ["t000", "t010"]
    assert three.versions() == ["000", "010"]
    assert three.ask(
        "select version, direction, outcome, down_sql from gavan.migration_log"
        " order by id desc limit 1"
    ) == [("020", "down", "applied", "drop table t020;")]
    assert [entry.state for entry in status(three.url, three.folder)][-1] is State.PENDING
    assert three.up() == ["020"]
    assert three.versions() == ["000", "010", "020"]


def test_several_are_taken_back_newest_first(three: Migrations) -> None:
    assert three.down(2) == ["020", "010"]
    assert three.tables() == ["t000"]


def test_all_after_a_version_are_taken_back(three: Migrations) -> None:
    assert three.down(to="000") == ["020", "010"]
    assert three.versions() == ["000"]
    assert plan_down(three.url, three.folder, to="000") == []


@pytest.mark.parametrize(("count", "to"), [(4, None), (1, "005")])
def test_what_is_not_applied_cannot_be_taken_back(
    three: Migrations, count: int, to: str | None
) -> None:
    with pytest.raises(GavanError) as caught:
        three.down(count, to=to)
    assert caught.value.code == "GV328"
    assert three.versions() == ["000", "010", "020"]


def test_a_missing_down_file_stops_before_any_change(three: Migrations) -> None:
    (three.folder / "down" / "010_t010.sql").unlink()
    with pytest.raises(GavanError) as caught:
        three.down(2)
    assert caught.value.code == "GV324"
    assert caught.value.where == str(three.folder / "down" / "010_t010.sql")
    assert three.versions() == ["000", "010", "020"]


def test_a_down_file_without_a_statement_is_refused(three: Migrations) -> None:
    (three.folder / "down" / "020_t020.sql").write_text("-- later\n")
    with pytest.raises(GavanError) as caught:
        three.down()
    assert caught.value.code == "GV327"
    assert three.versions() == ["000", "010", "020"]


def test_a_migration_that_says_so_is_never_taken_back(migrations: Migrations) -> None:
    text = '-- gavan: irreversible="its rows are gone"\nselect 1;'
    migrations.write("000_a.sql", text, "select 1;")
    migrations.up()
    with pytest.raises(GavanError, match="its rows are gone") as caught:
        migrations.down()
    assert caught.value.code == "GV325"
    assert migrations.versions() == ["000"]
    (migrations.folder / "000_a.sql").unlink()
    with pytest.raises(GavanError, match="its rows are gone"):
        migrations.down()


def test_a_failing_down_file_keeps_those_before_it_and_says_where_that_is(
    three: Migrations,
) -> None:
    three.write("010_t010.sql", "create table t010 (id int);", "drop table t010;\ndrop table x;")
    with pytest.raises(StatementError) as caught:
        three.down(3)
    assert caught.value.where == f"{three.folder / 'down' / '010_t010.sql'}:2:1"
    assert "taken back: 020; newest still applied: 010_t010" in (caught.value.details or "")
    assert three.tables() == ["t000", "t010"]
    assert three.versions() == ["000", "010"]


def test_a_migration_edited_after_it_was_applied_can_be_taken_back(three: Migrations) -> None:
    (three.folder / "020_t020.sql").write_text("create table t020 (id bigint);")
    assert three.down() == ["020"]
    assert three.up() == ["020"]


def test_one_whose_file_is_on_another_branch_needs_only_its_down_file(three: Migrations) -> None:
    (three.folder / "020_t020.sql").unlink()
    assert three.down() == ["020"]


def test_a_history_that_changed_since_the_plan_stops_it(three: Migrations) -> None:
    plan = plan_down(three.url, three.folder)
    three.write("030_d.sql", "create table d (id int);")
    migrate(three.url, three.folder, Options())
    with pytest.raises(GavanError) as caught:
        take_back(three.url, plan, Options())
    assert caught.value.code == "GV326"
    assert "d" in three.tables()
    assert three.versions() == ["000", "010", "020", "030"]


def test_another_tool_that_takes_it_back_meanwhile_leaves_no_half_of_ours(
    three: Migrations, database: Database
) -> None:
    three.write("020_t020.sql", "create table t020 (id int);", "select 1;")
    three.connection.execute(
        "create function public.vanish() returns trigger language plpgsql as"
        " $$ begin return null; end $$;"
        "create trigger vanish before delete on supabase_migrations.schema_migrations"
        " for each row execute function public.vanish()"
    )
    # The row is there when it is read and gone when it is deleted.
    with pytest.raises(GavanError) as caught:
        three.down()
    assert caught.value.code == "GV326"
    rows = three.ask("select count(*) from gavan.migration_log where direction = 'down'")
    assert rows == [(0,)]


def test_an_index_made_concurrently_is_taken_back_and_made_again(migrations: Migrations) -> None:
    migrations.write("000_a.sql", "create table a (id int);")
    migrations.write(
        "010_i.sql", "create index concurrently a_id on a (id);", "drop index concurrently a_id;"
    )
    migrations.up()
    assert migrations.down() == ["010"]
    assert migrations.ask("select to_regclass('a_id')::text") == [(None,)]
    # The journal of its first life must not make the second one leave statements out.
    assert migrations.up() == ["010"]
    assert migrations.ask("select to_regclass('a_id')::text") == [("a_id",)]


def test_locks_of_a_down_file_are_waited_for(three: Migrations, database: Database) -> None:
    with database.connect() as reader:
        reader.execute("begin")
        reader.execute("select * from t020")
        heard = []

        def release(step: str, state: str, detail: str) -> None:
            heard.append((step, state))
            if state == "warn":
                reader.execute("rollback")

        plan = plan_down(three.url, three.folder)
        how = Options(lock_timeout="100ms", retries=5, report=release)
        assert take_back(three.url, plan, how) == ["020"]
    assert ("down/020_t020.sql", "warn") in heard


def test_a_history_that_only_the_other_tool_wrote_can_be_taken_back(
    migrations: Migrations,
) -> None:
    migrations.connection.execute(
        "create table a (id int);"
        "create table supabase_migrations.schema_migrations"
        " (version text not null primary key, statements text[], name text);"
        "insert into supabase_migrations.schema_migrations"
        " values ('000', array['create table a (id int)'], 'a')"
    )
    migrations.write("000_a.sql", "create table a (id int);", "drop table a;")
    assert migrations.down() == ["000"]
    assert migrations.versions() == []


def test_a_plan_changes_nothing(three: Migrations) -> None:
    three.write("030_d.sql", "create table d (id int);")
    plan = plan_up(three.url, three.folder, Options())
    assert [parsed.file.version for parsed in plan] == ["030"]
    assert plan_down(three.url, three.folder, count=3)[2].file.version == "000"
    assert three.versions() == ["000", "010", "020"]
    assert three.tables() == ["t000", "t010", "t020"]
