"""`gavan keys`: the steps of a rotation as a person takes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gavan.cli.main import main


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "gavan.toml").write_text('[stack]\nname = "keys"\n')
    monkeypatch.chdir(tmp_path)


def test_a_rotation_says_what_comes_next(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "list"]) == 0
    assert capsys.readouterr().out == "the shared secret signs (HS256)\n"
    assert main(["keys", "rotate"]) == 0
    assert "published for 10 minutes: gavan keys rotate" in capsys.readouterr().out
    assert main(["keys", "rotate"]) == 0
    assert "not been published for ten minutes yet" in capsys.readouterr().out
    assert main(["keys", "list"]) == 0
    assert "waits" in capsys.readouterr().out
    assert main(["keys", "rotate", "--now"]) == 0
    assert "signs from now on" in capsys.readouterr().out


def test_no_secret_part_is_printed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    main(["keys", "rotate", "--now", "--algorithm", "RS256"])
    main(["keys", "rotate"])
    main(["keys", "list"])
    capsys.readouterr()
    main(["keys", "list", "--json"])
    shape = json.loads(capsys.readouterr().out)["data"]["keys"]
    assert [(key["algorithm"], key["state"]) for key in shape] == [
        ("RS256", "signs"),
        ("ES256", "waits"),
    ]
    assert {name for key in shape for name in key} == {"kid", "algorithm", "state", "turns_at"}
    (stored, _) = json.loads((tmp_path / ".gavan/secrets/signing_keys.json").read_text())
    assert main(["keys", "revoke", stored["kid"]]) == 2
    assert stored["d"] not in capsys.readouterr().err
