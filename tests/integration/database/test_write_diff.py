"""What was changed by hand becomes a migration, or it is said what is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from gavan.database.embedded import ADMIN
from gavan.database.migration.apply import status
from gavan.database.migration.drift import find_drift
from gavan.database.migration.parsed import Direction
from gavan.database.migration.plan import State
from gavan.database.migration.repair import repair
from gavan.database.migration.run import Options
from gavan.database.migration.write_diff import Written, write_diff
from gavan.kit.errors import GavanError
from tests.conftest import Database
from tests.migrations import Migrations, Shadow

HOW = Options(wait_s=10.0)


@pytest.fixture
def one(migrations: Migrations) -> Migrations:
    migrations.write(
        "000_a.sql",
        "create table a (id int primary key, n int, s text);\n"
        "create view v as select id, n from a;\n"
        "create type mood as enum ('bad', 'good');",
    )
    migrations.up()
    return migrations


def write(migrations: Migrations, shadow: Shadow) -> Written:
    return write_diff(migrations.url, shadow, migrations.folder, "by hand", HOW)


def test_changes_by_hand_become_a_migration_that_others_apply(
    one: Migrations, shadow: Shadow
) -> None:
    one.connection.execute(
        "alter table a enable row level security;"
        "alter table a add column due date not null default '2026-01-01';"
        "alter table a drop column s;"
        "create policy p on a for select to authenticated using (n > 0);"
        "create table b (id int generated always as identity primary key, a_id int references a);"
        "create index b_a on b (a_id);"
        "create function f() returns trigger language plpgsql as 'begin return new; end';"
        "create trigger t before insert on b for each row execute function f();"
        "create or replace view v as select id, n, due from a;"
        "grant select on b to anon; revoke all on v from anon;"
        "create type colour as enum ('red'); alter type mood add value 'fine';"
        "create sequence s; create extension citext with schema extensions;"
        "comment on table b is 'made by hand'; insert into a values (1, 2)"
    )
    written = write(one, shadow)
    assert written.path == one.folder / "010_by_hand.sql"
    assert [entry.state for entry in status(one.url, one.folder)][-1] is State.PENDING
    # Here it is done already; on another database it runs as it is.
    repair(one.url, one.folder, [written.version], Direction.UP, HOW)
    assert one.up() == []
    assert one.ask("select id, n from a") == [(1, 2)]
    with shadow() as url:
        assert find_drift(one.url, url, one.folder, HOW) == []


def test_nothing_is_written_where_nothing_was_changed(one: Migrations, shadow: Shadow) -> None:
    assert write(one, shadow).path is None
    assert files(one.folder) == ["000_a.sql"]


@pytest.mark.parametrize(
    ("change", "left"),
    [
        (
            "alter type mood rename value 'bad' to 'sad'",
            "type public.mood: different",
        ),
        (
            "create foreign data wrapper w; create server s foreign data wrapper w;"
            " create foreign table ft (id int) server s",
            "foreign table public.ft: gone",
        ),
    ],
)
def test_what_is_left_is_said_and_no_file_is_written(
    one: Migrations, shadow: Shadow, database: Database, change: str, left: str
) -> None:
    with database.connect(ADMIN) as admin:
        admin.execute(change.encode())
    with pytest.raises(GavanError) as caught:
        write(one, shadow)
    assert caught.value.code == "GV339"
    assert caught.value.exit_code == 5
    assert left in (caught.value.details or "")
    assert files(one.folder) == ["000_a.sql"]


def test_a_file_that_is_not_applied_yet_comes_first(one: Migrations, shadow: Shadow) -> None:
    one.connection.execute("create table b (id int)")
    one.write("010_c.sql", "create table c (id int);")
    with pytest.raises(GavanError) as caught:
        write(one, shadow)
    assert (caught.value.code, caught.value.details) == ("GV339", "010_c is not applied here yet")
    one.up()
    assert write(one, shadow).path == one.folder / "020_by_hand.sql"


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
