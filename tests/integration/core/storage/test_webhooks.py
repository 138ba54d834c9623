"""Every call that makes, moves or removes an object tells the webhook of it, and no other does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.conftest import Cluster, cloning
from tests.integration.core.storage import tus
from tests.integration.core.storage.conftest import Storage, running_storage
from tests.integration.core.storage.s3_clients import s3_client
from tests.integration.core.storage.webhook_receiver import API_KEY, TOKEN, Receiver, jobs, receiver
from tests.local_http import Heard
from tests.servers import wait_until

Told = tuple[str, str, str | None]
Act = Callable[["Place"], object]


@pytest.fixture(scope="module")
def hook() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


@pytest.fixture(scope="module")
def storage(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory, hook: Receiver
) -> Iterator[Storage]:
    with (
        cloning(cluster) as clone,
        running_storage(clone(), tmp_path_factory.mktemp("s"), hook.options) as running,
    ):
        yield running


class Place:
    """A bucket with the objects ``old`` and ``other``, and who calls."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.service = storage.service
        self.bucket = storage.bucket()
        self.neighbour = storage.bucket(file_size_limit=1000)
        self.s3 = s3_client(storage)
        for name in ("old", "other"):
            assert self.service.post(self.at(name), content=b"x").status_code == 200

    def at(self, name: str) -> str:
        return f"/object/{self.bucket}/{name}"

    def ask(self, path: str, source: str, target: str, **more: Any) -> httpx.Response:
        """Ask for a copy or a move."""
        headers = {"x-upsert": "true"} if more.pop("upsert", False) else {}
        body = {
            "bucketId": self.bucket,
            "sourceKey": source,
            "destinationKey": target,
            **({"destinationBucket": self.neighbour} if more.pop("across", False) else {}),
        }
        return self.service.post(path, json=body, headers=headers)

    def sign(self, name: str, *, upsert: bool) -> str:
        answer = self.service.post(
            f"/object/upload/sign/{self.bucket}/{name}",
            headers={"x-upsert": "true"} if upsert else {},
        )
        url: str = answer.json()["url"]
        return url

    def resumable(self, name: str, **headers: str) -> httpx.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return tus.begin(self.service, self.bucket, name, 3, content=b"abc", headers=sent)

    def in_parts(self, name: str) -> object:
        where = {"Bucket": self.bucket, "Key": name}
        upload = self.s3.create_multipart_upload(**where)["UploadId"]
        part = self.s3.upload_part(**where, UploadId=upload, PartNumber=1, Body=b"abc")
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        return self.s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload=parts)

    def form(self, name: str) -> httpx.Response:
        post = self.s3.generate_presigned_post(self.bucket, name)
        return httpx.post(post["url"], data=post["fields"], files={"file": ("f", b"x")})


