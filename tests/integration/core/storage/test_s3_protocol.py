"""The S3 protocol as boto3 speaks it: every operation, and the policies behind each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from tests.conftest import Cluster, cloning
from tests.integration.core.storage.conftest import (
    ANNE,
    BORIS,
    OPTIONS,
    Storage,
    running_storage,
    token_of,
)
from tests.integration.core.storage.s3_clients import (
    S3Client,
    endpoint,
    refusal,
    s3_client,
    signed,
    user_client,
)

Call = Callable[[], Any]
MEBIBYTE = 1024 * 1024
OWN = "to authenticated using (owner_id = auth.uid()::text)"


@pytest.fixture(scope="module")
def s3(storage: Storage) -> Iterator[S3Client]:
    """A client with the key pair."""
    client = s3_client(storage)
    yield client
    client.close()


@contextmanager
def refused(status: int, code: str) -> Iterator[None]:
    with pytest.raises(ClientError) as raised:
        yield
    assert refusal(raised.value) == (status, code)


def test_a_bucket_is_made_seen_and_removed(storage: Storage, s3: S3Client) -> None:
    made = s3.create_bucket(Bucket="s3-made", ACL="public-read")

    assert made["Location"] == "/s3-made"
    assert storage.sql("select public from storage.buckets where id = 's3-made'") == [(True,)]
    assert "s3-made" in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    headers = s3.head_bucket(Bucket="s3-made")["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amz-bucket-region"] == "local"
    assert s3.get_bucket_location(Bucket="s3-made")["LocationConstraint"] == "local"
    assert s3.get_bucket_versioning(Bucket="s3-made")["Status"] == "Suspended"
    with refused(409, "BucketAlreadyExists"):
        s3.create_bucket(Bucket="s3-made")
    s3.put_object(Bucket="s3-made", Key="a", Body=b"a")
    with refused(409, "ResourceNotEmpty"):
        s3.delete_bucket(Bucket="s3-made")
    s3.delete_object(Bucket="s3-made", Key="a")
    s3.delete_bucket(Bucket="s3-made")
    with refused(404, "404"):
        s3.head_bucket(Bucket="s3-made")


def test_an_object_comes_back_as_it_went_in(storage: Storage, s3: S3Client) -> None:
    bucket = storage.bucket()
    put = s3.put_object(
        Bucket=bucket,
        Key="a/b c+d.txt",
        Body=b"hello world",
        ContentType="text/css",
        CacheControl="max-age=9",
        Metadata={"colour": "blue"},
    )
    got = s3.get_object(Bucket=bucket, Key="a/b c+d.txt")
    head = s3.head_object(Bucket=bucket, Key="a/b c+d.txt")

    assert got["Body"].read() == b"hello world"
    for answer in (got, head):
        assert answer["ETag"] == put["ETag"] == '"5eb63bbbe01eeed093cb22bb8f5acdc3"'
        assert answer["ContentType"] == "text/css"
        assert answer["CacheControl"] == "max-age=9"
        assert answer["ContentLength"] == 11
        assert answer["Metadata"] == {"colour": "blue"}
    assert s3.get_object_tagging(Bucket=bucket, Key="a/b c+d.txt")["TagSet"] == []
    row = storage.row(bucket, "a/b c+d.txt")
    assert row is not None
    assert (row["user_metadata"], row["owner_id"]) == ({"colour": "blue"}, None)


@pytest.mark.parametrize(
    ("wanted", "part", "place"),
    [
        ("bytes=0-3", b"0123", "bytes 0-3/16"),
        ("bytes=12-", b"cdef", "bytes 12-15/16"),
        ("bytes=-5", b"bcdef", "bytes 11-15/16"),
        ("bytes=10-99", b"abcdef", "bytes 10-15/16"),
    ],
)
def test_a_range_is_sent(
    storage: Storage, s3: S3Client, wanted: str, part: bytes, place: str
) -> None:
    bucket = storage.bucket()
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789abcdef")
    got = s3.get_object(Bucket=bucket, Key="k", Range=wanted)

    assert (got["Body"].read(), got["ContentRange"]) == (part, place)
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206


def test_conditions_on_reading_hold(storage: Storage, s3: S3Client) -> None:
    bucket = storage.bucket()
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    with refused(304, "304"):
        s3.get_object(Bucket=bucket, Key="k", IfNoneMatch=etag)
    with refused(412, "PreconditionFailed"):
        s3.get_object(Bucket=bucket, Key="k", IfMatch='"other"')
    with refused(416, "InvalidRange"):
        s3.get_object(Bucket=bucket, Key="k", Range="bytes=5-")
    with refused(404, "NoSuchKey"):
        s3.get_object(Bucket=bucket, Key="other")
    with refused(404, "404"):
        s3.head_object(Bucket=bucket, Key="other")
    assert s3.get_object(Bucket=bucket, Key="k", IfMatch=etag)["Body"].read() == b"x"


def test_conditions_on_writing_hold(storage: Storage, s3: S3Client) -> None:
    bucket = storage.bucket()
    with refused(404, "NoSuchKey"):
        s3.put_object(Bucket=bucket, Key="k", Body=b"0", IfMatch='"any"')
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    with refused(412, "PreconditionFailed"):
        s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*")
    s3.put_object(Bucket=bucket, Key="k", Body=b"3", IfMatch=first)
    with refused(412, "PreconditionFailed"):
        s3.put_object(Bucket=bucket, Key="k", Body=b"4", IfMatch=first)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"3"
    assert not storage.orphans()


def test_headers_of_an_answer_are_overridden_unless_they_could_end_the_line(
    storage: Storage, s3: S3Client
) -> None:
    bucket = storage.bucket()
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ContentType="image/png")
    good = s3.get_object(
        Bucket=bucket,
        Key="k",
        ResponseContentDisposition="attachment; filename=x.txt",
        ResponseContentType="text/css",
        ResponseCacheControl="no-store",
        ResponseContentLanguage="de",
    )
    evil = s3.get_object(
        Bucket=bucket,
        Key="k",
        ResponseContentDisposition='attachment; filename="a\r\nX-Evil: 1"',
        ResponseContentType="text/css\nX-Evil: 1",
    )

    assert good["ContentDisposition"] == "attachment; filename=x.txt"
    assert (good["ContentType"], good["CacheControl"]) == ("text/css", "no-store")
    assert good["ContentLanguage"] == "de"
    assert (evil["ContentType"], evil.get("ContentDisposition")) == ("image/png", None)
    assert "x-evil" not in evil["ResponseMetadata"]["HTTPHeaders"]


def test_metadata_that_no_header_carries_is_counted(storage: Storage, s3: S3Client) -> None:
    bucket = storage.bucket()
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    storage.sql(
        "update storage.objects set user_metadata = %s where bucket_id = %s",
        '{"ok": "1", "é": "x", "text": "\\u2603", "deep": {}, "line": "a\\r\\nb"}',
        bucket,
    )
    for answer in (s3.head_object(Bucket=bucket, Key="k"), s3.get_object(Bucket=bucket, Key="k")):
        assert answer["Metadata"] == {"ok": "1"}
        assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amz-missing-meta"] == "4"


def test_metadata_that_is_too_long_for_an_answer_is_taken_and_counted(
    storage: Storage, s3: S3Client
) -> None:
    bucket = storage.bucket()
    metadata = {"long": "a" * 9000, **{f"m{number}": "b" * 2000 for number in range(5)}, "x": "y"}
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata=metadata)
    row = storage.row(bucket, "k")
    assert row is not None
    assert row["user_metadata"] == metadata
    answer = s3.head_object(Bucket=bucket, Key="k")
    assert set(answer["Metadata"]) == {"x", "m0", "m1", "m2", "m3"}
    missing = answer["ResponseMetadata"]["HTTPHeaders"]["x-amz-missing-meta"]
    assert missing == "2"


def test_a_name_that_ends_with_a_slash_and_has_no_bytes_is_a_folder(
    storage: Storage, s3: S3Client
) -> None:
    bucket = storage.bucket()
    s3.put_object(Bucket=bucket, Key="folder/", Body=b"")

    assert storage.row(bucket, "folder/.emptyFolderPlaceholder") is not None


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_checksums_of_the_client_are_verified(
    storage: Storage, s3: S3Client, algorithm: str
) -> None:
    bucket = storage.bucket()
    wrong = {f"Checksum{algorithm}": "AAAAAA=="}
    s3.put_object(Bucket=bucket, Key="k", Body=b"x" * 70_000, ChecksumAlgorithm=algorithm)
    with refused(400, "BadDigest"):
        s3.put_object(Bucket=bucket, Key="k", Body=b"y", **wrong)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x" * 70_000
    assert not storage.orphans()


def test_limits_of_size_and_type_hold(storage: Storage, s3: S3Client) -> None:
    bucket = storage.bucket(file_size_limit=10, allowed_mime_types=["image/*"])
    with refused(413, "EntityTooLarge"):
        s3.put_object(Bucket=bucket, Key="k", Body=b"x" * 11, ContentType="image/png")
    with refused(415, "InvalidMimeType"):
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", ContentType="text/plain")
    with refused(415, "InvalidMimeType"):
        s3.create_multipart_upload(Bucket=bucket, Key="k", ContentType="text/plain")
    with refused(400, "InvalidKey"):
        s3.put_object(Bucket=bucket, Key="ключ", Body=b"x", ContentType="image/png")
    with refused(404, "NoSuchBucket"):
        s3.put_object(Bucket="no-such-bucket", Key="k", Body=b"x")
    begun = s3.create_multipart_upload(Bucket=bucket, Key="k", ContentType="image/png")
    upload = {"Bucket": bucket, "Key": "k", "UploadId": begun["UploadId"]}
    s3.upload_part(**upload, PartNumber=1, Body=b"x" * 8)
    with refused(413, "EntityTooLarge"):
        s3.upload_part(**upload, PartNumber=2, Body=b"x" * 3)
    s3.upload_part(**upload, PartNumber=1, Body=b"x" * 2)
    s3.upload_part(**upload, PartNumber=2, Body=b"x" * 3)
    s3.abort_multipart_upload(**upload)
    assert not storage.orphans()


def test_pages_of_names_and_folders(storage: Storage, s3: S3Client) -> None:
    bucket = storage.bucket()
    for name in ("a.txt", "a/1", "a/2", "b c/1", "d&e'.txt"):
        s3.put_object(Bucket=bucket, Key=name, Body=b"x")
    pages = s3.get_paginator("list_objects_v2")
    for size in (1, 2, 1000):
        found = list(
            pages.paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": size})
        )
        names = [entry["Key"] for page in found for entry in page.get("Contents", [])]
        folders = [one["Prefix"] for page in found for one in page.get("CommonPrefixes", [])]
        assert (names, folders) == (["a.txt", "d&e'.txt"], ["a/", "b c/"])
    old = s3.get_paginator("list_objects").paginate(
        Bucket=bucket, Prefix="a", PaginationConfig={"PageSize": 2}
    )
    assert [entry["Key"] for page in old for entry in page["Contents"]] == ["a.txt", "a/1", "a/2"]
    after = s3.list_objects_v2(Bucket=bucket, StartAfter="a/1", MaxKeys=1)
    assert [entry["Key"] for entry in after["Contents"]] == ["a/2"]
    assert (after["IsTruncated"], after["KeyCount"], after["MaxKeys"]) == (True, 1, 1)
    first = s3.list_objects(Bucket=bucket, Delimiter="/", MaxKeys=2)
    assert first["NextMarker"] == "a/"
    assert s3.list_objects_v2(Bucket=bucket, MaxKeys=0)["KeyCount"] == 0
    with refused(404, "NoSuchBucket"):
        s3.list_objects_v2(Bucket="no-such-bucket")
    with refused(400, "InvalidParameter"):
        s3.list_objects_v2(Bucket=bucket, ContinuationToken="nonsense")


def test_deleting_what_is_not_there_succeeds_in_a_bucket_that_is(
    storage: Storage, s3: S3Client
) -> None:
    bucket = storage.bucket()
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    for _ in range(2):
        deleted = s3.delete_object(Bucket=bucket, Key="k")
        assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    with refused(404, "NoSuchBucket"):
        s3.delete_object(Bucket="no-such-bucket", Key="k")
    with refused(404, "NoSuchBucket"):
        s3.delete_objects(Bucket="no-such-bucket", Delete={"Objects": [{"Key": "k"}]})
    names = [" ", "1", "true", "a&b"]
    for name in names:
        s3.put_object(Bucket=bucket, Key=name, Body=b"x")
    asked = {"Objects": [{"Key": name} for name in names]}
    told = s3.delete_objects(Bucket=bucket, Delete=asked)
    assert [entry["Key"] for entry in told["Deleted"]] == names
    quiet = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}], "Quiet": True})
    assert "Deleted" not in quiet
    assert not storage.orphans()


def test_a_copy_takes_the_metadata_or_is_given_its_own(storage: Storage, s3: S3Client) -> None:
    bucket, other = storage.bucket(), storage.bucket()
    etag = s3.put_object(
        Bucket=bucket, Key="a b", Body=b"x", ContentType="text/css", Metadata={"a": "1"}
    )["ETag"]
    source = {"Bucket": bucket, "Key": "a b"}
    made = s3.copy_object(Bucket=other, Key="taken", CopySource=source)
    s3.copy_object(
        Bucket=other,
        Key="given",
        CopySource=f"/{bucket}/a b",
        MetadataDirective="REPLACE",
        ContentType="image/png",
        Metadata={"b": "2"},
        CopySourceIfMatch=etag,
    )
    taken, given = (s3.get_object(Bucket=other, Key=key) for key in ("taken", "given"))

    assert made["CopyObjectResult"]["ETag"] == etag
    assert (taken["ContentType"], taken["Metadata"]) == ("text/css", {"a": "1"})
    assert (given["ContentType"], given["Metadata"]) == ("image/png", {"b": "2"})
    assert given["Body"].read() == taken["Body"].read() == b"x"
    for condition in ({"CopySourceIfMatch": '"x"'}, {"CopySourceIfNoneMatch": etag}):
        with refused(412, "PreconditionFailed"):
            s3.copy_object(Bucket=other, Key="k", CopySource=source, **condition)
    with refused(404, "NoSuchKey"):
        s3.copy_object(Bucket=other, Key="k", CopySource=f"{bucket}/none")
    with refused(412, "PreconditionFailed"):
        s3.copy_object(Bucket=other, Key="given", CopySource=source, IfNoneMatch="*")
    s3.copy_object(Bucket=other, Key="new", CopySource=source, IfNoneMatch="*")
    with refused(501, "NotImplemented"):
        s3.copy_object(Bucket=other, Key="given", CopySource=source, IfMatch=etag)


def test_an_upload_in_parts_becomes_one_object(storage: Storage, s3: S3Client) -> None:
    bucket = storage.bucket()
    begun = s3.create_multipart_upload(
        Bucket=bucket, Key="big", ContentType="text/css", Metadata={"a": "1"}
    )
    upload = {"Bucket": bucket, "Key": "big", "UploadId": begun["UploadId"]}
    etags = {
        number: s3.upload_part(**upload, PartNumber=number, Body=body)["ETag"]
        for number, body in ((3, b"three"), (1, b"none"), (1, b"one"), (2, b"two"))
    }
    listed = s3.list_parts(**upload, MaxParts=2)
    rest = s3.list_parts(**upload, PartNumberMarker=listed["NextPartNumberMarker"])

    assert [(part["PartNumber"], part["Size"]) for part in listed["Parts"]] == [(1, 3), (2, 3)]
    assert (listed["IsTruncated"], rest["IsTruncated"]) == (True, False)
    assert [part["ETag"] for part in rest["Parts"]] == [etags[3]]
    running = s3.list_multipart_uploads(Bucket=bucket)
    assert [one["UploadId"] for one in running["Uploads"]] == [begun["UploadId"]]
    parts = [{"PartNumber": number, "ETag": etags[number]} for number in (1, 2, 3)]
    for wrong, code in (
        ([parts[1], parts[0]], "InvalidPartOrder"),
        ([{**parts[0], "ETag": parts[1]["ETag"]}], "InvalidPart"),
        ([{**parts[0], "PartNumber": 9}], "InvalidPart"),
    ):
        with refused(400, code):
            s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": wrong})
    done = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    got = s3.get_object(Bucket=bucket, Key="big")
    assert (got["Body"].read(), got["ETag"]) == (b"onetwothree", done["ETag"])
    assert (got["ContentType"], got["Metadata"]) == ("text/css", {"a": "1"})
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    with refused(404, "NoSuchUpload"):
        s3.list_parts(**upload)
    assert not storage.orphans()


def test_an_upload_is_completed_by_all_its_parts_when_none_are_named(
    storage: Storage, s3: S3Client
) -> None:
    bucket = storage.bucket()
    begun = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    for number in (1, 2):
        s3.upload_part(Bucket=bucket, Key="k", UploadId=begun, PartNumber=number, Body=b"x")
    path = f"/{bucket}/k?uploadId={begun}"
    for body, code in (
        (b"<Complete", "MalformedXML"),
        (b"<Other/>", "MalformedXML"),
        (b"<CompleteMultipartUpload><Part/></CompleteMultipartUpload>", "InvalidRequest"),
    ):
        answer = signed(storage, "POST", path, body).send()
        assert (answer.status_code, f"<Code>{code}</Code>" in answer.text) == (400, True)
    assert signed(storage, "POST", path).send().status_code == 200
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"xx"


def test_a_part_is_copied_whole_or_by_an_inclusive_range(storage: Storage, s3: S3Client) -> None:
    bucket = storage.bucket()
    s3.put_object(Bucket=bucket, Key="source", Body=b"0123456789")
    begun = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    upload = {"Bucket": bucket, "Key": "k", "UploadId": begun}
    source = f"{bucket}/source"
    s3.upload_part_copy(**upload, PartNumber=1, CopySource=source)
    s3.upload_part_copy(**upload, PartNumber=2, CopySource=source, CopySourceRange="bytes=2-4")
    for wrong in ("bytes=-5", "bytes=5-2", "bytes=0-10"):
        with refused(400, "InvalidRange"):
            s3.upload_part_copy(**upload, PartNumber=3, CopySource=source, CopySourceRange=wrong)
    assert signed(storage, "POST", f"/{bucket}/k?uploadId={begun}").send().status_code == 200
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"0123456789234"


def test_running_uploads_are_listed_by_pages_and_folders(storage: Storage, s3: S3Client) -> None:
    bucket = storage.bucket()
    for key in ("a/1", "a/2", "b", "b", "c_x"):
        s3.create_multipart_upload(Bucket=bucket, Key=key)
    pages = s3.get_paginator("list_multipart_uploads")
    for size in (1, 2, 1000):
        found = list(pages.paginate(Bucket=bucket, PaginationConfig={"PageSize": size}))
        keys = [one["Key"] for page in found for one in page.get("Uploads", [])]
        assert keys == ["a/1", "a/2", "b", "b", "c_x"]
    folded = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert [one["Prefix"] for one in folded["CommonPrefixes"]] == ["a/"]
    assert [one["Key"] for one in folded["Uploads"]] == ["b", "b", "c_x"]
    literal = s3.list_multipart_uploads(Bucket=bucket, Prefix="c%", EncodingType="url")
    assert "Uploads" not in literal


def test_parts_of_s3_that_are_not_offered_change_nothing(storage: Storage, s3: S3Client) -> None:
    bucket = storage.bucket()
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    with refused(501, "NotImplemented"):
        s3.put_object_acl(Bucket=bucket, Key="k", ACL="private")
    with refused(501, "NotImplemented"):
        s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": []})
    with refused(501, "NotImplemented"):
        s3.delete_bucket_policy(Bucket=bucket)
    with refused(501, "NotImplemented"):
        s3.get_bucket_acl(Bucket=bucket)
    with refused(501, "NotImplemented"):
        s3.delete_object(Bucket=bucket, Key="k", IfMatch='"other"')
    promises: list[dict[str, str]] = [
        {"ObjectLockLegalHoldStatus": "ON"},
        {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32},
    ]
    for promise in promises:
        with refused(501, "NotImplemented"):
            s3.put_object(Bucket=bucket, Key="k", Body=b"y", **promise)
    assert signed(storage, "PUT", "").send().status_code == 404
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_a_session_is_bound_by_the_policies_of_its_user(storage: Storage) -> None:
    bucket = storage.bucket()
    anne, boris = user_client(storage, ANNE), user_client(storage, BORIS)
    with storage.policies(
        f"for select {OWN}",
        f"for update {OWN}",
        f"for delete {OWN}",
        "for insert to authenticated with check (owner_id = auth.uid()::text)",
    ):
        anne.put_object(Bucket=bucket, Key="anne", Body=b"a")
        boris.put_object(Bucket=bucket, Key="boris", Body=b"b")
        row = storage.row(bucket, "anne")
        assert row is not None
        assert row["owner_id"] == ANNE
        reads: list[Call] = [
            lambda: boris.get_object(Bucket=bucket, Key="anne"),
            lambda: boris.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/anne"),
            lambda: boris.get_object_tagging(Bucket=bucket, Key="anne"),
        ]
        for call in reads:
            with refused(404, "NoSuchKey"):
                call()
        with refused(404, "404"):
            boris.head_object(Bucket=bucket, Key="anne")
        writes: list[Call] = [
            lambda: boris.put_object(Bucket=bucket, Key="anne", Body=b"b"),
            lambda: boris.delete_object(Bucket=bucket, Key="anne"),
            lambda: boris.create_multipart_upload(Bucket=bucket, Key="anne"),
            lambda: boris.create_bucket(Bucket="of-boris"),
        ]
        for call in writes:
            with refused(403, "AccessDenied"):
                call()
        listed = boris.list_objects_v2(Bucket=bucket)["Contents"]
        assert [entry["Key"] for entry in listed] == ["boris"]
        told = boris.delete_objects(
            Bucket=bucket, Delete={"Objects": [{"Key": key} for key in ("anne", "boris", "none")]}
        )
        assert [entry["Key"] for entry in told["Deleted"]] == ["boris", "none"]
        assert [(one["Key"], one["Code"]) for one in told["Errors"]] == [("anne", "AccessDenied")]
        assert anne.get_object(Bucket=bucket, Key="anne")["Body"].read() == b"a"
        assert anne.list_buckets()["Buckets"] == []
        with refused(404, "NoSuchBucket"):
            anne.delete_bucket(Bucket=storage.bucket())


def test_an_upload_of_another_user_can_not_be_carried_on(storage: Storage) -> None:
    bucket = storage.bucket()
    anne, boris = user_client(storage, ANNE), user_client(storage, BORIS)
    mine = "((storage.foldername(name))[1] = auth.uid()::text)"
    with storage.policies(
        f"for insert to authenticated with check {mine}",
        f"for update to authenticated using {mine}",
        f"for select to authenticated using {mine}",
    ):
        key = f"{ANNE}/k"
        begun = anne.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        hers = {"Bucket": bucket, "Key": key, "UploadId": begun}
        etag = anne.upload_part(**hers, PartNumber=1, Body=b"anne")["ETag"]
        steps: list[Call] = [
            lambda: boris.upload_part(**hers, PartNumber=2, Body=b"boris"),
            lambda: boris.complete_multipart_upload(**hers),
            lambda: boris.abort_multipart_upload(**hers),
        ]
        for call in steps:
            with refused(403, "AccessDenied"):
                call()
        with refused(404, "NoSuchUpload"):
            his = {**hers, "Key": f"{BORIS}/k"}
            boris.upload_part(**his, PartNumber=1, Body=b"boris")
        assert "Parts" not in boris.list_parts(**hers)
        assert "Uploads" not in boris.list_multipart_uploads(Bucket=bucket)
        used = storage.sql("select in_progress_size from storage.s3_multipart_uploads")
        assert (4,) in used
        parts = [{"PartNumber": 1, "ETag": etag}]
        anne.complete_multipart_upload(**hers, MultipartUpload={"Parts": parts})
        assert anne.get_object(Bucket=bucket, Key=key)["Body"].read() == b"anne"


def test_policies_are_told_the_operation(storage: Storage) -> None:
    bucket = storage.bucket()
    anne = user_client(storage, ANNE)
    with storage.policies(
        "for insert to authenticated with check (storage.allow_only_operation('s3.upload'))",
        "for select to authenticated using"
        " (storage.allow_any_operation(array['s3.upload', 's3.object.get']))",
        "for update to authenticated using (true)",
    ):
        anne.put_object(Bucket=bucket, Key="k", Body=b"x")
        assert anne.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
        with refused(404, "404"):
            anne.head_object(Bucket=bucket, Key="k")
        with refused(403, "AccessDenied"):
            anne.create_multipart_upload(Bucket=bucket, Key="k")


@pytest.mark.parametrize(
    "token", ["nonsense", token_of("service_role") + "x", token_of("authenticated", exp=1)]
)
def test_a_session_token_that_does_not_verify_opens_nothing(storage: Storage, token: str) -> None:
    with pytest.raises(ClientError) as raised:
        s3_client(storage, token).list_buckets()
    assert refusal(raised.value) == (403, "AccessDenied")


def test_an_upload_in_parts_outlives_the_process(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("s")
    body = b"p" * (5 * MEBIBYTE)
    with cloning(cluster) as clone:
        database = clone()
        with running_storage(database, folder, OPTIONS) as before:
            client, bucket = s3_client(before), before.bucket()
            begun = client.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
            upload = {"Bucket": bucket, "Key": "k", "UploadId": begun}
            client.upload_part(**upload, PartNumber=1, Body=body)
        with running_storage(database, folder, OPTIONS) as after:
            client = s3_client(after)
            client.upload_part(**upload, PartNumber=2, Body=b"end")
            parts = client.list_parts(**upload)["Parts"]
            named = [{"PartNumber": one["PartNumber"], "ETag": one["ETag"]} for one in parts]
            client.complete_multipart_upload(**upload, MultipartUpload={"Parts": named})
            assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == body + b"end"
            assert not after.orphans()


def test_nothing_answers_to_the_key_pair_when_the_stack_has_none(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with (
        cloning(cluster) as clone,
        running_storage(clone(), tmp_path_factory.mktemp("s")) as storage,
    ):
        for secret in ("", "x"):
            answer = signed(storage, "GET", "/", secret=secret).send()
            assert (answer.status_code, "AccessDenied" in answer.text) == (403, True)
        assert httpx.get(f"{endpoint(storage)}/x").status_code == 403
