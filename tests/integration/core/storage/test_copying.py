"""Objects are copied and moved: what goes along, what is refused, and whom the policies let."""

from __future__ import annotations

import base64
import json

import httpx

from tests.integration.core.storage.conftest import ANNE, Storage

REFUSED = {
    "statusCode": "403",
    "error": "Unauthorized",
    "message": "new row violates row-level security policy",
    "code": "AccessDenied",
}
MISSING = {
    "statusCode": "404",
    "error": "not_found",
    "message": "Object not found",
    "code": "NoSuchKey",
}
TAKEN = {
    "statusCode": "409",
    "error": "Duplicate",
    "message": "The resource already exists",
}


def store(storage: Storage, bucket: str, name: str, **options: str) -> None:
    """Store an object with all kinds of metadata."""
    headers = {
        "content-type": "image/png",
        "cache-control": "max-age=60",
        "x-robots-tag": "all",
        "x-metadata": base64.b64encode(json.dumps({"test1": 1234}).encode()).decode(),
        **options,
    }
    answer = storage.service.post(f"/object/{bucket}/{name}", content=b"bytes", headers=headers)
    assert answer.status_code == 200, answer.text


def copy(
    client: httpx.Client, bucket: str, source: str, target: str, **more: object
) -> httpx.Response:
    """Copy an object within a bucket; ``upsert=True`` and ``x_metadata=…`` become headers."""
    headers = {"x-upsert": "true"} if more.pop("upsert", False) else {}
    of_user = more.pop("x_metadata", None)
    if of_user is not None:
        headers["x-metadata"] = base64.b64encode(json.dumps(of_user).encode()).decode()
    body = {"bucketId": bucket, "sourceKey": source, "destinationKey": target, **more}
    return client.post("/object/copy", json=body, headers=headers)


def move(
    client: httpx.Client, bucket: str, source: str, target: str, **more: object
) -> httpx.Response:
    """Move an object within a bucket."""
    body = {"bucketId": bucket, "sourceKey": source, "destinationKey": target, **more}
    return client.post("/object/move", json=body)


def test_a_copy_takes_everything_along_and_answers_its_row(storage: Storage) -> None:
    bucket, other = storage.bucket(), storage.bucket()
    store(storage, bucket, "a.png")
    answer = copy(storage.service, bucket, "a.png", "b/b.png", destinationBucket=other)
    source, made = storage.row(bucket, "a.png"), storage.row(other, "b/b.png")
    assert source is not None
    assert made is not None
    body = answer.json()
    assert answer.status_code == 200
    assert list(body) == [
        *("Id", "Key", "name", "bucket_id", "owner", "owner_id", "version", "id", "updated_at"),
        *("created_at", "last_accessed_at", "metadata", "user_metadata"),
    ]
    assert body["Key"] == f"{other}/b/b.png"
    assert body["Id"] == body["id"] == made["id"]
    assert body["owner"] == body["owner_id"] == ""
    assert len(body["created_at"]) == len("2021-02-17T04:43:32.770Z")
    assert made["version"] != source["version"]
    assert made["user_metadata"] == {"test1": 1234}
    assert made["metadata"]["lastModified"] >= source["metadata"]["lastModified"]
    assert made["metadata"] | {"lastModified": ""} == source["metadata"] | {"lastModified": ""}


def test_a_copy_outlives_its_source(storage: Storage) -> None:
    bucket = storage.bucket()
    store(storage, bucket, "a.png")
    copy(storage.service, bucket, "a.png", "b.png").raise_for_status()
    storage.service.delete(f"/object/{bucket}/a.png").raise_for_status()
    made = storage.row(bucket, "b.png")
    assert made is not None
    blob = next(storage.folder.rglob(made["version"]))
    assert blob.read_bytes() == b"bytes"