POST, PUT, COPY = "ObjectCreated:Post", "ObjectCreated:Put", "ObjectCreated:Copy"
GONE = "ObjectRemoved:Delete"
ACTS: dict[str, tuple[Act, list[Told]]] = {
    "post": (lambda at: at.service.post(at.at("a"), content=b"x"), [(POST, "a", "standard")]),
    "post of a form": (
        lambda at: at.service.post(at.at("a"), files={"": ("x", b"x", "text/plain")}),
        [(POST, "a", "standard")],
    ),
    "post that replaces": (
        lambda at: at.service.post(at.at("old"), content=b"y", headers={"x-upsert": "true"}),
        [(PUT, "old", "standard")],
    ),
    "upsert of a new one": (
        lambda at: at.service.post(at.at("a"), content=b"y", headers={"x-upsert": "true"}),
        [(POST, "a", "standard")],
    ),
    "put of a new one": (
        lambda at: at.service.put(at.at("a"), content=b"x"),
        [(POST, "a", "standard")],
    ),
    "put that replaces": (
        lambda at: at.service.put(at.at("old"), content=b"x"),
        [(PUT, "old", "standard")],
    ),
    "signed upload": (
        lambda at: at.storage.nobody.put(at.sign("a", upsert=False), content=b"x"),
        [(POST, "a", "standard")],
    ),
    "signed upload that replaces": (
        lambda at: at.storage.nobody.put(at.sign("old", upsert=True), content=b"x"),
        [(PUT, "old", "standard")],
    ),
    "copy": (lambda at: at.ask("/object/copy", "old", "a"), [(COPY, "a", "standard")]),
    "copy over another": (
        lambda at: at.ask("/object/copy", "old", "other", upsert=True),
        [(COPY, "other", "standard")],
    ),
    "copy to another bucket": (
        lambda at: at.ask("/object/copy", "old", "a", across=True),
        [(COPY, "a", "standard")],
    ),
    "move": (
        lambda at: at.ask("/object/move", "old", "a"),
        [("ObjectRemoved:Move", "old", None), ("ObjectCreated:Move", "a", "standard")],
    ),
    "move to another bucket": (
        lambda at: at.ask("/object/move", "old", "a", across=True),
        [("ObjectRemoved:Move", "old", None), ("ObjectCreated:Move", "a", "standard")],
    ),
    "delete": (lambda at: at.service.delete(at.at("old")), [(GONE, "old", None)]),
    "delete of many": (
        lambda at: at.service.request(
            "DELETE", f"/object/{at.bucket}", json={"prefixes": ["old", "missing", "other"]}
        ),
        [(GONE, "old", None), (GONE, "other", None)],
    ),
    "empty": (
        lambda at: at.service.post(f"/bucket/{at.bucket}/empty"),
        [(GONE, "old", None), (GONE, "other", None)],
    ),
    "upload in pieces": (lambda at: at.resumable("a"), [(POST, "a", "resumable")]),
    "upload in pieces that replaces": (
        lambda at: at.resumable("old", x_upsert="true"),
        [(PUT, "old", "resumable")],
    ),
    "s3 put": (
        lambda at: at.s3.put_object(Bucket=at.bucket, Key="a", Body=b"x"),
        [(POST, "a", "s3")],
    ),
    "s3 put that replaces": (
        lambda at: at.s3.put_object(Bucket=at.bucket, Key="old", Body=b"x"),
        [(PUT, "old", "s3")],
    ),
    "s3 form": (lambda at: at.form("a"), [(POST, "a", "s3")]),
    "s3 copy": (
        lambda at: at.s3.copy_object(Bucket=at.bucket, Key="a", CopySource=f"{at.bucket}/old"),
        [(COPY, "a", "s3")],
    ),
    "s3 upload in parts": (lambda at: at.in_parts("a"), [(POST, "a", "s3")]),
    "s3 upload in parts that replaces": (lambda at: at.in_parts("old"), [(PUT, "old", "s3")]),
    "s3 delete": (
        lambda at: at.s3.delete_object(Bucket=at.bucket, Key="old"),
        [(GONE, "old", None)],
    ),
    "s3 delete of many": (
        lambda at: at.s3.delete_objects(
            Bucket=at.bucket, Delete={"Objects": [{"Key": "old"}, {"Key": "missing"}]}
        ),
        [(GONE, "old", None)],
    ),
}
SILENT: dict[str, Act] = {
    "a second post": lambda at: at.service.post(at.at("old"), content=b"y"),
    "an upload that no policy allows": lambda at: at.storage.anne.post(at.at("a"), content=b"x"),
    "a delete that no policy allows": lambda at: at.storage.anne.delete(at.at("old")),
    "a delete of nothing": lambda at: at.service.delete(at.at("missing")),
    "an s3 delete of nothing": lambda at: at.s3.delete_object(Bucket=at.bucket, Key="missing"),
    "a move to itself": lambda at: at.ask("/object/move", "old", "old"),
    "a move of nothing": lambda at: at.ask("/object/move", "missing", "a"),
    "a move onto another": lambda at: at.ask("/object/move", "old", "other"),
    "a copy of nothing": lambda at: at.ask("/object/copy", "missing", "a"),
    "an upload that is begun": lambda at: tus.begun(at.service, at.bucket, "a", 3),
    "signing an upload": lambda at: at.sign("a", upsert=False),
    "a bucket": lambda at: at.service.post("/bucket", json={"name": f"{at.bucket}-new"}),
    "reading": lambda at: at.service.get(at.at("old")),
    "sql": lambda at: at.storage.sql("delete from storage.objects where name = 'old'"),
}


@pytest.mark.parametrize("name", ACTS)
def test_a_call_tells_what_it_did(storage: Storage, hook: Receiver, name: str) -> None:
    at = Place(storage)
    hook.told_by(storage)
    act, expected = ACTS[name]
    done = act(at)
    assert not isinstance(done, httpx.Response) or done.is_success, done.text
    told = hook.told_by(storage)
    if "Move" not in expected[0][0]:  # the two of a move have an order
        told = sorted(told, key=lambda event: str(event["payload"]["name"]))
    assert [
        (event["type"], event["payload"]["name"], event["payload"].get("uploadType"))
        for event in told
    ] == expected
    for event in told:
        row = storage.row(event["payload"]["bucketId"], event["payload"]["name"])
        if row is not None and event["type"].startswith("ObjectCreated"):
            assert event["payload"]["version"] == row["version"]
            assert event["payload"]["metadata"] == row["metadata"]


