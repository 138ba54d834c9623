"""The verbs of a running stack by the real command line: dev, exec, logs, status, stop, down."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli_stack import LiveStack
from tests.servers import wait_until

pytestmark = pytest.mark.slow
APP = """
[apps.api]
command = "cat word; exec sleep 600"
needs = {}
env = { COLOR = "blue" }
watch = ["word"]
"""


@pytest.fixture
def stack() -> Iterator[LiveStack]:
    folder = Path(tempfile.mkdtemp(prefix="gv", dir="/tmp"))
    folder.chmod(0o755)
    (folder / "word").write_text("first\n")
    stack = LiveStack(folder, APP)
    yield stack
    stack.gavan("down", "--force")
    shutil.rmtree(folder, ignore_errors=True)


def run(stack: LiveStack, *argv: str) -> tuple[int, str, str]:
    process = stack.start(*argv)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_verbs_of_a_running_stack(stack: LiveStack) -> None:
    assert run(stack, "exec", "api", "--", "true")[0] == 3
    assert stack.gavan("status", "--exit-code", code=3)["data"]["running"] is False
    stack.up()
    assert stack.gavan("status", "--exit-code")["data"]["ready"] is True
    assert run(stack, "exec", "api", "--", "sh", "-c", "echo $COLOR ${GAVAN_RUN_ID-no}")[1] == (
        "blue no\n"
    )
    assert "first" in run(stack, "logs", "api")[1]
    assert "first" not in run(stack, "logs", "api", "--grep", "nothing like it")[1]
    code, _, err = run(stack, "logs", "apu")
    assert (code, "GV223" in err) == (2, True)
    stack.gavan("stop", "api")
    assert stack.units()["api"]["state"] == "stopped"
    stack.gavan("start", "api")
    before = stack.pid("api")
    stack.gavan("restart", "api")
    assert stack.pid("api") != before
    env = run(stack, "status", "-o", "env")[1]
    for name in ("API_URL", "DB_URL", "ANON_KEY", "SERVICE_ROLE_KEY", "JWT_SECRET"):
        assert f"\n{name}=" in f"\n{env}"
    assert run(stack, "down", "--volumes")[0] == 6
    stack.gavan("down", "--volumes", "--yes")
    assert not (stack.root / ".gavan").exists()
    assert stack.gavan("down")["data"]["was_running"] is False


def wait_for(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"ended before {text!r}")


def test_dev_shows_logs_reloads_and_ends_by_ctrl_c(stack: LiveStack) -> None:
    process = stack.start("dev", "--create-user")
    try:
        wait_for(process, "first")
        wait_until(lambda: stack.units()["core"]["state"] == "healthy", 60)
        before = stack.pid("api")
        (stack.root / "word").write_text("second\n")
        wait_for(process, "second")
        assert stack.pid("api") != before
        assert run(stack, "dev")[0] == 4
        path = stack.root / "gavan.toml"
        path.write_text(path.read_text().replace("cat word", "echo third"))
        wait_for(process, "third")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert stack.living() == {}


def test_a_stack_goes_down_with_the_terminal_of_dev(stack: LiveStack) -> None:
    process = stack.start("dev", "--create-user")
    wait_until(lambda: bool(stack.living()), 60)
    process.kill()
    process.communicate()
    wait_until(lambda: stack.living() == {}, 60)
