"""A whole stack under faults: processes killed during writes, commands that cross."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from gavan.engines.embedded import guard
from gavan.engines.embedded.state import read_state
from tests.cli_stack import LiveStack
from tests.servers import wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="gv", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def stack(folder: Path) -> Iterator[LiveStack]:
    stack = LiveStack(folder)
    yield stack
    stack.gavan("down", "--force")


class Writer:
    """Inserts numbers and remembers those whose commit was confirmed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.confirmed: list[int] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("create table if not exists written (n bigint primary key)")
        self._thread.start()

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            with suppress(psycopg.Error), psycopg.connect(self._url, autocommit=True) as connection:
                while not self._stop.is_set():
                    number += 1
                    connection.execute("insert into written values (%s)", [number])
                    self.confirmed.append(number)

    def grows(self) -> None:
        """Wait until more is written than now."""
        now = len(self.confirmed)
        wait_until(lambda: len(self.confirmed) > now + 20, 60)

    def missing(self) -> set[int]:
        """Stop and return the confirmed numbers that are not in the table."""
        self._stop.set()
        self._thread.join()
        with psycopg.connect(self._url) as connection:
            rows = connection.execute("select n from written").fetchall()
        return set(self.confirmed) - {int(row[0]) for row in rows}


def healthy(port: int) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2):
        return True
    return False


def test_postgres_core_and_supervisor_are_killed_and_no_confirmed_row_is_lost(
    stack: LiveStack,
) -> None:
    stack.up()
    writer = Writer(stack.url())
    try:
        writer.grows()
        os.kill(stack.pid("postgres"), signal.SIGKILL)
        writer.grows()
        os.kill(stack.pid("core"), signal.SIGKILL)
        wait_until(lambda: stack.units()["core"]["restarts"] >= 1)
        wait_until(lambda: healthy(stack.ports[1]), 60)
        state = read_state(stack.root / ".gavan")
        assert state is not None
        os.kill(state.pid, signal.SIGKILL)
        wait_until(lambda: not guard.find(state.marker, state.data_dir))
        stack.up()
        writer.grows()
    finally:
        missing = writer.missing()
    assert missing == set()
    assert all(unit["state"] in ("healthy", "completed") for unit in stack.units().values())


def test_two_ups_at_once_and_up_during_down_end_with_one_stack(stack: LiveStack) -> None:
    both = [stack.start("up", "--create-user", "--json") for _ in range(2)]
    answers = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    ran = sorted(json.loads(text)["data"]["was_running"] for text in answers)
    assert ran == [False, True]
    down = stack.start("down")
    up = stack.start("up", "--json")
    down.communicate(timeout=120)
    out, err = up.communicate(timeout=120)
    # Whoever came first, nothing is broken: at most one Postgres, and the next up is up.
    assert up.returncode in (0, 3, 4), out + err
    stack.up()
    units = stack.units()
    assert units["core"]["state"] == "healthy"
    postmasters = [
        pid
        for pid, (parent, _, _) in guard.processes().items()
        if guard.is_postgres_of(pid, str((stack.root / ".gavan" / "data").resolve()))
        and not guard.is_postgres_of(parent, str((stack.root / ".gavan" / "data").resolve()))
    ]
    assert len(postmasters) == 1


def test_a_taken_port_names_its_owner_and_auto_ports_takes_another(stack: LiveStack) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", stack.ports[1]))
        taken.listen()
        error = stack.up(code=4)["error"]
        assert str(stack.ports[1]) in error["message"]
        assert "--auto-ports" in error["mend"]
        process = stack.start("up", "--create-user")
        assert f"pid {os.getpid()}" in process.communicate(timeout=60)[1]
        stack.up("--auto-ports")
        port = stack.units()["core"]["ports"][0]
        assert port != stack.ports[1]
        assert healthy(port)
        assert stack.gavan("status", "-o", "env")["data"]["API_URL"].endswith(f":{port}")
        assert stack.gavan("migrate", "status")["ok"] is True


def test_a_long_path_with_spaces_and_unicode_works(folder: Path) -> None:
    deep = folder / ("мой проект " + "y" * 160)[:130]
    deep.mkdir()
    stack = LiveStack(deep)
    try:
        stack.up()
        with psycopg.connect(stack.url()) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
    finally:
        stack.gavan("down")
    assert stack.living() == {}


def test_second_up_changes_nothing_and_a_changed_file_restarts_only_its_unit(
    folder: Path,
) -> None:
    app = '[apps.api]\ncommand = "exec sleep 600"\nneeds = {{}}\nenv = {{ A = "{0}" }}\n'
    stack = LiveStack(folder, app.format("1"))
    try:
        stack.up()
        before = stack.units()
        assert stack.up()["data"]["changes"] == []
        path = folder / "gavan.toml"
        path.write_text(path.read_text().replace('A = "1"', 'A = "2"'))
        (change,) = stack.up()["data"]["changes"]
        assert (change["unit"], change["details"]) == ("api", ["env A: changed"])
        after = stack.units()
        assert after["api"]["pid"] != before["api"]["pid"]
        assert after["core"]["pid"] == before["core"]["pid"]
        assert after["postgres"]["pid"] == before["postgres"]["pid"]
    finally:
        stack.gavan("down")


def test_a_failing_app_is_reported_with_its_last_lines(folder: Path) -> None:
    stack = LiveStack(folder, '[apps.api]\ncommand = "echo XAI_API_KEY is missing; exit 7"\n')
    try:
        process = stack.start("up", "--create-user")
        _, err = process.communicate(timeout=120)
        assert process.returncode == 3
        assert "api is crash-loop: exit 7" in err
        assert "XAI_API_KEY is missing" in err
        assert stack.units()["core"]["state"] == "healthy"
    finally:
        stack.gavan("down")
