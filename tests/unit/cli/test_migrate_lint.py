"""`gavan migrate lint`: exit codes, places, JSON; no database is asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gavan.cli.main import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "gavan.toml").write_text('[stack]\nname = "x"\n')
    migrations = tmp_path / "supabase" / "migrations"
    (migrations / "down").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return migrations


def test_an_error_exits_5_and_names_its_place(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "000_a.sql").write_text("\ndrop table public.note;\n")
    assert main(["migrate", "lint"]) == 5
    out = capsys.readouterr().out
    assert out.startswith("supabase/migrations/000_a.sql:2:1 GV350 DROP TABLE")
    assert out.endswith("1 error, 0 warnings\n")


def test_warnings_alone_exit_0(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "000_a.sql").write_text("update public.note set a = 1;\n")
    (folder / "down" / "000_a.sql").write_text("drop view public.notes;\n")
    assert main(["migrate", "lint", "--json"]) == 0
    shape = json.loads(capsys.readouterr().out)
    assert [(f["code"], f["level"]) for f in shape["data"]["findings"]] == [
        ("GV357", "warning"),
        ("GV360", "warning"),
    ]
    assert shape["data"]["files"] == 2


def test_only_the_named_files_are_judged(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "000_a.sql").write_text("drop table public.note;\n")
    good = folder / "010_b.sql"
    good.write_text("select 1;\n")
    assert main(["migrate", "lint", str(good)]) == 0
    assert capsys.readouterr().out == "1 file: nothing found\n"


def test_a_file_that_is_not_there_is_a_mistake_of_usage(folder: Path) -> None:
    assert main(["migrate", "lint", "nothing.sql"]) == 2


def test_a_level_of_the_stack_file_decides_the_exit_code(folder: Path) -> None:
    (folder / "000_a.sql").write_text("drop table public.note;\n")
    file = folder.parents[1] / "gavan.toml"
    file.write_text(file.read_text() + '[database.migrations.lint]\nGV350 = "warn"\n')
    assert main(["migrate", "lint"]) == 0
