"""Rows that came past the API, by SQL of a user or an old dump: nobody else suffers from them."""

from __future__ import annotations

import json

import httpx
import pytest
from botocore.exceptions import ClientError

from tests.integration.core.storage.conftest import Storage
from tests.integration.core.storage.s3_clients import s3_client

LAST = chr(0x10FFFF)


def insert(storage: Storage, bucket: str, name: str, **columns: object) -> None:
    """Write a row past the API; ``metadata`` and ``user_metadata`` are JSON as it stands."""
    names = "".join(f", {column}" for column in columns)
    places = ", %s" * len(columns)
    storage.sql(
        f"insert into storage.objects (bucket_id, name{names}) values (%s, %s{places})",
        bucket, name, *columns.values(),
    )  # fmt: skip


def put(storage: Storage, place: str, content: bytes = b"x", **headers: str) -> httpx.Response:
    """Store an object as the service role."""
    return storage.service.post(f"/object/{place}", content=content, headers=headers)


@pytest.mark.parametrize("path", ["list", "list-v2"])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_folder_of_names_behind_all_others_ends_like_any(
    storage: Storage, path: str, order: str
) -> None:
    bucket = storage.bucket()
    for number in range(20):
        insert(storage, bucket, f"a/{LAST}{number}")
    insert(storage, bucket, "b")
    body = {"prefix": "", "with_delimiter": True, "sortBy": {"column": "name", "order": order}}

    answer = storage.service.post(f"/object/{path}/{bucket}", json=body, timeout=60).json()

    names = answer if path == "list" else [*answer["folders"], *answer["objects"]]
    assert {entry["name"].rstrip("/") for entry in names} == {"a", "b"}


def test_a_version_that_is_none_keeps_no_bytes_of_others(storage: Storage) -> None:
    bucket = storage.bucket()
    for name in ("a", "c"):
        put(storage, f"{bucket}/{name}").raise_for_status()
    insert(storage, bucket, "b", version="../../etc/passwd")
    before = storage.orphans()

    gone = storage.service.request("DELETE", f"/object/{bucket}", json={"prefixes": list("abc")})

    assert {row["name"] for row in gone.json()} == set("abc")
    assert storage.orphans() == before


@pytest.mark.parametrize(
    "metadata",
    [
        '"text"',
        "[1]",
        '{"size": "1", "eTag": 5, "lastModified": "0001-01-01T00:00:00+23:59", "mimetype": []}',
        '{"size": -5, "eTag": {}, "lastModified": "2020-01-01T00:00:00", "cacheControl": 1}',
    ],
)
def test_metadata_that_is_none_breaks_no_answer(storage: Storage, metadata: str) -> None:
    bucket = storage.bucket(public=True)
    put(storage, f"{bucket}/a", b"content").raise_for_status()
    storage.sql(
        "update storage.objects set metadata = %s::jsonb, user_metadata = %s::jsonb"
        " where bucket_id = %s",
        metadata, metadata, bucket,
    )  # fmt: skip
    service, s3 = storage.service, s3_client(storage)

    for version in ("list", "list-v2"):
        assert service.post(f"/object/{version}/{bucket}", json={"prefix": ""}).status_code == 200
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["a"]
    for path in ("object", "object/public", "object/info"):
        since = {"if-unmodified-since": "Mon, 01 Jan 2024 00:00:00 GMT"}
        for headers in ({}, since):
            assert service.get(f"/{path}/{bucket}/a", headers=headers).status_code in {200, 412}
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"content"
    for source, target in (("a", "b"), ("b", "c")):
        s3.copy_object(Bucket=bucket, Key=target, CopySource={"Bucket": bucket, "Key": source})
    gone = service.request("DELETE", f"/object/{bucket}", json={"prefixes": list("abc")})
    assert len(gone.json()) == 3


@pytest.mark.parametrize(
    "metadata",
    ['{"size": 1e400}', '{"size": 1.5, "lastModified": "9999-12-31T23:59:59-23:59"}', "[" * 2000],
)
def test_metadata_that_nobody_can_read_spoils_no_listing(storage: Storage, metadata: str) -> None:
    bucket = storage.bucket()
    insert(storage, bucket, "a", metadata=metadata + "]" * metadata.count("["))

    for version in ("list", "list-v2"):
        told = storage.service.post(f"/object/{version}/{bucket}", json={"prefix": ""})
        assert told.status_code == 200
        assert '"name":"a"' in told.text.replace(" ", "")
    listed = s3_client(storage).list_objects_v2(Bucket=bucket)["Contents"]
    assert [(one["Key"], one["Size"]) for one in listed] == [("a", 0)]


def test_a_part_is_copied_of_no_more_than_there_is(storage: Storage) -> None:
    bucket, s3 = storage.bucket(), s3_client(storage)
    put(storage, f"{bucket}/a").raise_for_status()
    upload = s3.create_multipart_upload(Bucket=bucket, Key="p")["UploadId"]
    for size in ("-5", '"1"'):
        storage.sql(
            "update storage.objects set metadata = jsonb_build_object('size', %s::jsonb)"
            " where bucket_id = %s",
            size, bucket,
        )  # fmt: skip
        with pytest.raises(ClientError, match="does not tell its size"):
            s3.upload_part_copy(
                Bucket=bucket, Key="p", UploadId=upload, PartNumber=1, CopySource=f"{bucket}/a"
            )
    assert storage.sql("select in_progress_size from storage.s3_multipart_uploads") == [(0,)]


@pytest.mark.parametrize("depth", [99, 101, 254, 1024])
def test_metadata_of_any_depth_leaves_rows_and_bytes_alike(storage: Storage, depth: int) -> None:
    bucket = storage.bucket()
    before = storage.orphans()
    text = '{"a":' * depth + "1" + "}" * depth
    file = {"": ("x", b"x", "text/plain")}
    for _ in range(2):
        stored = storage.service.put(f"/object/{bucket}/a", files=file, data={"metadata": text})
        assert stored.status_code < 500
    if storage.row(bucket, "a") is not None:
        assert storage.service.get(f"/object/info/{bucket}/a").status_code == 200
        copy = {"bucketId": bucket, "sourceKey": "a", "destinationKey": "b"}
        assert storage.service.post("/object/copy", json=copy).status_code == 200
        gone = storage.service.request("DELETE", f"/object/{bucket}", json={"prefixes": ["a", "b"]})
        assert len(gone.json()) == 2
    assert storage.orphans() == before


def test_a_statement_of_a_caller_has_an_end(storage: Storage) -> None:
    bucket = storage.bucket()
    put(storage, f"{bucket}/a").raise_for_status()
    with storage.policies(
        "for select to authenticated using (current_setting('statement_timeout') = '30s')"
    ):
        assert storage.anne.get(f"/object/{bucket}/a").status_code == 200


def test_an_answer_to_a_deletion_is_bounded(storage: Storage) -> None:
    bucket = storage.bucket()
    large = json.dumps({"a": "x" * 1_000_000})
    storage.sql(
        "insert into storage.objects (bucket_id, name, user_metadata)"
        " select %s, number, %s::jsonb from generate_series(1, 30) as number",
        bucket, large,
    )  # fmt: skip
    names = [str(number) for number in range(1, 31)]

    gone = storage.service.request("DELETE", f"/object/{bucket}", json={"prefixes": names})

    assert len(gone.json()) == 30
    assert len(gone.content) < 10_000_000
