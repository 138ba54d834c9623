"""Forms with a signed policy, as boto3 makes them and browsers send them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest

from tests.integration.core.storage.conftest import ANNE, Storage
from tests.integration.core.storage.s3_clients import S3Client, s3_client, user_client

Post = dict[str, Any]


@pytest.fixture(scope="module")
def s3(storage: Storage) -> Iterator[S3Client]:
    """A client with the key pair."""
    client = s3_client(storage)
    yield client
    client.close()


@pytest.fixture
def bucket(storage: Storage) -> Iterator[str]:
    yield storage.bucket()
    assert not storage.orphans()


def send(post: Post, content: bytes = b"posted", **changed: str) -> httpx.Response:
    """Send a form as a browser does: its fields, then the file."""
    fields = {**post["fields"], **changed}
    return httpx.post(post["url"], data=fields, files={"file": ("f.txt", content, "text/plain")})


def code(answer: httpx.Response) -> tuple[int, str | None]:
    return answer.status_code, ElementTree.fromstring(answer.content).findtext("Code")


def test_what_a_form_says_is_what_the_object_has(
    storage: Storage, s3: S3Client, bucket: str
) -> None:
    fields = {"Content-Type": "image/png", "Cache-Control": "no-store", "x-amz-meta-a": "b"}
    conditions = [{name: value} for name, value in fields.items()]
    post = s3.generate_presigned_post(bucket, "own/a", Fields=fields, Conditions=conditions)
    answer = send(post, b"posted", **{"x-ignore-me": "1"})
    assert answer.status_code == 200, answer.text
    got = s3.get_object(Bucket=bucket, Key="own/a")
    assert got["Body"].read() == b"posted"
    assert (got["ContentType"], got["CacheControl"]) == ("image/png", "no-store")
    assert got["Metadata"] == {"a": "b"}
    assert got["ETag"] == answer.headers["etag"]


def test_a_large_file_goes_through_a_form(storage: Storage, s3: S3Client, bucket: str) -> None:
    content = bytes(range(256)) * 8192
    post = s3.generate_presigned_post(
        bucket, "large", Conditions=[["content-length-range", 1, len(content)]]
    )
    assert send(post, content).status_code == 200
    assert s3.get_object(Bucket=bucket, Key="large")["Body"].read() == content
    assert code(send(post, content + b"1")) == (413, "EntityTooLarge")
    assert code(send(post, b"")) == (400, "EntityTooSmall")
    assert s3.head_object(Bucket=bucket, Key="large")["ContentLength"] == len(content)


def test_a_form_does_nothing_else_than_its_policy_says(
    storage: Storage, s3: S3Client, bucket: str
) -> None:
    post = s3.generate_presigned_post(bucket, "own/a", Conditions=[["starts-with", "$key", "own/"]])
    other = storage.bucket()
    elsewhere = {**post, "url": post["url"].replace(f"/{bucket}", f"/{other}")}
    assert code(send(elsewhere)) == (403, "AccessDenied")
    assert code(send(post, key="another/a")) == (403, "AccessDenied")
    assert code(send(post, b"1", **{"x-amz-meta-a": "b"})) == (403, "AccessDenied")
    assert code(send(post, policy=post["fields"]["policy"][:-4])) == (403, "SignatureDoesNotMatch")
    assert code(send(post, b"1", **{"x-amz-credential": "a/b"})) == (400, "InvalidSignature")
    assert code(send(post, Key="own/b")) == (400, "InvalidSignature")
    unsigned = {**post, "fields": {"key": "own/a"}}
    assert code(send(unsigned)) == (400, "InvalidSignature")
    inside = {**post, "url": f"{post['url']}/own/a"}
    assert code(send(inside)) == (400, "InvalidRequest")
    locked = {"x-amz-object-lock-mode": "COMPLIANCE"}
    kept = s3.generate_presigned_post(bucket, "own/a", Fields=locked, Conditions=[locked])
    assert code(send(kept)) == (501, "NotImplemented")
    past = s3.generate_presigned_post(bucket, "own/a", ExpiresIn=-1)
    assert code(send(past)) == (400, "ExpiredToken")
    listed = s3.list_objects_v2(Bucket=bucket)
    assert listed["KeyCount"] == 0


def test_a_form_signed_in_a_session_is_bound_by_policies(storage: Storage, bucket: str) -> None:
    client = user_client(storage, ANNE)
    post = client.generate_presigned_post(bucket, "own/a")
    client.close()
    assert code(send(post)) == (403, "AccessDenied")
    with storage.policies("for all to authenticated using (owner_id = auth.uid()::text)"):
        assert send(post).status_code == 200
    row = storage.row(bucket, "own/a")
    assert row is not None
    assert row["owner_id"] == ANNE


def test_limits_of_the_bucket_hold_for_forms(storage: Storage, s3: S3Client) -> None:
    bucket = storage.bucket(file_size_limit=5, allowed_mime_types=["image/*"])
    fields = {"Content-Type": "image/png"}
    post = s3.generate_presigned_post(bucket, "a", Fields=fields, Conditions=[fields])
    assert code(send(post, b"123456")) == (413, "EntityTooLarge")
    assert send(post, b"12345").status_code == 200
    plain = s3.generate_presigned_post(bucket, "a")
    assert code(send(plain, b"1")) == (415, "InvalidMimeType")
    missing = s3.generate_presigned_post("nowhere", "a")
    assert code(send(missing)) == (404, "NoSuchBucket")
