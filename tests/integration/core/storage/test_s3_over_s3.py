"""The S3 protocol in front of another S3, which may be down."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import Cluster, cloning
from tests.integration.core.storage.conftest import OPTIONS, Storage, running_storage
from tests.integration.core.storage.s3_clients import S3Client, refusal, s3_client
from tests.rclone_s3 import RunningS3, running_s3

PART = 5 * 1024 * 1024


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningS3]:
    """The S3 that holds the bytes."""
    with running_s3(tmp_path_factory.mktemp("s3") / "f") as running:
        yield running


@pytest.fixture(scope="module")
def storage(
    cluster: Cluster, behind: RunningS3, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Storage]:
    """A storage service over it, with an S3 key pair of its own."""
    folder = tmp_path_factory.mktemp("s")
    options = {**OPTIONS, **behind.environ}
    with cloning(cluster) as clone, running_storage(clone(), folder, options) as running:
        yield running


@pytest.fixture(scope="module")
def s3(storage: Storage) -> Iterator[S3Client]:
    """A client with the key pair."""
    client = s3_client(storage)
    yield client
    client.close()


def blobs(behind: RunningS3) -> set[str]:
    """Return the versions that are stored."""
    return {path.name for path in (behind.folder / "blobs").rglob("*") if path.is_file()}


def versions(storage: Storage) -> set[str]:
    """Return the versions that rows name."""
    return {row[0] for row in storage.sql("select version from storage.objects")}


def test_an_object_comes_back_as_it_went_in(
    storage: Storage, s3: S3Client, behind: RunningS3
) -> None:
    bucket = storage.bucket()
    content = os.urandom(300_000)
    s3.put_object(Bucket=bucket, Key="a/b", Body=content)
    s3.copy_object(Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": "a/b"})
    s3.delete_object(Bucket=bucket, Key="a/b")

    assert s3.get_object(Bucket=bucket, Key="c")["Body"].read() == content
    part = s3.get_object(Bucket=bucket, Key="c", Range="bytes=1000-1999")
    assert part["Body"].read() == content[1000:2000]
    assert blobs(behind) == versions(storage)


def test_an_upload_in_parts_becomes_one_object(
    storage: Storage, s3: S3Client, behind: RunningS3
) -> None:
    bucket, contents = storage.bucket(), [os.urandom(PART), os.urandom(PART), b"end"]
    begun = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    upload = {"Bucket": bucket, "Key": "k", "UploadId": begun}
    parts = [
        {
            "PartNumber": number,
            "ETag": s3.upload_part(**upload, PartNumber=number, Body=content)["ETag"],
        }
        for number, content in enumerate(contents, start=1)
    ]
    done = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    got = s3.get_object(Bucket=bucket, Key="k")

    assert (got["Body"].read(), got["ETag"]) == (b"".join(contents), done["ETag"])
    other = {**upload, "Key": "other"}
    other["UploadId"] = s3.create_multipart_upload(Bucket=bucket, Key="other")["UploadId"]
    s3.upload_part(**other, PartNumber=1, Body=contents[0])
    s3.abort_multipart_upload(**other)
    assert blobs(behind) == versions(storage)


def test_what_fails_behind_is_told_and_leaves_the_former_object(
    storage: Storage, s3: S3Client, behind: RunningS3
) -> None:
    bucket = storage.bucket()
    s3.put_object(Bucket=bucket, Key="k", Body=b"former")
    before = storage.row(bucket, "k")
    behind.stop()
    try:
        calls: list[Callable[[], Any]] = [
            lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"new"),
            lambda: s3.get_object(Bucket=bucket, Key="k"),
            lambda: s3.create_multipart_upload(Bucket=bucket, Key="m"),
        ]
        for call in calls:
            with pytest.raises(ClientError) as raised:
                call()
            assert refusal(raised.value) == (500, "S3Error")
    finally:
        behind.start()
    assert storage.row(bucket, "k") == before
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"former"
