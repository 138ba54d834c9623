"""What the supabase CLI and `gavan migrate` write for the same files, byte by byte.

The CLI is the golden copy: it runs here, in both majors, on the same server.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gavan.database.migration.apply import status
from gavan.database.migration.catalogue import compare_schemas, read_schema
from gavan.database.migration.parsed import Direction
from gavan.database.migration.plan import State
from gavan.database.migration.repair import repair
from gavan.database.migration.run import Options
from gavan.database.migration.split import split
from gavan.kit.errors import GavanError
from tests.clients.supabase_project import Project
from tests.clients.tricky import BOTH, NEITHER
from tests.conftest import Database


def test_rows_and_schema_are_equal_byte_by_byte_whoever_applied_the_files(
    project: Project, database_factory: Callable[[], Database]
) -> None:
    _write(project, BOTH)
    project.push()
    theirs = project.history()
    ours = Project(project.root, database_factory(), project.node, project.major)
    assert len(ours.gavan()) == len(BOTH)
    assert ours.history() == theirs
    assert [row[2] for row in theirs] == [_split(data) for data in BOTH.values()]
    with project.database.connect() as one, ours.database.connect() as other:
        kept = [found for found in compare_schemas(read_schema(one), read_schema(other))
                if not found.name.startswith("gavan")]  # fmt: skip
        assert kept == []
    assert {entry.state for entry in status(project.url, project.folder)} == {State.APPLIED}
    assert project.gavan() == []


def test_a_large_file_of_the_cli_is_recognised_and_written_the_same(
    project: Project, database_factory: Callable[[], Database]
) -> None:
    row = "insert into big values ('it''s; {}', $${}$$);\r\n"
    rows = "".join(row.format("ж;", "x" * 900) for _ in range(4_500))
    (project.folder / "000_big.sql").write_bytes(
        f"create table big (a text, b text);\n{rows}-- end".encode()
    )
    project.push()
    ours = Project(project.root, database_factory(), project.node, project.major)
    assert ours.gavan() == ["000"]
    assert ours.history() == project.history()
    for one in (project, ours):
        assert [entry.state for entry in status(one.url, one.folder)] == [State.APPLIED]


def test_repair_writes_the_same_rows_whoever_repairs(
    project: Project, database_factory: Callable[[], Database]
) -> None:
    _write(project, BOTH)
    versions = [name.split("_")[0] for name in _names(BOTH)]
    done = project.supabase("migration", "repair", *versions, "--status", "applied", "--yes")
    assert done.returncode == 0, done.stderr
    ours = Project(project.root, database_factory(), project.node, project.major)
    repair(ours.url, ours.folder, versions, Direction.UP, Options())
    assert ours.history() == project.history()


@pytest.mark.parametrize("name", NEITHER)
def test_what_the_cli_cannot_apply_is_refused_and_leaves_nothing(
    project: Project, name: str
) -> None:
    _write(project, {"good": b"create table good (id int);", name: NEITHER[name]})
    pushed = project.supabase("db", "push", "--yes")
    assert pushed.returncode != 0
    # The CLI finds it out half-way, we before anything is applied or at that very file.
    assert [row[0] for row in project.history()] == ["000"]
    with pytest.raises(GavanError):
        project.gavan()
    assert [row[0] for row in project.history()] == ["000"]
    with project.database.connect() as connection:
        tables = connection.execute(
            "select relname from pg_class where relkind = 'r'"
            " and relnamespace = 'public'::regnamespace"
        )
        assert tables.fetchall() == [("good",)]


def test_a_file_that_the_cli_would_corrupt_is_refused(project: Project) -> None:
    _write(project, {"latin": "select 'caf\xe9';".encode("latin-1")})
    with pytest.raises(GavanError, match="not UTF-8: 0xe9") as caught:
        project.gavan()
    assert caught.value.code == "GV306"
    assert str(caught.value.where).endswith("000_latin.sql:1:12")


def test_new_of_either_goes_on_from_the_other(project: Project) -> None:
    from gavan.database.migration.files import new_migration

    def made_by_the_cli(name: str) -> None:
        done = project.supabase_alone("migration", "new", name)
        assert done.returncode == 0, done.stderr

    made_by_the_cli("one")
    two = new_migration(project.folder, "two")
    assert two.name.endswith("_two.sql")
    names = sorted(path.name for path in project.folder.iterdir())
    assert [name.split("_")[1] for name in names] == ["one.sql", "two.sql"]
    for path in project.folder.iterdir():
        path.write_text("select 1;")
    project.push()
    assert project.gavan() == []


def _names(files: dict[str, bytes]) -> list[str]:
    return [f"{10 * number:03}_{name}.sql" for number, name in enumerate(files)]


def _write(project: Project, files: dict[str, bytes]) -> None:
    for name, data in zip(_names(files), files.values(), strict=True):
        (project.folder / name).write_bytes(data)


def _split(data: bytes) -> list[str]:
    return [statement.text for statement in split(data.decode())]