def test_a_copy_to_itself_replaces_only_the_metadata_that_is_named(storage: Storage) -> None:
    bucket = storage.bucket()
    store(storage, bucket, "a.png")
    options = {"copyMetadata": False, "metadata": {"cacheControl": "max-age=999"}}
    refused = copy(storage.service, bucket, "a.png", "a.png", **options)
    assert refused.json() == TAKEN | {"code": "KeyAlreadyExists"}
    answer = copy(storage.service, bucket, "a.png", "a.png", upsert=True, **options)
    assert answer.status_code == 200
    row = storage.row(bucket, "a.png")
    assert row is not None
    assert row["metadata"]["cacheControl"] == "max-age=999"
    assert row["metadata"]["mimetype"] == "image/png"
    assert row["user_metadata"] == {"test1": 1234}
    copy(
        storage.service, bucket, "a.png", "a.png", upsert=True, x_metadata={"new": 1}, **options
    ).raise_for_status()
    row = storage.row(bucket, "a.png")
    assert row is not None
    assert row["user_metadata"] == {"new": 1}
    assert storage.orphans() == set()


def test_a_copy_without_metadata_has_none_of_the_users(storage: Storage) -> None:
    bucket = storage.bucket()
    store(storage, bucket, "a.png")
    body = copy(storage.service, bucket, "a.png", "b.png", copyMetadata=False).json()
    assert body["user_metadata"] is None
    assert body["metadata"]["mimetype"] == "image/png"


def test_what_is_missing_or_named_badly_is_not_copied(storage: Storage) -> None:
    bucket = storage.bucket()
    store(storage, bucket, "a.png")
    assert copy(storage.service, bucket, "none", "b").json() == MISSING
    assert copy(storage.service, "notfound", "a.png", "b").json() == MISSING
    assert copy(storage.service, bucket, "a.png", "ключ").json()["code"] == "InvalidKey"
    assert copy(storage.service, bucket, "a.png", "../b").json()["code"] == "InvalidKey"
    assert copy(storage.service, bucket, "", "b").json() == MISSING
    assert copy(storage.service, bucket, "a\0", "b").json() == MISSING
    for verb in (copy, move):
        elsewhere = verb(storage.service, bucket, "a.png", "b", destinationBucket="notfound")
        assert elsewhere.json()["error"] == "Bucket not found"
    bodies: tuple[object, ...] = (
        {},
        {"bucketId": bucket, "sourceKey": "a.png"},
        [],
        {"bucketId": 7},
    )
    for body in bodies:
        answer = storage.service.post("/object/copy", json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "InvalidRequest")
    assert storage.orphans() == set()


def test_a_copy_needs_select_on_the_source_and_insert_on_the_target(storage: Storage) -> None:
    bucket = storage.bucket()
    store(storage, bucket, "anne.png")
    storage.sql("update storage.objects set owner_id = %s where bucket_id = %s", ANNE, bucket)
    select = "for select to authenticated using (owner_id = (select auth.jwt()->>'sub'))"
    insert = f"for insert to authenticated with check (bucket_id = '{bucket}')"
    with storage.policies(insert):
        assert copy(storage.anne, bucket, "anne.png", "a").json() == MISSING
    with storage.policies(select):
        assert copy(storage.anne, bucket, "anne.png", "a").json() == REFUSED
    with storage.policies(select, insert):
        assert copy(storage.anne, bucket, "anne.png", "a").status_code == 200
        assert copy(storage.boris, bucket, "anne.png", "b").json() == MISSING
        assert copy(storage.anon, bucket, "anne.png", "b").json() == MISSING
        assert copy(storage.anne, bucket, "anne.png", "a", upsert=True).json() == REFUSED
    made = storage.row(bucket, "a")
    assert made is not None
    assert made["owner"] == made["owner_id"] == ANNE


def test_policies_see_the_user_metadata_that_a_copy_will_have(storage: Storage) -> None:
    bucket = storage.bucket()
    store(storage, bucket, "a.png")
    with storage.policies(
        "for select to authenticated using (true)",
        "for insert to authenticated with check (user_metadata->>'test1' = '1234'"
        " and metadata->>'mimetype' = 'image/png' and (metadata->>'contentLength')::int = 5"
        " and storage.allow_only_operation('object.copy'))",
    ):
        assert copy(storage.anne, bucket, "a.png", "b").status_code == 200
        assert copy(storage.anne, bucket, "a.png", "c", copyMetadata=False).json() == REFUSED


