"""Objects whose bytes go to an S3: stored, copied, moved, deleted; and what its absence leaves."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.conftest import Cluster, cloning
from tests.integration.core.storage.conftest import Storage, running_storage
from tests.rclone_s3 import BUCKET, RunningS3, running_s3
from tests.servers import wait_until

MEBIBYTE = 1024 * 1024


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
        yield replace(running, folder=s3.folder / BUCKET)


@pytest.mark.parametrize("size", [0, 1, 100_000, 12 * MEBIBYTE])
@pytest.mark.parametrize("form", ["raw", "chunks", "form"])
def test_objects_of_any_size_and_form_are_stored(storage: Storage, size: int, form: str) -> None:
    bucket, content = storage.bucket(), os.urandom(size)
    place = f"/object/{bucket}/a"
    if form == "form":
        answer = storage.service.post(place, files={"": ("a", content, "image/png")})
    else:
        sent = content if form == "raw" else iter([content[: size // 2], content[size // 2 :]])
        answer = storage.service.post(place, content=sent)
    assert answer.status_code == 200, answer.text
    row = storage.row(bucket, "a")
    assert row is not None
    assert row["metadata"]["size"] == size
    assert storage.service.get(place).content == content


def test_copies_moves_upserts_and_deletions_leave_no_bytes_over(storage: Storage) -> None:
    bucket, service = storage.bucket(), storage.service
    place, content = f"/object/{bucket}", os.urandom(6 * MEBIBYTE)
    there = {"bucketId": bucket, "sourceKey": "a"}
    service.post(f"{place}/a", content=b"old").raise_for_status()
    service.put(f"{place}/a", content=content).raise_for_status()
    service.post("/object/copy", json=there | {"destinationKey": "b"}).raise_for_status()
    service.post("/object/move", json=there | {"destinationKey": "c"}).raise_for_status()
    digest = hashlib.md5(content).hexdigest()
    for name in ("b", "c"):
        assert hashlib.md5(service.get(f"{place}/{name}").content).hexdigest() == digest
    names = {"prefixes": ["a", "b", "c"]}
    assert len(service.request("DELETE", place, json=names).json()) == 2
    assert not storage.orphans()


def test_who_goes_away_in_the_middle_leaves_nothing(storage: Storage) -> None:
    place = f"/object/{storage.bucket()}/a"

    def broken() -> Iterator[bytes]:
        yield b"x" * 7 * MEBIBYTE
        raise InterruptedError

    with pytest.raises(InterruptedError):
        storage.service.post(place, content=broken())
    wait_until(lambda: not storage.orphans())


def test_without_its_s3_nothing_is_stored_and_nothing_is_lost(
    storage: Storage, s3: RunningS3
) -> None:
    bucket = storage.bucket()
    place, large = f"/object/{bucket}/a", os.urandom(6 * MEBIBYTE)
    storage.service.post(place, content=b"old").raise_for_status()
    before = storage.row(bucket, "a")
    s3.stop()
    for content in (b"new", large):
        answer = storage.service.put(place, content=content)
        assert answer.status_code == 500
        assert (answer.json()["statusCode"], answer.json()["code"]) == ("500", "S3Error")
    copying = {"bucketId": bucket, "sourceKey": "a", "destinationKey": "b"}
    assert storage.service.post("/object/copy", json=copying).status_code == 500
    assert storage.service.post("/object/move", json=copying).status_code == 200
    s3.start()
    after = storage.row(bucket, "b")
    assert before is not None
    assert after is not None
    assert after["version"] == before["version"]
    assert storage.service.get(f"/object/{bucket}/b").content == b"old"
    assert not storage.orphans()
