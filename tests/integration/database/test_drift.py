"""A database beside its migrations: drift, baselines, and a history that is put right."""

from __future__ import annotations

import pytest

from gavan.database.migration.apply import status
from gavan.database.migration.catalogue import Change, Difference
from gavan.database.migration.drift import baseline, find_drift
from gavan.database.migration.parsed import Direction
from gavan.database.migration.plan import State
from gavan.database.migration.repair import TOOL, repair
from gavan.database.migration.run import Options
from gavan.kit.errors import GavanError
from tests.migrations import Migrations, Shadow

HOW = Options(wait_s=10.0)


@pytest.fixture
def two(migrations: Migrations) -> Migrations:
    """Two applied migrations."""
    migrations.write("000_a.sql", "create table a (id int primary key, n int);")
    migrations.write("010_b.sql", "create index a_n on a (n);\ncreate view v as select n from a;")
    migrations.up()
    return migrations


def drift(migrations: Migrations, shadow: Shadow) -> list[tuple[str, str, Change]]:
    with shadow() as url:
        found = find_drift(migrations.url, url, migrations.folder, HOW)
    return [(one.kind, one.name, one.change) for one in found]


def test_a_database_that_only_migrations_changed_has_no_drift(
    two: Migrations, shadow: Shadow
) -> None:
    two.connection.execute("insert into a values (1, 2)")
    two.write("020_c.sql", "create table c (id int);")
    # Pending is not drift, and an applied file that is not here is in the history.
    (two.folder / "000_a.sql").unlink()
    (two.folder / "010_b.sql").write_text("create index a_n on a (n, id);")
    assert drift(two, shadow) == []
    assert two.versions() == ["000", "010"]


def test_what_was_changed_by_hand_is_named(two: Migrations, shadow: Shadow) -> None:
    two.connection.execute(
        "drop index a_n; alter table a alter column n set not null;"
        "create function by_hand() returns int language sql as 'select 1'"
    )
    assert drift(two, shadow) == [
        ("column", "public.a.n", Change.DIFFERENT),
        ("function", "public.by_hand()", Change.EXTRA),
        ("index", "public.a.a_n", Change.GONE),
        ("privileges on function", "public.by_hand()", Change.EXTRA),
    ]


def test_nothing_to_replay_is_said_where_the_history_is_empty(
    two: Migrations, shadow: Shadow
) -> None:
    two.connection.execute("update supabase_migrations.schema_migrations set statements = null")
    (two.folder / "000_a.sql").unlink()
    with pytest.raises(GavanError) as caught:
        drift(two, shadow)
    assert caught.value.code == "GV309"


def mark(
    migrations: Migrations, shadow: Shadow, version: str
) -> tuple[list[str], list[Difference]]:
    with shadow() as url:
        return baseline(migrations.url, url, migrations.folder, version, HOW)


def test_a_database_made_before_its_migrations_is_taken_over(
    migrations: Migrations, shadow: Shadow
) -> None:
    migrations.write("000_a.sql", "create table a (id int);")
    migrations.write("010_b.sql", "create table b (id int);")
    migrations.write("020_c.sql", "create table c (id int);")
    migrations.connection.execute("create table a (id int); create table b (id int)")
    assert mark(migrations, shadow, "010") == (["000", "010"], [])
    assert mark(migrations, shadow, "010") == ([], [])
    assert migrations.ask(
        "select version, name, statements from supabase_migrations.schema_migrations order by 1"
    ) == [("000", "a", ["create table a (id int)"]), ("010", "b", ["create table b (id int)"])]
    assert migrations.up() == ["020"]


def test_a_baseline_that_is_not_true_is_not_written(migrations: Migrations, shadow: Shadow) -> None:
    migrations.write("000_a.sql", "create table a (id int, n int);")
    migrations.connection.execute("create table a (id int)")
    done, found = mark(migrations, shadow, "000")
    assert done == []
    assert [(one.name, one.change) for one in found] == [("public.a.n", Change.GONE)]
    assert status(migrations.url, migrations.folder)[0].state is State.PENDING
    with pytest.raises(GavanError) as caught:
        mark(migrations, shadow, "005")
    assert caught.value.code == "GV333"


def test_a_version_is_marked_as_taken_back_and_as_applied(two: Migrations) -> None:
    before = two.ask("select * from supabase_migrations.schema_migrations order by 1")
    repair(two.url, two.folder, ["010"], Direction.DOWN, HOW)
    assert two.versions() == ["000"]
    assert "v" in [row[0] for row in two.ask("select viewname from pg_views")]
    repair(two.url, two.folder, ["010"], Direction.UP, HOW)
    assert two.ask("select * from supabase_migrations.schema_migrations order by 1") == before
    assert two.ask(
        "select version, direction, tool, statement_no from gavan.migration_log"
        " order by id desc limit 2"
    ) == [("010", "up", TOOL, 0), ("010", "down", TOOL, 0)]
    assert two.up() == []


def test_an_edited_file_is_accepted(two: Migrations) -> None:
    (two.folder / "000_a.sql").write_text("create table a (id int primary key, n int, o int);")
    assert status(two.url, two.folder)[0].state is State.CHANGED
    repair(two.url, two.folder, ["000"], Direction.UP, HOW)
    assert status(two.url, two.folder)[0].state is State.APPLIED


@pytest.mark.parametrize(
    ("direction", "code"), [(Direction.UP, "GV333"), (Direction.DOWN, "GV328")]
)
def test_of_several_versions_all_are_marked_or_none(
    two: Migrations, direction: Direction, code: str
) -> None:
    with pytest.raises(GavanError) as caught:
        repair(two.url, two.folder, ["000", "777"], direction, HOW)
    assert caught.value.code == code
    assert two.versions() == ["000", "010"]
    assert two.ask("select count(*) from gavan.migration_log") == [(2,)]


def test_a_half_done_file_that_is_marked_as_taken_back_begins_anew(
    migrations: Migrations,
) -> None:
    text = "-- gavan: no-transaction\ncreate table a (id int);\nselect 1 / count(*) from a;"
    migrations.write("000_a.sql", text)
    with pytest.raises(GavanError):
        migrations.up()
    migrations.connection.execute("insert into a values (1)")
    repair(migrations.url, migrations.folder, ["000"], Direction.UP, HOW)
    repair(migrations.url, migrations.folder, ["000"], Direction.DOWN, HOW)
    migrations.connection.execute("drop table a")
    with pytest.raises(GavanError):
        migrations.up()
    # It began with its first statement; going on with the second would have found no table.
    assert migrations.tables() == ["a"]
