"""A live core whose disk is full, whose S3 is down, or that is killed while bytes come in."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx
import psutil

from tests.conftest import Database
from tests.integration.core.storage.conftest import Storage, running_storage
from tests.rclone_s3 import running_s3

MIB = 1024 * 1024
PLAIN = {"content-type": "application/octet-stream"}


def put(storage: Storage, path: str, content: bytes | Iterator[bytes]) -> httpx.Response:
    return storage.service.put(f"/object/{path}", content=content, headers=PLAIN)


def sent(size: int, then: Callable[[], object]) -> Iterator[bytes]:
    """Send bytes; do ``then`` when half of them are on their way."""
    for at in range(0, size, MIB):
        if at == size // 2 // MIB * MIB:
            then()
        yield os.urandom(MIB)


def assert_refused(answer: httpx.Response) -> None:
    """The store's failure in the protocol's words; no path, no address."""
    assert answer.status_code == 500
    told = answer.json()
    assert (told["statusCode"], told["code"]) == ("500", "S3Error")
    assert "/" not in f"{told['message']}{told['error']}"


def test_a_full_disk_refuses_what_does_not_fit_and_nothing_else(
    database: Database, tmp_path: Path
) -> None:
    with running_storage(database, tmp_path) as storage:
        bucket = storage.bucket()
        old, new = os.urandom(MIB), os.urandom(9 * MIB)
        assert put(storage, f"{bucket}/a", old).status_code == 200
        core = psutil.Process(storage.live.pid)
        limits = core.rlimit(resource.RLIMIT_FSIZE)
        core.rlimit(resource.RLIMIT_FSIZE, (4 * MIB, limits[1]))
        assert_refused(put(storage, f"{bucket}/a", new))
        assert_refused(put(storage, f"{bucket}/b", iter([new])))
        form = {"file": ("c", new, "image/png")}
        assert_refused(storage.service.post(f"/object/{bucket}/c", files=form))
        assert storage.service.get(f"/object/{bucket}/a").content == old
        assert storage.row(bucket, "b") is None
        assert storage.row(bucket, "c") is None
        assert storage.orphans() == set()
        assert "the disk of the storage folder is full" in storage.log.read_text()
        assert put(storage, f"{bucket}/small", old).status_code == 200
        core.rlimit(resource.RLIMIT_FSIZE, limits)
        assert put(storage, f"{bucket}/a", new).status_code == 200
        assert storage.service.get(f"/object/{bucket}/a").content == new
        assert storage.orphans() == set()


def test_an_s3_that_goes_down_takes_no_object_and_no_core_with_it(
    database: Database, tmp_path: Path
) -> None:
    with (
        running_s3(tmp_path / "served") as s3,
        running_storage(database, tmp_path, s3.environ) as storage,
    ):
        bucket, old = storage.bucket(), os.urandom(9 * MIB)
        assert put(storage, f"{bucket}/a", old).status_code == 200
        assert_refused(put(storage, f"{bucket}/a", sent(20 * MIB, s3.stop)))
        assert_refused(put(storage, f"{bucket}/b", b"x"))
        assert_refused(storage.service.get(f"/object/{bucket}/a"))
        assert storage.service.get(f"/object/info/{bucket}/a").json()["size"] == len(old)
        assert storage.row(bucket, "b") is None
        log = storage.log.read_text()
        assert "S3_ENDPOINT must answer" in log
        assert s3.secret not in log
        s3.start()
        assert storage.service.get(f"/object/{bucket}/a").content == old
        assert put(storage, f"{bucket}/a", b"new").status_code == 200
        assert storage.service.get(f"/object/{bucket}/a").content == b"new"


def test_a_core_that_is_killed_in_an_upload_keeps_the_old_object(
    database: Database, tmp_path: Path
) -> None:
    with running_storage(database, tmp_path) as storage:
        bucket, old = storage.bucket(), os.urandom(MIB)
        assert put(storage, f"{bucket}/a", old).status_code == 200
        kill = partial(os.kill, storage.live.pid, signal.SIGKILL)
        with contextlib.suppress(httpx.TransportError):
            put(storage, f"{bucket}/a", sent(20 * MIB, kill))
            raise AssertionError("answered by a dead process")
        left = storage.orphans()
        assert len(left) == 1
    with running_storage(database, tmp_path) as storage:
        assert storage.service.get(f"/object/{bucket}/a").content == old
        assert put(storage, f"{bucket}/a", b"new").status_code == 200
        assert storage.service.get(f"/object/{bucket}/a").content == b"new"
        assert storage.orphans() == left