@pytest.mark.parametrize("name", SILENT)
def test_what_changes_no_object_tells_nothing(storage: Storage, hook: Receiver, name: str) -> None:
    at = Place(storage)
    hook.told_by(storage)
    SILENT[name](at)
    assert hook.told_by(storage) == []


def test_a_move_that_is_taken_back_tells_nothing(storage: Storage, hook: Receiver) -> None:
    at = Place(storage)
    at.service.put(at.at("old"), content=b"x" * 1001)
    hook.told_by(storage)
    refused = at.ask("/object/move", "old", "a", across=True)
    assert refused.json()["code"] == "EntityTooLarge"
    assert hook.told_by(storage) == []


def test_a_letter_has_upstreams_shape(storage: Storage, hook: Receiver) -> None:
    bucket = storage.bucket()
    hook.told_by(storage)
    before = time.time_ns() // 1_000_000
    headers = {"content-type": "image/png", "sb-request-id": "sb-1", "x-request-id": "req-1"}
    storage.service.post(f"/object/{bucket}/a/b.png", content=b"abc", headers=headers)
    heard = wait_for_one(storage, hook)
    assert (heard.method, heard.path) == ("POST", f"/objects?token={TOKEN}")
    assert heard.headers["content-type"] == "application/json"
    assert heard.headers["authorization"] == f"Bearer {API_KEY}"
    (letter,) = hook.letters()
    row = storage.row(bucket, "a/b.png")
    assert row is not None
    tenant = {"ref": "stub", "host": storage.live.url.removeprefix("http://")}
    event = letter["event"]
    assert before <= event.pop("applyTime") <= time.time_ns() // 1_000_000
    assert letter == {
        "type": "Webhook",
        "event": {
            "type": "ObjectCreated:Post",
            "$version": "v1",
            "region": "local",
            "payload": {
                "tenant": tenant,
                "bucketId": bucket,
                "name": "a/b.png",
                "version": row["version"],
                "metadata": row["metadata"],
                "uploadType": "standard",
                "reqId": "req-1",
                "sbReqId": "sb-1",
            },
        },
        "sentAt": letter["sentAt"],
        "tenant": tenant,
    }
    assert datetime.fromisoformat(letter["sentAt"]).timestamp() >= before // 1000


def test_a_move_tells_what_the_object_was(storage: Storage, hook: Receiver) -> None:
    at = Place(storage)
    former = storage.row(at.bucket, "old")
    assert former is not None
    hook.told_by(storage)
    at.ask("/object/move", "old", "a", across=True)
    gone, come = hook.told_by(storage)
    assert gone["payload"]["metadata"] == former["metadata"]
    assert (gone["payload"]["bucketId"], gone["payload"]["name"]) == (at.bucket, "old")
    assert gone["payload"]["version"] == former["version"]
    assert come["payload"]["bucketId"] == at.neighbour
    assert come["payload"]["oldObject"] == {
        "name": "old",
        "bucketId": at.bucket,
        "version": former["version"],
        "reqId": come["payload"]["reqId"],
    }
    assert gone["payload"]["reqId"] == come["payload"]["reqId"] != ""


def test_a_removed_object_is_told_with_what_it_was(storage: Storage, hook: Receiver) -> None:
    at = Place(storage)
    former = {name: storage.row(at.bucket, name) for name in ("old", "other")}
    hook.told_by(storage)
    at.service.delete(at.at("old"))
    at.service.post(f"/bucket/{at.bucket}/empty")
    for event in hook.told_by(storage):
        row = former[event["payload"]["name"]]
        assert row is not None
        assert event["payload"]["version"] == row["version"]
        assert event["payload"]["metadata"] == row["metadata"]


def test_metadata_that_sql_wrote_stop_no_deletion(storage: Storage, hook: Receiver) -> None:
    at = Place(storage)
    deep, long = "[" * 3000 + "]" * 3000, '{"a": "' + "x" * 100_000 + '"}'
    for name, value in (("old", deep), ("other", long)):
        assert at.service.post(at.at(f"{name}2"), content=b"x").status_code == 200
        storage.sql(
            "update storage.objects set metadata = %s::jsonb"
            " where bucket_id = %s and starts_with(name, %s)",
            *(value, at.bucket, name),
        )
    hook.told_by(storage)
    assert at.service.delete(at.at("old")).status_code == 200
    at.service.post(f"/bucket/{at.bucket}/empty")
    told = hook.told_by(storage)
    assert sorted(event["payload"]["name"] for event in told) == ["old", "old2", "other", "other2"]
    assert [event["payload"]["metadata"] for event in told] == [None] * 4


def wait_for_one(storage: Storage, hook: Receiver) -> Heard:
    """Return the one request that the receiver has heard, when all is told."""
    wait_until(lambda: not jobs(storage))
    (heard,) = hook.server.heard
    return heard
