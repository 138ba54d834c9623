"""What a supervisor must survive, and what must not survive it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from gavan.engines.embedded import guard, reap
from gavan.engines.embedded.state import RunState, boot_id, read_state, started_ticks, write_state
from tests.ports import free_port
from tests.servers import wait_until
from tests.supervised import Runs

SLEEP = "exec sleep 600"
pytestmark = pytest.mark.chaos


def memory_kb(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))


def guard_pid(supervisor: int) -> int | None:
    for pid, (parent, state, _) in guard.processes().items():
        command = guard.read_bytes(f"/proc/{pid}/cmdline")
        if parent == supervisor and state != "Z" and b"guard.py" in command:
            return pid
    return None


def test_nobody_outlives_a_killed_supervisor(runs: Runs) -> None:
    grandchild = "(setsid sh -c 'trap \"\" TERM HUP; sleep 600' &); "
    run = runs(runs.sh("api", grandchild + SLEEP), runs.sh("deaf", "trap '' TERM; sleep 600; :"))
    run.wait("api", "running")
    run.wait("deaf", "running")
    assert len(run.living()) >= 4
    run.kill()
    wait_until(lambda: not run.living())
    wait_until(lambda: not run.is_locked())


def test_a_killed_guard_is_replaced(runs: Runs) -> None:
    run = runs(runs.sh("api", SLEEP))
    run.wait("api", "running")
    wait_until(lambda: guard_pid(run.popen.pid) is not None)
    first = guard_pid(run.popen.pid)
    os.kill(first or 0, signal.SIGKILL)
    wait_until(lambda: guard_pid(run.popen.pid) not in (None, first))
    run.kill()
    wait_until(lambda: not run.living())


def test_the_next_run_ends_what_supervisor_and_guard_left(runs: Runs) -> None:
    run = runs(runs.sh("api", SLEEP))
    run.wait("api", "running")
    wait_until(lambda: guard_pid(run.popen.pid) is not None)
    os.kill(run.popen.pid, signal.SIGSTOP)
    os.kill(guard_pid(run.popen.pid) or 0, signal.SIGKILL)
    run.kill()
    assert len(run.living()) == 1
    assert reap.reap_last_run(run.state_dir) == 1
    assert run.living() == {}
    assert read_state(run.state_dir) is None


def test_a_stranger_with_the_pid_of_the_file_is_left_alone(runs: Runs) -> None:
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        (runs.root / ".gavan" / "run").mkdir(parents=True)
        state = RunState(
            run_id="0" * 32, pid=stranger.pid, started_ticks=started_ticks(stranger.pid),
            boot_id=boot_id(), uid=os.getuid(), since=0.0, file="", profile="dev", data_dir="",
            control=str(runs.root / "control"),
        )  # fmt: skip
        write_state(runs.root / ".gavan", state)
        assert reap.reap_last_run(runs.root / ".gavan") == 0
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_postmaster_file_with_the_pid_of_a_stranger_is_removed(tmp_path: Path) -> None:
    (tmp_path / "postmaster.pid").write_text(f"{os.getpid()}\n{tmp_path}\n")
    reap.free_data_dir(tmp_path)
    assert not (tmp_path / "postmaster.pid").exists()


def test_a_half_written_run_file_is_no_obstacle(runs: Runs) -> None:
    (runs.root / ".gavan" / "run").mkdir(parents=True)
    (runs.root / ".gavan" / "run" / "state.json").write_text('{"run_id": "ab')
    assert reap.reap_last_run(runs.root / ".gavan") == 0
    runs(runs.sh("api", SLEEP)).wait("api", "running")


def test_a_line_of_one_gib_neither_blocks_the_unit_nor_fills_memory(runs: Runs) -> None:
    code = (
        "import os\nchunk = b'x' * (1 << 20)\n"
        "for _ in range(1024):\n    os.write(1, chunk)\n"
        "os.write(1, b'\\n'); open('done', 'w').close()\nimport time; time.sleep(600)"
    )
    run = runs(runs.python("loud", code))
    peak = 0
    until = time.monotonic() + 60
    while not (runs.root / "done").exists():
        peak = max(peak, memory_kb(run.popen.pid))
        assert time.monotonic() < until, "the unit was blocked"
        time.sleep(0.05)
    assert peak < 100_000
    wait_until(lambda: any("dropped" in line for line in run.lines("loud")))
    assert run.status("loud").state == "running"


def test_nuls_are_escaped_and_the_supervisor_goes_on(runs: Runs) -> None:
    code = (
        "import os, time\nos.write(1, b'\\0' * 3 + b'\\n')\n"
        "for _ in range(64):\n    os.write(1, b'\\0' * (1 << 20))\n"
        "open('done', 'w').close()\ntime.sleep(600)"
    )
    run = runs(runs.python("odd", code))
    wait_until((runs.root / "done").exists, 60)
    assert memory_kb(run.popen.pid) < 100_000
    wait_until(lambda: "\\x00\\x00\\x00" in run.lines("odd"))
    run.down()


def test_units_go_on_while_the_log_folder_is_full(runs: Runs) -> None:
    (runs.root / ".gavan" / "logs").mkdir(parents=True)
    folder = runs.root / ".gavan" / "logs"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)],
        capture_output=True, check=False,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip(f"no small file system to fill: {mounted.stderr.decode().strip()}")
    try:
        (folder / "filler").write_bytes(b"x" * 40_000)
        code = (
            "import time, itertools\nfor n in itertools.count():\n"
            "    print(n, 'y' * 2000, flush=True); time.sleep(0.01)"
        )
        run = runs(runs.python("api", code))
        wait_until(lambda: "No space left" in run.ask("status")["run"]["trouble"])
        assert run.wait("api", "running").restarts == 0
        (folder / "filler").unlink()
        for path in folder.glob("*.log"):
            os.truncate(path, 0)
        wait_until(lambda: run.ask("status")["run"]["trouble"] == "")
        wait_until(lambda: any("lines dropped" in line for line in run.lines("api")))
        run.down()
    finally:
        runs.end()
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_port_that_a_daemon_kept_is_free_after_down(runs: Runs) -> None:
    port = free_port()
    daemon = f"setsid python3 -m http.server {port} --bind 127.0.0.1"
    run = runs(runs.sh("api", f"({daemon} &); {SLEEP}"))
    run.wait("api", "running")
    wait_until(lambda: len(run.living()) == 2)
    run.ask("restart", units=["api"])
    run.wait("api", "running")
    wait_until(lambda: len(run.living()) == 2)
    run.down()
    assert run.living() == {}


@pytest.mark.parametrize("length", [140])
def test_a_long_path_with_spaces_has_a_control_socket(runs: Runs, length: int) -> None:
    folder = runs.root / ("a folder with spaces и юникод " + "x" * length)[:length]
    folder.mkdir()
    far = Runs(folder)
    try:
        run = far(far.sh("api", SLEEP))
        assert len(os.fsencode(run.control)) < 100
        run.wait("api", "running")
        run.down()
    finally:
        far.end()
        shutil.rmtree(run.control.parent, ignore_errors=True)


def test_the_run_file_names_the_run(runs: Runs) -> None:
    run = runs(runs.sh("api", SLEEP))
    state = read_state(run.state_dir)
    assert state is not None
    assert state.pid == run.popen.pid
    again = replace(state, pid=1)
    assert json.loads(json.dumps(asdict(again)))["pid"] == 1
