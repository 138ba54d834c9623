"""`gavan init`, `check` and `config`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gavan.cli.main import main


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty directory to work in, with a git root so that nothing above is searched."""
    directory = tmp_path / "2 My board 3"
    (directory / ".git").mkdir(parents=True)
    monkeypatch.chdir(directory)
    yield directory


def _write(here: Path, text: str) -> None:
    (here / "gavan.toml").write_bytes(text.encode())


def test_init_begins_a_stack_that_checks(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / ".gitignore").write_text("node_modules/\n.env")
    assert main(["init"]) == 0
    assert main(["check"]) == 0
    assert capsys.readouterr().out.endswith("gavan.toml, profile dev: no mistakes\n")
    assert (here / "gavan.toml").read_text() == '[stack]\nname = "my-board-3"\n'
    assert (here / ".gitignore").read_text().splitlines() == [
        "node_modules/", ".env", ".gavan/", ".env.local", ".env.*.local",
    ]  # fmt: skip


def test_init_never_overwrites(here: Path) -> None:
    _write(here, "# mine\n")
    assert main(["init"]) == 2
    assert (here / "gavan.toml").read_text() == "# mine\n"


def test_check_without_a_stack_file_says_where_it_looked(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check"]) == 2
    error = capsys.readouterr().err
    assert f"searched: {here}" in error
    assert "gavan init" in error


def test_check_json_has_every_finding(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write(here, "[stack]\nnam = 1\n[core]\nport = 'x'\n")
    assert main(["check", "--json"]) == 2
    shape = json.loads(capsys.readouterr().out)
    found = [(f["code"], f["position"]["line"]) for f in shape["data"]["findings"]]
    assert (shape["ok"], found) == (False, [("GV103", 1), ("GV101", 2), ("GV102", 4)])


def test_fix_renames_keys_and_keeps_everything_else(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (
        "\ufeff[stack]\r\nname = 'x'\r\n[cor]  # core\r\n\"prt\" = 5000 # keep é\r\n"
        "[apps.a]\r\nenv = { }\r\ncomand = 'x'; mend = 'y'\r\n"
    ).replace("; mend = 'y'", "")
    _write(here, text)
    assert main(["check", "--fix"]) == 0
    expected = text.replace("cor]", "core]").replace('"prt"', "port").replace("comand", "command")
    assert (here / "gavan.toml").read_bytes() == expected.encode()
    assert '-"prt" = 5000 # keep é' in capsys.readouterr().out


def test_fix_does_not_make_a_key_twice(here: Path) -> None:
    text = "[stack]\nname = 'x'\nnaem = 'y'\nnmae = 'z'\n"
    _write(here, text)
    assert main(["check", "--fix"]) == 2
    assert (here / "gavan.toml").read_text() == text


def test_env_example_is_written_and_then_agrees(here: Path) -> None:
    _write(
        here,
        "[stack]\nname = 'x'\n[apps.a]\ncommand = '${RUN:-run}'\nenv = { K = 'secret://K_TOKEN' }\n"
        "secrets = ['S']\n[cron.c]\nschedule = '@every 1m'\nsql = 'select ${NOT}'\n",
    )
    (here / ".env").write_text("K_TOKEN=k\nS=s\n")
    assert main(["check", "--env"]) == 5
    assert main(["check", "--env", "--fix"]) == 0
    assert main(["check", "--env"]) == 0
    text = (here / ".env.example").read_text()
    assert [line for line in text.splitlines() if "=" in line] == ["K_TOKEN=", "RUN=", "S="]
    (here / ".env.example").write_text(text + "OLD=\n")
    assert main(["check", "--env"]) == 5


def test_config_shows_values_with_their_place_and_no_secret(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _write(
        here, "[stack]\nname='x'\n[apps.a]\ncommand='x'\nenv={ MODEL='m', T='secret://T_KEY' }\n"
    )
    (here / ".env").write_text("T_KEY=hunter2\n")
    assert main(["config"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["core.port", "54321", "default"] in lines
    assert ["apps.a.env.MODEL", "m", "gavan.toml:5"] in lines
    assert ["apps.a.env.T", "********", "gavan.toml:5"] in lines
    assert ["apps.a.stop_timeout", "30s", "default"] in lines
    assert main(["config", "--json"]) == 0
    out = capsys.readouterr().out
    assert json.loads(out)["data"]["profiles.dev.watch"] is True
    assert "hunter2" not in out


def test_explain_lists_every_layer_and_the_winner(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(here, "[stack]\nname='x'\n[apps.a]\ncommand='x'\nenv={ MODEL='file' }\n")
    (here / ".env").write_text("# x\nMODEL=low\n")
    (here / ".env.local").write_text("MODEL=high\n")
    monkeypatch.setenv("MODEL", "process")
    assert main(["config", "--explain", "MODEL", "--set", "MODEL=flag", "--json"]) == 0
    layers = json.loads(capsys.readouterr().out)["data"]["layers"]
    assert [(one["where"], one["value"], one["wins"]) for one in layers] == [
        ("gavan.toml:5", "file", False),
        (".env:2", "low", False),
        (".env.local:1", "high", False),
        ("process environment", "process", False),
        ("--set", "flag", True),
    ]


def test_explain_masks_what_sounds_secret(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write(here, "[stack]\nname='x'\n[apps.a]\ncommand='x'\nsecrets=['ODD']\n")
    (here / ".env").write_text("API_TOKEN=hunter2\nODD=hunter2\n")
    assert main(["config", "--explain", "API_TOKEN"]) == 0
    assert main(["config", "--explain", "ODD"]) == 0
    assert "hunter2" not in capsys.readouterr().out


def test_explain_of_a_key_says_where_it_is_set(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _write(here, "[stack]\nname='x'\n[database]\nport=7000\n")
    assert main(["config", "--explain", "database.port"]) == 0
    assert capsys.readouterr().out.split()[-3:] == ["*", "gavan.toml:4", "7000"]


def test_explain_of_a_stranger_names_what_was_searched(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _write(here, "[stack]\nname='x'\n")
    assert main(["config", "--explain", "NOBODY_SETS_THIS"]) == 2
    assert ".env.dev.local" in capsys.readouterr().err
