"""What ends a run in the middle: Ctrl-C, kill -9, a full disk. What was there before stays."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from gavan.backups.listing import backups
from gavan.backups.model import State
from gavan.backups.runs import read_runs
from gavan.backups.verify import verify
from gavan.database.embedded import ADMIN
from gavan.kit.errors import GavanError
from tests.integration.backups.conftest import Backed
from tests.servers import wait_until


def start(backed: Backed, *argv: str) -> subprocess.Popen[str]:
    assert backed.stack.name == "board"  # its file is written
    return subprocess.Popen(
        [sys.executable, "-m", "gavan", "backup", *argv, "--json"], cwd=backed.root, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ),
    )  # fmt: skip


def ended(process: subprocess.Popen[str]) -> tuple[int, dict[str, Any]]:
    out, err = process.communicate(timeout=60)
    lines = out.splitlines()
    assert lines or process.returncode < 0, err
    return process.returncode, json.loads(lines[-1]) if lines else {}


@contextmanager
def held_up(backed: Backed) -> Iterator[subprocess.Popen[str]]:
    """Yield a run that stands in the middle: its dump waits for a lock."""
    with backed.database.connect(ADMIN) as other:
        other.execute("begin")
        other.execute("lock table public.card in access exclusive mode")
        process = start(backed, "run")
        wait_until(lambda: process.poll() is not None or dumps_of(process) != [])
        yield process


def dumps_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    try:
        children = psutil.Process(process.pid).children(recursive=True)
        return [child for child in children if child.name() == "pg_dump"]
    except psutil.NoSuchProcess:
        return []


def unfinished(backed: Backed) -> list[Path]:
    return list(backed.repository.root.glob("*.partial"))


def test_ctrl_c_leaves_what_was_there(backed: Backed) -> None:
    before = backed.run().manifest
    with held_up(backed) as process:
        dumps = dumps_of(process)
        process.send_signal(signal.SIGINT)
        code, said = ended(process)
        wait_until(lambda: not any(dump.is_running() for dump in dumps))
    assert (code, said["error"]["code"]) == (130, "GV006")
    assert unfinished(backed) == []
    assert [entry.id for entry in backups(backed.repository)] == [before.id]
    assert backed.repository.latest() == before.id


def test_kill_leaves_nothing_that_counts_and_the_next_run_cleans_up(backed: Backed) -> None:
    """Trap 35."""
    before = backed.run().manifest
    with held_up(backed) as process:
        process.kill()
        ended(process)
        assert len(unfinished(backed)) == 1
        assert [entry.id for entry in backups(backed.repository)] == [before.id]
    after = backed.run(wait_s=30).manifest
    assert unfinished(backed) == []
    assert [entry.id for entry in backups(backed.repository)] == [before.id, after.id]
    assert verify(backed.repository, after.id) == []


def has_written(backed: Backed, process: subprocess.Popen[str], files: int) -> bool:
    """Say whether a run has so many files under way, or has ended."""
    try:
        count = sum(len(list(folder.rglob("*"))) for folder in unfinished(backed))
    except FileNotFoundError:  # it got its name meanwhile
        return True
    return count >= files or process.poll() is not None


def test_killed_again_and_again_anywhere_nothing_half_counts(backed: Backed) -> None:
    """Trap 35: at as many files as chance says, objects and dump under way."""
    for number in range(30):
        backed.put(f"object {number}", os.urandom(1000))
    for files in random.Random(35).sample(range(1, 40), 5):
        process = start(backed, "run")
        wait_until(partial(has_written, backed, process, files))
        process.kill()
        process.communicate(timeout=60)
        for entry in backups(backed.repository):
            assert entry.state is State.OK
            assert verify(backed.repository, entry.id) == []
    made = backed.run(wait_s=30).manifest
    assert unfinished(backed) == []
    assert made.objects.count == 30
    assert verify(backed.repository, made.id) == []


def test_a_second_run_exits_4_and_says_who_is_first(backed: Backed) -> None:
    with held_up(backed) as process:
        code, said = ended(start(backed, "run"))
        assert (code, said["error"]["code"]) == (4, "GV404")
        process.kill()
        ended(process)


@pytest.fixture
def small_disk(backed: Backed) -> Iterator[Path]:
    """A disk of 8 MB for the backups."""
    folder = backed.root / "backups"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)],
        capture_output=True, check=False,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip(f"no small file system to fill: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_is_full_in_the_middle_keeps_the_old_backups(
    backed: Backed, small_disk: Path
) -> None:
    """The estimate is wrong: the objects are larger than their rows say."""
    before = backed.run().manifest
    version = backed.put("large", os.urandom(9_000_000))
    backed.ask("update storage.objects set metadata = '{\"size\": 10}' where version = %s", version)
    with pytest.raises(GavanError) as caught:
        backed.run()
    assert caught.value.code == "GV406"
    assert unfinished(backed) == []
    assert not (backed.repository.objects / ".staging").exists()
    assert [entry.id for entry in backups(backed.repository)] == [before.id]
    assert verify(backed.repository, before.id) == []
    assert [run.state for run in read_runs(backed.repository)] == [State.OK, State.FAILED]
    backed.drop("large")
    assert backed.run().state is State.OK


def test_a_dump_that_meets_the_end_of_the_disk_says_so(
    backed: Backed, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backed.ask(
        "insert into public.card select n, sha512(n::text::bytea)::text"
        " from generate_series(1000, 180000) as n"
    )
    monkeypatch.setattr("gavan.backups.logical.require_room", lambda *_: None)
    with pytest.raises(GavanError) as caught:
        backed.run()
    assert caught.value.code == "GV406"
    assert backups(backed.repository) == []
    assert unfinished(backed) == []


def test_a_disk_that_would_be_full_refuses_before_it_begins(
    backed: Backed, small_disk: Path
) -> None:
    with pytest.raises(GavanError, match="not enough room") as caught:
        (small_disk / "filler").write_bytes(os.urandom(5_000_000))
        backed.run()
    assert caught.value.code == "GV405"
    (small_disk / "filler").unlink()
    assert shutil.disk_usage(small_disk).free > 5_000_000
