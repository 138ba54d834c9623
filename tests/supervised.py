"""A supervisor over processes of a test, without a stack file and without Postgres."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gavan.engines.embedded import guard, lock, logread
from gavan.engines.embedded.client import Client, connect
from gavan.engines.embedded.model import Plan, Process, Status, dump, load_status
from gavan.engines.embedded.paths import control_socket, logs_dir, make_state_dir
from gavan.engines.embedded.state import read_state
from tests.servers import DEADLINE_S, wait_until


class Run:
    """One supervisor; ``root`` is the folder of its imaginary stack."""

    def __init__(self, root: Path, *processes: Process) -> None:
        self.root = root
        self.state_dir = root / ".gavan"
        make_state_dir(self.state_dir)
        self.control = control_socket(self.state_dir)
        held = lock.try_lock(self.state_dir / "run" / "lock")
        assert held is not None
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "gavan.engines.embedded.supervisor", "--lock", str(held)],
            stdin=subprocess.PIPE,
            pass_fds=(held,),
            start_new_session=True,
        )
        os.close(held)
        assert self.popen.stdin is not None
        self.popen.stdin.write(json.dumps(dump(self.plan(*processes))).encode() + b"\n")
        self.popen.stdin.close()
        wait_until(self.is_listening)
        state = read_state(self.state_dir)
        assert state is not None
        self.marker = state.marker

    def plan(self, *processes: Process) -> Plan:
        return Plan(
            stack="test", file=str(self.root / "gavan.toml"), profile="dev",
            state_dir=str(self.state_dir), control=str(self.control), processes=processes,
        )  # fmt: skip

    def is_listening(self) -> bool:
        client = connect(self.control)
        if client is not None:
            client.close()
        return client is not None

    def ask(self, do: str, **more: Any) -> dict[str, Any]:
        client = connect(self.control)
        assert isinstance(client, Client)
        with client:
            return client.ask(do, **more)

    def status(self, unit: str) -> Status:
        units = {item["name"]: load_status(item) for item in self.ask("status")["units"]}
        return units[unit]

    def wait(self, unit: str, state: str, timeout_s: float = DEADLINE_S) -> Status:
        wait_until(lambda: self.status(unit).state == state, timeout_s)
        return self.status(unit)

    def lines(self, unit: str) -> list[str]:
        found = logread.read(logs_dir(self.state_dir), unit, logread.Query())
        return [line.text for line in found]

    def living(self) -> dict[int, bool]:
        """Return the processes that carry the mark of this run."""
        return guard.find(self.marker, "")

    def is_locked(self) -> bool:
        return lock.is_locked(self.state_dir / "run" / "lock")

    def down(self) -> None:
        if self.popen.poll() is None:
            with suppress(AssertionError):
                self.ask("down")
        self.popen.wait(60)

    def kill(self) -> None:
        """End the supervisor as the kernel does when memory is short."""
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait(60)


@contextmanager
def short_folder() -> Iterator[Path]:
    """Give a folder whose path is short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="gv", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Runs:
    """Starts supervisors in one folder and ends what is left of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._runs: list[Run] = []

    def __call__(self, *processes: Process) -> Run:
        run = Run(self.root, *processes)
        self._runs.append(run)
        return run

    def sh(self, name: str, command: str, **more: Any) -> Process:
        """Return a unit that runs a shell command."""
        return Process(
            name=name, kind="app", argv=("/bin/sh", "-c", command), cwd=str(self.root),
            env={"PATH": os.environ["PATH"], **more.pop("env", {})}, **more,
        )  # fmt: skip

    def python(self, name: str, code: str, **more: Any) -> Process:
        """Return a unit that runs Python code."""
        argv = (sys.executable, "-u", "-c", code)
        env = {"PATH": os.environ["PATH"]}
        return Process(name=name, kind="app", argv=argv, cwd=str(self.root), env=env, **more)

    def end(self) -> None:
        for run in self._runs:
            if run.popen.poll() is None:
                run.kill()
            wait_until(lambda run=run: not run.living())  # type: ignore[misc] # the loop's own run
