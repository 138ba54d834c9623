"""Clients of S3 as they come: the ``aws`` command, rclone, and boto3's transfers of large files."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.conftest import Cluster, cloning
from tests.integration.core.storage.conftest import (
    ANNE,
    KEY_ID,
    OPTIONS,
    SECRET,
    Storage,
    running_storage,
    token_of,
)
from tests.integration.core.storage.s3_clients import REGION, endpoint, s3_client

MEBIBYTE = 1024 * 1024
LARGE = 110 * MEBIBYTE
PARTS = 17 * MEBIBYTE
MORE_MEMORY = 60 * MEBIBYTE


@pytest.fixture(scope="module")
def storage(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    """A storage service with an S3 key pair, for objects of up to a gigabyte."""
    options = {**OPTIONS, "UPLOAD_FILE_SIZE_LIMIT": str(1024 * MEBIBYTE)}
    with (
        cloning(cluster) as clone,
        running_storage(clone(), tmp_path_factory.mktemp("s"), options) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that no part and no buffer holds."""
    path = tmp_path_factory.mktemp("large") / "large.bin"
    block = os.urandom(MEBIBYTE)
    with path.open("wb") as file:
        for number in range(LARGE // MEBIBYTE):
            file.write(number.to_bytes(4, "big") + block[4:])
    return path


def run(name: str, *arguments: object, **environment: str) -> str:
    """Run a program of the test's own environment; return what it prints."""
    program = Path(sys.executable).parent / name
    done = subprocess.run(
        [str(program), *map(str, arguments)],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **environment},
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def aws(storage: Storage, *arguments: object, token: str | None = None) -> str:
    """Run ``aws``, with the key pair or in the session of a token."""
    environment = {
        "AWS_ENDPOINT_URL": endpoint(storage),
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": KEY_ID if token is None else "stub",
        "AWS_SECRET_ACCESS_KEY": SECRET if token is None else storage.live.anon_key,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    if token is not None:
        environment["AWS_SESSION_TOKEN"] = token
    return run("aws", *arguments, **environment)


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def bounded_memory(storage: Storage) -> Iterator[None]:
    """Fail when the core takes much more memory than before, at any time until the end."""
    core = psutil.Process(storage.live.pid)
    before = highest = core.memory_info().rss
    done = threading.Event()

    def watch() -> None:
        nonlocal highest
        while not done.wait(0.02):
            highest = max(highest, core.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
    assert highest - before < MORE_MEMORY, f"{(highest - before) / MEBIBYTE:.0f} MiB more"


def test_the_aws_command_carries_a_large_file_in_parts(
    storage: Storage, large: Path, tmp_path: Path
) -> None:
    bucket, back = storage.bucket(), tmp_path / "back"
    s3_client(storage).put_object(Bucket=bucket, Key="warm", Body=b"x" * MEBIBYTE)
    with bounded_memory(storage):
        aws(storage, "s3", "cp", "--only-show-errors", large, f"s3://{bucket}/large.bin")
        aws(storage, "s3", "cp", "--only-show-errors", f"s3://{bucket}/large.bin", back)

    assert digest(back) == digest(large)
    row = storage.row(bucket, "large.bin")
    assert row is not None
    assert row["metadata"]["size"] == LARGE
    assert not storage.orphans()


def test_the_aws_command_copies_lists_moves_and_removes(storage: Storage, tmp_path: Path) -> None:
    bucket, several_parts = storage.bucket(), tmp_path / "parts.bin"
    several_parts.write_bytes(os.urandom(PARTS))
    aws(storage, "s3", "cp", "--only-show-errors", several_parts, f"s3://{bucket}/a/parts.bin")
    aws(storage, "s3", "cp", "--only-show-errors", f"s3://{bucket}/a/parts.bin",
        f"s3://{bucket}/b/copy.bin")  # fmt: skip
    aws(storage, "s3", "mv", "--only-show-errors", f"s3://{bucket}/b/copy.bin",
        f"s3://{bucket}/moved.bin")  # fmt: skip
    listed = aws(storage, "s3", "ls", "--recursive", f"s3://{bucket}")

    assert [line.split()[2:] for line in listed.splitlines()] == [
        [str(PARTS), "a/parts.bin"],
        [str(PARTS), "moved.bin"],
    ]
    assert "PRE a/" in aws(storage, "s3", "ls", f"s3://{bucket}/")
    aws(storage, "s3", "rb", "--force", f"s3://{bucket}")
    assert storage.sql("select * from storage.buckets where id = %s", bucket) == []
    assert not storage.orphans()


def test_the_aws_command_synchronises_folders_both_ways(storage: Storage, tmp_path: Path) -> None:
    here, there, bucket = tmp_path / "here", tmp_path / "there", "synchronised"
    for number in range(12):
        file = here / f"d{number % 3}" / f"file {number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(os.urandom(1 + number * 1000))
    aws(storage, "s3", "mb", f"s3://{bucket}")
    sync = ("s3", "sync", "--only-show-errors", "--delete")
    aws(storage, *sync, here, f"s3://{bucket}/up")
    (here / "d0" / "file 0.txt").unlink()
    aws(storage, *sync, here, f"s3://{bucket}/up")
    aws(storage, *sync, f"s3://{bucket}/up", there)

    assert tree(there) == tree(here)
    assert len(tree(here)) == 11
    assert not storage.orphans()


def test_the_aws_command_speaks_for_a_user(storage: Storage, tmp_path: Path) -> None:
    bucket, file = storage.bucket(), tmp_path / "file.txt"
    file.write_bytes(b"of anne")
    token = token_of("authenticated", ANNE)
    with storage.policies(
        "for all to authenticated using (owner_id = auth.uid()::text)"
        " with check (owner_id = auth.uid()::text)"
    ):
        aws(storage, "s3", "cp", "--only-show-errors", file, f"s3://{bucket}/a", token=token)
        signed = aws(storage, "s3", "presign", f"s3://{bucket}/a", token=token).strip()

        row = storage.row(bucket, "a")
        assert row is not None
        assert row["owner_id"] == ANNE
        assert storage.nobody.get(signed).content == b"of anne"
    assert storage.nobody.get(signed).status_code == 404


def test_rclone_synchronises_and_checks(storage: Storage, tmp_path: Path) -> None:
    here, bucket = tmp_path / "here", storage.bucket()
    here.mkdir()
    for number in range(5):
        (here / f"{number} & more.bin").write_bytes(os.urandom(number * MEBIBYTE + 1))
    remote = {
        "RCLONE_CONFIG": str(tmp_path / "none.conf"),
        "RCLONE_CONFIG_G_TYPE": "s3",
        "RCLONE_CONFIG_G_PROVIDER": "Other",
        "RCLONE_CONFIG_G_ENDPOINT": endpoint(storage),
        "RCLONE_CONFIG_G_REGION": REGION,
        "RCLONE_CONFIG_G_ACCESS_KEY_ID": KEY_ID,
        "RCLONE_CONFIG_G_SECRET_ACCESS_KEY": SECRET,
        "RCLONE_S3_UPLOAD_CUTOFF": "3M",  # the larger ones go in parts
        "RCLONE_S3_CHUNK_SIZE": "5M",
    }
    run("rclone", "sync", here, f"g:{bucket}/x", **remote)
    run("rclone", "check", "--download", here, f"g:{bucket}/x", **remote)
    (here / "0 & more.bin").unlink()
    run("rclone", "sync", here, f"g:{bucket}/x", **remote)
    run("rclone", "moveto", f"g:{bucket}/x/1 & more.bin", f"g:{bucket}/y/moved.bin", **remote)
    listed = run("rclone", "lsf", "-R", "--files-only", f"g:{bucket}", **remote)

    assert listed.split("\n")[:-1] == [
        "x/2 & more.bin",
        "x/3 & more.bin",
        "x/4 & more.bin",
        "y/moved.bin",
    ]
    assert not storage.orphans()


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
