"""Many migrations become one; no object and no row is lost, or nothing is changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gavan.database.migration.apply import status
from gavan.database.migration.archive import archive, finish
from gavan.database.migration.drift import find_drift
from gavan.database.migration.files import MigrationFile, read_migrations
from gavan.database.migration.plan import State
from gavan.database.migration.run import Options
from gavan.database.migration.squash import squash
from gavan.kit.errors import GavanError
from tests.migrations import Migrations, Shadow
from tests.stacks.crm.database import MIGRATIONS as CRM

HOW = Options(wait_s=10.0)


@pytest.fixture
def four(migrations: Migrations) -> Migrations:
    """Four applied migrations, with rows between them and a down file."""
    migrations.write(
        "000_a.sql",
        "create table kind (id int primary key, name text not null);\n"
        "insert into kind values (1, 'bug'), (2, 'task');",
        down="drop table kind;",
    )
    migrations.write("010_b.sql", "alter table kind add column colour text default 'red';")
    migrations.write(
        "020_c.sql",
        "create table item (id uuid primary key default gen_random_uuid(), made timestamptz"
        " default now(), kind int references kind);\n"
        "insert into item (kind) values (1);\n"
        "do $$ begin update kind set colour = 'green' where id = 2; end $$;",
    )
    migrations.write("030_d.sql", "create index concurrently item_kind on item (kind);")
    migrations.up()
    return migrations


def run(migrations: Migrations, shadow: Shadow, to: str | None = None) -> list[str]:
    return squash(migrations.url, shadow, migrations.folder, to, HOW)


def test_many_become_one_with_their_rows(four: Migrations, shadow: Shadow, tmp_path: Path) -> None:
    rows = four.ask("select * from kind order by id")
    assert run(four, shadow) == ["000", "010", "020", "030"]
    assert names(four.folder) == ["030_squashed.sql"]
    assert names(four.folder / "archive/030") == [
        "000_a.sql", "010_b.sql", "020_c.sql", "030_d.sql", "squashed.sql",
    ]  # fmt: skip
    assert names(four.folder / "archive/030/down") == ["000_a.sql"]
    assert four.versions() == ["030"]
    assert [entry.state for entry in status(four.url, four.folder)] == [State.APPLIED]
    with shadow() as url:
        assert find_drift(four.url, url, four.folder, HOW) == []
    assert four.ask("select * from kind order by id") == rows
    assert run(four, shadow) == []
    with pytest.raises(GavanError) as caught:
        four.down()
    assert caught.value.code == "GV325"
    four.write("040_e.sql", "create table e (id int);")
    assert four.up() == ["040"]


def test_a_new_database_gets_the_same_rows_from_the_one_file(
    four: Migrations, shadow: Shadow
) -> None:
    run(four, shadow)
    with shadow() as url:
        other = Migrations(four.folder, url)
        assert other.up() == ["030"]
        assert other.ask("select * from kind order by id") == [
            (1, "bug", "red"), (2, "task", "green"),
        ]  # fmt: skip
        assert other.ask("select count(*), min(kind) from item") == [(1, 1)]
        other.connection.close()


def test_only_those_up_to_a_version(four: Migrations, shadow: Shadow) -> None:
    assert run(four, shadow, "010") == ["000", "010"]
    assert names(four.folder) == ["010_squashed.sql", "020_c.sql", "030_d.sql"]
    assert four.versions() == ["010", "020", "030"]
    # Squashed once more, with what was squashed before.
    assert run(four, shadow) == ["010", "020", "030"]
    assert names(four.folder) == ["030_squashed.sql"]
    finish(four.folder)
    assert names(four.folder) == ["030_squashed.sql"]


def test_another_database_of_the_same_files_learns_of_it(four: Migrations, shadow: Shadow) -> None:
    with shadow() as url:
        other = Migrations(four.folder, url)
        other.up()
        run(four, shadow)
        with pytest.raises(GavanError) as caught:
            other.up()
        assert caught.value.code == "GV309"
        assert "gavan migrate squash" in (caught.value.hint or "")
        assert run(other, shadow) == ["000", "010", "020", "030"]
        assert other.versions() == ["030"]
        assert other.up() == []
        other.connection.close()


def test_a_database_that_is_behind_is_told_what_it_lacks(four: Migrations, shadow: Shadow) -> None:
    with shadow() as url:
        other = Migrations(four.folder, url)
        other.up(to="010")
        run(four, shadow)
        with pytest.raises(GavanError) as caught:
            run(other, shadow)
        assert caught.value.code == "GV340"
        assert (caught.value.details or "").startswith("020, 030 were squashed")
        assert other.versions() == ["000", "010"]
        other.connection.close()


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        # What the first insert got by default is not what it would get behind the whole schema.
        (
            ["create table t (id int, c text default 'old'); insert into t (id) values (1);",
             "alter table t alter column c set default 'new';"],
            "other rows in public.t.c",
        ),
        # The statement names a column that is gone in the end.
        (
            ["create table t (id int, gone int); insert into t values (1, 2);",
             "alter table t drop column gone;"],
            "INSERT has more expressions than target columns",
        ),
        # Rows that come with the table itself.
        (
            ["create table t as select 1 as id;", "select 1;"],
            "other rows in public.t.id",
        ),
    ],
)  # fmt: skip
def test_rows_that_would_be_lost_or_changed_stop_it(
    migrations: Migrations, shadow: Shadow, files: list[str], reason: str
) -> None:
    for number, text in enumerate(files):
        migrations.write(f"0{number}0_f.sql", text)
    migrations.up()
    before = names(migrations.folder)
    with pytest.raises(GavanError) as caught:
        run(migrations, shadow)
    assert caught.value.code == "GV340"
    assert caught.value.exit_code == 5
    assert reason in (caught.value.details or "")
    assert names(migrations.folder) == before
    assert migrations.versions() == ["000", "010"]


def test_what_is_not_applied_as_it_stands_is_not_squashed(four: Migrations, shadow: Shadow) -> None:
    four.write("040_e.sql", "create table e (id int);")
    with pytest.raises(GavanError) as caught:
        run(four, shadow)
    assert (caught.value.code, caught.value.details) == ("GV340", "040_e: pending")
    with pytest.raises(GavanError) as caught:
        run(four, shadow, "777")
    assert caught.value.code == "GV333"


def test_a_run_that_was_cut_off_is_brought_to_its_end(four: Migrations, tmp_path: Path) -> None:
    kept = four.folder / "kept"
    shutil.copytree(four.folder, kept)
    files = read_migrations(four.folder)
    one = MigrationFile.of_text("030", "squashed", kept / "030_squashed.sql", "-- x\n")
    old = [MigrationFile.of_text(f.version, f.name, kept / f.path.name, f.text) for f in files]
    archive(kept, one, old)
    done = tree(kept)
    # As if it had ended after half of the old files were removed, and before the new one was there.
    shutil.copy2(kept / "archive/030/000_a.sql", kept)
    shutil.copy2(kept / "archive/030/down/000_a.sql", kept / "down")
    (kept / "030_squashed.sql").unlink()
    finish(kept)
    assert tree(kept) == done


def test_the_migrations_of_the_crm_become_one(migrations: Migrations, shadow: Shadow) -> None:
    for path in CRM.glob("*.sql"):
        shutil.copy2(path, migrations.folder)
    versions = migrations.up()
    assert len(versions) > 7
    assert run(migrations, shadow) == versions
    with shadow() as url:
        assert find_drift(migrations.url, url, migrations.folder, HOW) == []


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.sql"))


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.sql"))
