"""A throw-away cluster leaves nothing behind, however its user ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from gavan.backups.scratch import Wanted, scratch_cluster
from gavan.database.embedded import ADMIN
from gavan.engines.embedded import guard
from gavan.engines.embedded.lock import try_lock
from gavan.kit.errors import GavanError
from tests.conftest import Cluster
from tests.servers import wait_until
from tests.supervised import short_folder

HOLDING = """
import sys
from pathlib import Path
from gavan.backups.scratch import Wanted, scratch_cluster
root = Path(sys.argv[1])
with scratch_cluster(Wanted(project=root, place=root / "s", bytes=1, database="x")) as scratch:
    print(scratch.entry, scratch.server.data_dir, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def root(cluster: Cluster) -> Iterator[Path]:
    """A short folder; the cluster of the session has made the account that Postgres runs as."""
    with short_folder() as folder:
        folder.chmod(0o755)
        yield folder


def wanted(root: Path, size: int = 1) -> Wanted:
    return Wanted(project=root, place=root / "s", bytes=size, database="x")


def left(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir() if path.name != "lock")


def test_it_runs_and_is_gone_with_its_processes_whatever_its_user_raises(root: Path) -> None:
    with pytest.raises(KeyboardInterrupt), scratch_cluster(wanted(root)) as scratch:
        with psycopg.connect(scratch.url(ADMIN, "postgres").reveal()) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
        data = scratch.server.data_dir
        assert guard.find(scratch.entry, str(data.resolve()))
        raise KeyboardInterrupt
    assert left(root / "s") == []
    assert not data.exists()
    assert not guard.find(scratch.entry, str(data))


def test_a_second_one_in_the_same_place_is_refused(root: Path) -> None:
    (root / "s").mkdir()
    held = try_lock(root / "s" / "lock")
    assert held is not None
    with pytest.raises(GavanError) as caught, scratch_cluster(wanted(root)):
        pass
    os.close(held)
    assert (caught.value.code, caught.value.exit_code) == ("GV431", 4)


def test_without_twice_the_room_nothing_is_made(root: Path) -> None:
    with pytest.raises(GavanError) as caught, scratch_cluster(wanted(root, 2**60)):
        pass
    assert caught.value.code == "GV405"
    assert left(root / "s") == []


def test_a_postgres_that_does_not_start_is_shown_and_removed(root: Path) -> None:
    strange = Wanted(
        project=root, place=root / "s", bytes=1, database="x", settings={"no_such_setting": "1"}
    )
    with pytest.raises(GavanError) as caught, scratch_cluster(strange):
        pass
    assert caught.value.code == "GV433"
    assert "no_such_setting" in (caught.value.details or "")
    assert left(root / "s") == []


def test_killed_its_processes_end_and_the_next_one_removes_the_files(root: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(root)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None
    entry, data = holder.stdout.readline().split()
    assert guard.find(entry, os.path.realpath(data))
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    assert holder.stdin is not None
    holder.stdin.close()
    wait_until(lambda: not guard.find(entry, os.path.realpath(data)))
    assert len(left(root / "s")) == 1
    # The next one clears away before it asks for room, of which there is never as much.
    with pytest.raises(GavanError, match="not enough room"), scratch_cluster(wanted(root, 2**60)):
        pass
    assert left(root / "s") == []
    assert not Path(data).exists()
