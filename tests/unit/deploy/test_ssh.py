"""What a server's shell says and how its files were left must not reach what is read or written."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from gavan.cli.deploy.hosts import _from_stdin
from gavan.deploy import env_file, runner
from gavan.deploy.env_file import add_values, look_at
from gavan.deploy.ssh import Ssh
from gavan.kit.errors import GavanError
from gavan.stack.model import DeployHost

# Stands for a server whose shell greets everybody: the last word is what it is to run.
SSH = """#!/bin/sh
for word; do command=$word; done
printf 'Welcome to web!\\n\\n{"step": "banner"}\\nyours sincerely, '
exec sh -c "$command"
"""


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ssh:
    program = tmp_path / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(SSH)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    root = tmp_path / "server"
    (root / "releases").mkdir(parents=True)
    host = DeployHost(name="web", address="192.0.2.1", user="deploy", port=22, path=str(root),
                      host_key="", jump="")  # fmt: skip
    return Ssh(host=host, state_dir=tmp_path / "state")


def test_what_a_shell_says_at_its_beginning_is_no_answer(ssh: Ssh) -> None:
    assert ssh.run("printf", "%s", "{}") == "{}"
    assert ssh.run("cat", stdin=b"a\n\nb\n") == "a\n\nb\n"
    assert runner.look(ssh)["unfinished"] == []


def test_a_release_is_laid_out_once(ssh: Ssh) -> None:
    """Two clients may begin the same commit in the same second."""
    runner.upload(ssh, "r1", {"plan.json": "{}"})
    with pytest.raises(GavanError) as refused:
        runner.upload(ssh, "r1", {"plan.json": "[]"})
    assert (refused.value.code, "exists" in (refused.value.details or "")) == ("GV532", True)
    assert (Path(ssh.host.path) / "releases" / "r1" / "plan.json").read_text() == "{}"


def test_a_variable_is_added_below_a_last_line_without_an_end(ssh: Ssh) -> None:
    file = Path(env_file.file_of(ssh, "prod"))
    file.write_text("FIRST=one")
    file.chmod(0o600)
    add_values(ssh, "prod", {"SECOND": "two 'words'\nand $more"})
    assert file.read_text().startswith("FIRST=one\nSECOND=")
    assert look_at(ssh, "prod").names == {"FIRST", "SECOND"}


def test_a_value_from_a_file_has_not_the_end_of_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("key", "key\n", "key\r\n"):
        monkeypatch.setattr("sys.stdin", io.StringIO(text, newline=""))
        assert _from_stdin() == "key"
