"""A declared schema becomes the migration that leads to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gavan.database.migration.catalogue import Change
from gavan.database.migration.declared import declared_database, declared_differences
from gavan.database.migration.errors import StatementError
from gavan.database.migration.run import Options, silent
from gavan.database.migration.write_diff import Written, write_declared
from gavan.kit.errors import GavanError
from tests.migrations import Migrations, Shadow

BOARD = "create table board (id int primary key, name text not null);\n"


@pytest.fixture
def schemas(migrations: Migrations) -> Path:
    """Two files in two folders; the second needs the first."""
    migrations.write("000_a.sql", BOARD)
    folder = migrations.folder / "schemas"
    (folder / "20_more").mkdir(parents=True)
    (folder / "10_board.sql").write_text(BOARD)
    (folder / "20_more" / "card.sql").write_text(
        "create table card (id int primary key, board_id int not null references board);\n"
        "alter table card enable row level security;\n"
        "create policy seen on card for select to authenticated using (true);\n"
        "create index card_board on card (board_id);\n"
    )
    return folder


def differences(
    migrations: Migrations, shadow: Shadow, declared: Path
) -> list[tuple[str, str, Change]]:
    with (
        shadow() as target,
        declared_database(declared, target, silent) as goal,
        shadow() as other,
    ):
        found = declared_differences(goal, other, migrations.folder, silent)
    return [(one.kind, one.name, one.change) for one in found]


def write(migrations: Migrations, shadow: Shadow, declared: Path) -> Written:
    return write_declared(declared, shadow, migrations.folder, "cards", Options())


def test_what_is_declared_and_not_made_becomes_a_migration(
    migrations: Migrations, shadow: Shadow, schemas: Path
) -> None:
    found = differences(migrations, shadow, schemas)
    assert ("table", "public.card", Change.EXTRA) in found
    assert all(name.startswith("public.card") for _, name, _ in found)
    written = write(migrations, shadow, schemas)
    assert written.path == migrations.folder / "010_cards.sql"
    # It was declared, and has run nowhere yet.
    assert migrations.up() == ["000", "010"]
    assert migrations.tables() == ["board", "card"]
    assert differences(migrations, shadow, schemas) == []
    assert write(migrations, shadow, schemas).path is None


def test_what_is_no_longer_declared_is_dropped_by_the_migration(
    migrations: Migrations, shadow: Shadow, schemas: Path
) -> None:
    only = schemas / "10_board.sql"
    only.write_text("create table board (id int primary key);\n")
    assert differences(migrations, shadow, only) == [
        ("column", "public.board.name", Change.GONE),
    ]
    assert write(migrations, shadow, only).statements == [
        "alter table public.board drop column name"
    ]


def test_a_mistake_in_it_has_its_place_and_nothing_is_written(
    migrations: Migrations, shadow: Shadow, schemas: Path
) -> None:
    path = schemas / "20_more" / "card.sql"
    path.write_text("create table card (\n  id nosuchtype);\n")
    with pytest.raises(StatementError) as caught:
        write(migrations, shadow, schemas)
    assert caught.value.where == f"{path}:2:6"
    assert [one.name for one in migrations.folder.glob("*.sql")] == ["000_a.sql"]


def test_a_folder_without_files_declares_nothing(
    migrations: Migrations, shadow: Shadow, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(GavanError) as caught:
        write(migrations, shadow, empty)
    assert caught.value.code == "GV343"
