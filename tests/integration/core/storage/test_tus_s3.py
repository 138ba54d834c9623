"""Uploads in pieces whose bytes go to an S3: what survives what."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Cluster, Database, cloning
from tests.integration.core.storage.conftest import Storage, running_storage
from tests.integration.core.storage.tus import begin, begun, end, go_on, look
from tests.rclone_s3 import RunningS3, running_s3

MEBIBYTE = 1024 * 1024
PIECE = 6 * MEBIBYTE
"""What Supabase's guides tell clients to send at a time"""


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningS3]:
    with running_s3(tmp_path_factory.mktemp("s3") / "f") as running:
        yield running


@pytest.fixture(scope="module")
def storage(
    cluster: Cluster, s3: RunningS3, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Storage]:
    folder = tmp_path_factory.mktemp("s")
    with cloning(cluster) as clone, running_storage(clone(), folder, s3.environ) as running:
        yield running


def _read(s3: RunningS3, version: str) -> bytes:
    return (s3.folder / "blobs" / version[:2] / version).read_bytes()


def _bytes_left(s3: RunningS3) -> int:
    """Return the size of all that is neither an object nor a state."""
    return sum(path.stat().st_size for path in (s3.folder / "blobs").glob(".tails/**/*"))


@pytest.mark.parametrize(
    "pieces",
    [[PIECE, PIECE, 1000], [3, 5, 7], [MEBIBYTE] * 11, [0, 9 * MEBIBYTE], [1], []],
    ids=["as the guides", "tiny", "below a part", "one large", "one byte", "empty"],
)
def test_pieces_of_any_size_become_an_object(
    storage: Storage, s3: RunningS3, pieces: list[int]
) -> None:
    bucket, size = storage.bucket(), sum(pieces)
    path = begun(storage.service, bucket, "a", size)
    content = os.urandom(size)
    offset = 0
    for piece in pieces:
        assert look(storage.service, path).headers["upload-offset"] == str(offset)
        sent = go_on(storage.service, path, offset, content[offset : offset + piece])
        offset += piece
        assert (sent.status_code, sent.headers["upload-offset"]) == (204, str(offset))
    row = storage.row(bucket, "a")
    assert row is not None
    assert row["metadata"]["size"] == size
    assert hashlib.sha256(_read(s3, row["version"])).digest() == hashlib.sha256(content).digest()
    assert _bytes_left(s3) == 0


def test_an_upload_that_is_given_up_leaves_nothing_in_the_s3(
    storage: Storage, s3: RunningS3
) -> None:
    before = {path for path in s3.folder.rglob("*") if path.is_file()}
    path = begun(storage.service, storage.bucket(), "a", 2 * PIECE)
    assert go_on(storage.service, path, 0, bytes(PIECE)).status_code == 204
    assert end(storage.service, path).status_code == 204
    assert {path for path in s3.folder.rglob("*") if path.is_file()} == before
    assert look(storage.service, path).status_code == 404


def test_a_killed_core_goes_on_where_the_s3_is(
    database: Database, s3: RunningS3, tmp_path: Path
) -> None:
    content = os.urandom(2 * PIECE)
    with running_storage(database, tmp_path, s3.environ) as storage:
        bucket = storage.bucket()
        path = begun(storage.service, bucket, "a", len(content))
        assert go_on(storage.service, path, 0, content[:PIECE]).status_code == 204
        os.kill(storage.live.pid, signal.SIGKILL)
    with running_storage(database, tmp_path, s3.environ) as storage:
        assert look(storage.service, path).headers["upload-offset"] == str(PIECE)
        last = go_on(storage.service, path, PIECE, content[PIECE:])
        assert last.headers["tus-complete"] == "1"
        row = storage.row(bucket, "a")
        assert row is not None
        assert _read(s3, row["version"]) == content


def test_an_s3_that_is_down_is_told_and_tried_again(
    database: Database, s3: RunningS3, tmp_path: Path
) -> None:
    with running_storage(database, tmp_path, s3.environ) as storage:
        bucket = storage.bucket()
        path = begun(storage.service, bucket, "a", 10)
        s3.stop()
        try:
            for answer in (
                go_on(storage.service, path, 0, b"12345"),
                begin(storage.service, bucket, "b", 5),
            ):
                assert answer.status_code == 500
                assert answer.text == "Something went wrong receiving the file\n"
            assert look(storage.service, path).status_code == 500
        finally:
            s3.start()
        # This S3 keeps unfinished uploads in memory: the client is told to begin anew.
        assert look(storage.service, path).status_code == 410
        assert begin(storage.service, bucket, "a", 3, content=b"abc").status_code == 201
        assert storage.row(bucket, "a") is not None
