"""[deploy.hooks]: run as words, in the root, told what they are about; one that fails says so."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gavan.cli.context import Context
from gavan.cli.deploy.hooked import with_hooks
from gavan.cli.flags import first_guess
from gavan.cli.render import Output
from gavan.deploy import hooks
from gavan.deploy.ssh import Ssh
from gavan.kit.errors import GavanError
from gavan.stack.load import load
from gavan.stack.model import DeployHost, Stack

PLAN = {"id": "r1", "tag": "sha-1234567", "commit": "1234567", "by": "ann", "action": "deploy"}
HOST = DeployHost(name="web", address="192.0.2.1", user="deploy", port=22, path="/opt/x",
                  host_key="", jump="")  # fmt: skip
NOTE = (
    "import json, os; n = os.environ['GAVAN_HOOK']; "
    "told = {k: v for k, v in os.environ.items() if k.startswith('GAVAN_')}; "
    "open(n + '.json', 'w').write(json.dumps(told))"
)


@dataclass
class Release:
    """A stack whose hooks write down what they are told, unless a command is given for one."""

    root: Path
    commands: Mapping[str, str] = field(default_factory=dict)

    @property
    def stack(self) -> Stack:
        note = f"{sys.executable} note.py"
        (self.root / "note.py").write_text(NOTE)
        names = ("pre_build", "pre_deploy", "post_deploy", "on_failure")
        lines = [f"{name} = {json.dumps(self.commands.get(name, note))}" for name in names]
        file = self.root / "gavan.toml"
        file.write_text('[stack]\nname = "x"\n[deploy.hooks]\n' + "\n".join(lines))
        loaded = load(file, profile="prod", environ={})
        assert not loaded.errors, loaded.errors
        return loaded.stack

    def run(self, error: GavanError | None = None) -> None:
        context = Context(Output(first_guess([])))
        context.__dict__["loaded"] = load(self.stack.file, profile="prod", environ={})
        with with_hooks(context, Ssh(host=HOST, state_dir=self.root), dict(PLAN)):
            if error is not None:
                raise error

    def told(self, name: str) -> dict[str, Any]:
        file = self.root / f"{name}.json"
        return dict(json.loads(file.read_text())) if file.exists() else {}


def test_a_release_that_serves_has_the_hooks_before_and_after(tmp_path: Path) -> None:
    release = Release(tmp_path)
    release.run()
    before, after = release.told("pre_deploy"), release.told("post_deploy")
    assert (before["GAVAN_TAG"], before["GAVAN_HOST"], before["GAVAN_VERB"]) == (
        "sha-1234567", "192.0.2.1", "deploy",
    )  # fmt: skip
    assert after["GAVAN_RESULT"] == "released"
    assert float(after["GAVAN_SECONDS"]) >= 0
    assert release.told("on_failure") == {}


@pytest.mark.parametrize(("exit_code", "result"), [(8, "rolled_back"), (4, "locked"),
                                                   (1, "failed")])  # fmt: skip
def test_a_release_that_fails_has_its_hook_told_why(
    tmp_path: Path, exit_code: int, result: str
) -> None:
    release = Release(tmp_path)
    with pytest.raises(GavanError, match="no berth"):
        release.run(GavanError("GV545", "no berth", exit_code=exit_code))
    told = release.told("on_failure")
    assert (told["GAVAN_RESULT"], told["GAVAN_REASON"], told["GAVAN_CODE"]) == (
        result, "no berth", "GV545",
    )  # fmt: skip
    assert release.told("post_deploy") == {}


@pytest.mark.parametrize("command", ["false", "no-such-program", "unbalanced 'quote"])
def test_a_hook_before_a_release_stops_it(tmp_path: Path, command: str) -> None:
    release = Release(tmp_path, {"pre_deploy": command})
    with pytest.raises(GavanError) as caught:
        release.run()
    assert caught.value.code == "GV577"
    assert release.told("post_deploy") == {}


def test_a_hook_that_fails_afterwards_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Release(tmp_path, {"post_deploy": "sh -c 'echo no printer; exit 3'"}).run()
    said = capsys.readouterr().err
    assert "post_deploy failed: exit 3" in said
    assert "no printer" in said


def test_words_are_words_and_no_shell_reads_them(tmp_path: Path) -> None:
    command = f"{sys.executable} -c 'import sys; sys.exit(sys.argv[1] != \"$HOME;x\")' '$HOME;x'"
    stack = Release(tmp_path, {"pre_build": command}).stack
    assert hooks.run(stack, "pre_build", {})
    assert not hooks.run(Release(tmp_path, {"pre_build": ""}).stack, "pre_build", {})