def test_a_move_changes_the_name_and_no_byte(storage: Storage) -> None:
    bucket, other = storage.bucket(), storage.bucket()
    store(storage, bucket, "a.png")
    before, blobs = storage.row(bucket, "a.png"), storage.blobs()
    answer = move(storage.service, bucket, "a.png", "x/b.png", destinationBucket=other)
    assert (answer.status_code, answer.json()) == (200, {"message": "Successfully moved"})
    after = storage.row(other, "x/b.png")
    assert before is not None
    assert after is not None
    assert storage.row(bucket, "a.png") is None
    assert (after["id"], after["version"]) == (before["id"], before["version"])
    assert after["user_metadata"] == before["user_metadata"]
    assert storage.blobs() == blobs


def test_a_move_onto_another_object_leaves_both(storage: Storage) -> None:
    bucket = storage.bucket()
    store(storage, bucket, "a.png")
    store(storage, bucket, "b.png")
    answer = move(storage.service, bucket, "a.png", "b.png")
    assert answer.status_code == 400
    assert answer.json() == TAKEN | {"code": "ResourceAlreadyExists"}
    assert storage.row(bucket, "a.png") is not None
    assert move(storage.service, bucket, "a.png", "a.png").status_code == 200


def test_what_is_missing_or_named_badly_is_not_moved(storage: Storage) -> None:
    bucket = storage.bucket()
    store(storage, bucket, "a.png")
    assert move(storage.service, bucket, "", "b").json() == MISSING
    assert move(storage.service, bucket, "none", "b").json() == MISSING
    assert move(storage.service, bucket, "a.png", "").json()["code"] == "InvalidKey"
    assert move(storage.service, bucket, "a.png", "a/../b").json()["code"] == "InvalidKey"
    assert move(storage.service, "notfound", "a.png", "b").json() == MISSING
    assert move(storage.service, "not/a/bucket", "a.png", "b").json()["error"] == "Invalid Input"
    assert move(storage.nobody, bucket, "a.png", "b").status_code == 400
    assert storage.row(bucket, "a.png") is not None


def test_a_move_needs_select_and_update_with_the_new_values(storage: Storage) -> None:
    bucket = storage.bucket()
    store(storage, bucket, "a.png")
    storage.sql("update storage.objects set owner_id = %s where bucket_id = %s", ANNE, bucket)
    mine = f"bucket_id = '{bucket}' and owner_id = (select auth.jwt()->>'sub')"
    select = f"for select to authenticated using ({mine})"
    update = f"for update to authenticated using ({mine}) with check ({mine} and name ~ '^mine/')"
    with storage.policies(select):
        assert move(storage.anne, bucket, "a.png", "mine/a.png").json() == MISSING
    with storage.policies(update):
        assert move(storage.anne, bucket, "a.png", "mine/a.png").json() == MISSING
    with storage.policies(select, update):
        assert move(storage.boris, bucket, "a.png", "mine/a.png").json() == MISSING
        assert move(storage.anne, bucket, "a.png", "yours/a.png").json() == REFUSED
        assert move(storage.anne, bucket, "a.png", "mine/a.png").status_code == 200
    assert storage.row(bucket, "mine/a.png") is not None


def test_nothing_gets_past_the_limits_of_a_bucket_by_a_copy_or_a_move(storage: Storage) -> None:
    bucket, small = storage.bucket(), storage.bucket(file_size_limit=4)
    plain = storage.bucket(allowed_mime_types=["text/plain", "image/png"])
    store(storage, bucket, "a.png")
    store(storage, bucket, "page", **{"content-type": "text/html"})
    store(storage, plain, "a.png")
    for verb in (copy, move):
        large = verb(storage.service, bucket, "a.png", "a", destinationBucket=small)
        assert (large.status_code, large.json()["statusCode"]) == (400, "413")
        wrong = verb(storage.service, bucket, "page", "a", destinationBucket=plain)
        assert (wrong.status_code, wrong.json()["statusCode"]) == (400, "415")
        assert storage.row(bucket, "page") is not None
    for value, status in (("text/html", "415"), ("text/plain\r\nX: y", "415")):
        renamed = copy(
            storage.service,
            plain,
            "a.png",
            "b.png",
            copyMetadata=False,
            metadata={"mimetype": value},
        )
        assert renamed.json()["statusCode"] == status
    broken = {"copyMetadata": False, "metadata": {"cacheControl": "a\r\nX: y"}}
    assert copy(storage.service, plain, "a.png", "b.png", **broken).status_code == 400
    assert move(storage.service, bucket, "a.png", "b", destinationBucket=plain).status_code == 200
    assert not storage.orphans()
