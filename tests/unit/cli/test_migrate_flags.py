"""The flags of `gavan migrate` as they are typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from gavan.cli.main import main


@pytest.mark.parametrize("verb", ["up", "plan"])
@pytest.mark.parametrize(("phase", "is_known"), [("expand", True), ("EXPAND", False)])
def test_phases_are_typed_as_files_name_them(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    verb: str,
    phase: str,
    is_known: bool,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["migrate", verb, "--phase", phase]) == 2
    # A folder without a stack file is the next thing to complain of.
    assert ("--phase" not in capsys.readouterr().err) is is_known
