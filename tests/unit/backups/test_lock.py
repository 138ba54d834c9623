"""One run at a time; a dead one holds nobody up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gavan.backups.layout import Repository
from gavan.backups.lock import locked
from gavan.kit.errors import GavanError

HOLD = (
    "import sys, time; from pathlib import Path\n"
    "from gavan.backups.layout import Repository\n"
    "from gavan.backups.lock import locked\n"
    "with locked(Repository(Path(sys.argv[1])), 'backup run'):\n"
    "    print('held', flush=True); time.sleep(60)\n"
)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "backups")


def test_a_second_run_is_told_who_is_first(repository: Repository) -> None:
    with (
        locked(repository, "backup run"),
        pytest.raises(GavanError) as caught,
        locked(repository, "backup prune"),
    ):
        raise AssertionError("both were in")
    assert (caught.value.code, caught.value.exit_code) == ("GV404", 4)
    assert f"backup run of pid {os.getpid()}" in (caught.value.details or "")


def test_the_lock_is_free_afterwards(repository: Repository) -> None:
    for _ in range(2):
        with locked(repository, "backup run"):
            assert repository.lock_file.exists()


def test_a_second_run_may_wait(repository: Repository) -> None:
    heard, release = [], threading.Event()

    def first() -> None:
        with locked(repository, "first"):
            taken.set()
            release.wait(30)

    def waiting(holder: str) -> None:
        heard.append(holder)
        release.set()

    taken = threading.Event()
    thread = threading.Thread(target=first)
    thread.start()
    taken.wait(30)
    with locked(repository, "second", wait_s=30, waiting=waiting):
        thread.join(60)
    assert len(heard) == 1
    assert heard[0].startswith("first of pid")


def test_a_killed_run_frees_the_lock(repository: Repository) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(repository.root)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    with holder.stdout:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(GavanError), locked(repository, "next"):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait(60)
        with locked(repository, "next", wait_s=10):
            pass
