"""`gavan types` on a real database: to stdout, to a file, and whether a file is stale."""

from __future__ import annotations

from pathlib import Path

import pytest

from gavan.cli.main import main
from tests.conftest import Database

SCHEMA = """\
create table card (id integer primary key, title text not null);
create view titles as select title from card;
create schema shop;
create table shop.item (id integer primary key);
"""


@pytest.fixture
def url(database: Database) -> str:
    with database.connect() as connection:
        connection.execute(SCHEMA.encode())
    return database.url()


def test_a_file_is_up_to_date_until_the_schema_changes(
    url: str, database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "src" / "types.ts"
    assert main(["types", "--lang", "ts", "--db-url", url, "-o", str(file)]) == 0
    assert main(["types", "--lang", "ts", "--db-url", url, "--check", str(file)]) == 0
    with database.connect() as connection:
        connection.execute("alter table card add column due date")
    capsys.readouterr()
    assert main(["types", "--lang", "ts", "--db-url", url, "--check", str(file)]) == 5
    diff = capsys.readouterr().out
    assert "+          due: string | null\n" in diff
    assert f"gavan types --lang ts -o {file}" in diff


def test_a_missing_file_is_stale(url: str, tmp_path: Path) -> None:
    file = str(tmp_path / "none.py")
    assert main(["types", "--lang", "py", "--db-url", url, "--check", file]) == 5


def test_a_file_is_not_written_and_checked_at_once(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["types", "--db-url", url, "-o", "a.ts", "--check", "a.ts"]) == 2
    assert "GV323" in capsys.readouterr().err


@pytest.mark.parametrize("lang", ["ts", "py"])
def test_the_schemas_that_are_named_are_shown(
    url: str, lang: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["types", "--lang", lang, "--db-url", url]) == 0
    assert "shop" not in capsys.readouterr().out.lower()
    assert main(["types", "--lang", lang, "--db-url", url, "--schema", "shop"]) == 0
    text = capsys.readouterr().out
    assert "item" in text.lower()
    assert "titles" not in text


def test_a_schema_that_is_not_there_is_an_error(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["types", "--db-url", url, "--schema", "nope"]) == 2
    assert "GV322 there is no schema nope" in capsys.readouterr().err


def test_the_stack_names_the_schemas(
    url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "gavan.toml"
    file.write_text('[stack]\nname = "shop"\n[core]\nschemas = ["shop"]\n')
    monkeypatch.setenv("GAVAN_DB_URL", url)
    assert main(["-f", str(file), "types", "--lang", "py"]) == 0
    assert "class ItemRow(TypedDict):" in capsys.readouterr().out
