"""The matrix of calls and policies: each call is allowed by the policies it needs and by no fewer.

Every policy speaks for one operation only, so that each call is also shown to be told by its name.
The cases are those of supabase/storage:src/test/rls_tests.yaml and more, as data of our own.
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from tests.integration.core.storage.conftest import ANNE, BORIS, Storage
from tests.integration.core.storage.s3_clients import S3Client, refusal, user_client
from tests.integration.core.storage.tus import begin, begun, go_on

VIOLATION = "new row violates row-level security policy"
NO_BUCKET = "Bucket not found"
NO_OBJECT = "Object not found"
OK, NOTHING = "ok", "nothing"
UPSERT = {"x-upsert": "true"}
_numbers = itertools.count(1)
ADDED = {"objects.insert": VIOLATION}
REPLACED = {f"objects.{verb}": VIOLATION for verb in ("insert", "select", "update")}
SHOWN = {"objects.select": NO_OBJECT}
HIDDEN = {"objects.select": NOTHING}


@dataclass(frozen=True)
class Room:
    """Where a call is made: a bucket with the object ``old``, and one without objects."""

    storage: Storage
    bucket: str
    empty: str

    @property
    def anne(self) -> httpx.Client:
        return self.storage.anne

    def place(self, name: str, road: str = "") -> str:
        """Return the path of an object."""
        return f"/object/{road}{self.bucket}/{name}"


@dataclass(frozen=True)
class Call:
    """A call; ``needs`` tells for every policy it needs how it is refused without."""

    operation: str
    needs: dict[str, str]
    make: Callable[[Room], httpx.Response | str]


def with_s3(make: Callable[[S3Client, str], object]) -> Callable[[Room], str]:
    """Return a call over S3 that answers like one over HTTP."""

    def made(room: Room) -> str:
        with closing(user_client(room.storage, ANNE)) as client:
            try:
                make(client, room.bucket)
            except ClientError as error:
                return refusal(error)[1]
        return OK

    return made


def said(answer: httpx.Response | str) -> str:
    """Return what an answer comes to: ok, nothing, or why it was refused."""
    if isinstance(answer, str):
        return answer
    if answer.status_code >= 400:
        is_json = answer.content.startswith(b"{")
        return str(answer.json()["message"]) if is_json else answer.text or "no body"
    return NOTHING if answer.content.startswith((b"[]", b'{"hasNext":false')) else OK


def sign_many(room: Room) -> str:
    asked = {"expiresIn": 60, "paths": ["old"]}
    (one,) = room.anne.post(f"/object/sign/{room.bucket}", json=asked).json()
    return OK if one["error"] is None else str(one["error"])


def list_v2(room: Room) -> str:
    page = room.anne.post(f"/object/list-v2/{room.bucket}", json={}).json()
    return OK if page["objects"] else NOTHING


def copied(room: Room, name: str, **headers: str) -> httpx.Response:
    asked = {"bucketId": room.bucket, "sourceKey": "old", "destinationKey": name}
    said = {key.replace("_", "-"): value for key, value in headers.items()}
    return room.anne.post("/object/copy", json=asked, headers=said)


def moved(room: Room) -> httpx.Response:
    asked = {"bucketId": room.bucket, "sourceKey": "old", "destinationKey": "new"}
    return room.anne.post("/object/move", json=asked)


def signed_upload(room: Room) -> httpx.Response:
    """Sign under the policies, upload past all of them and as nobody."""
    signed = room.anne.post(room.place("new", "upload/sign/"))
    if signed.status_code >= 400:
        return signed
    return room.storage.nobody.put(signed.json()["url"], content=b"new")


def a_piece(room: Room) -> httpx.Response:
    """Go on with what another request was allowed to begin."""
    with granted(room.storage, ["objects.insert"], "storage.tus.upload.create"):
        path = begun(room.anne, room.bucket, "new", 3)
    return go_on(room.anne, path, 0, b"new")


def in_parts(client: S3Client, bucket: str) -> None:
    place = {"Bucket": bucket, "Key": "new"}
    upload = {**place, "UploadId": client.create_multipart_upload(**place)["UploadId"]}
    part = client.upload_part(**upload, PartNumber=1, Body=b"new")
    parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
    client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})


def begin_parts(**asked: Any) -> Callable[[S3Client, str], object]:
    return lambda s3, _bucket: s3.create_multipart_upload(**asked)


def list_s3(room: Room) -> str:
    with closing(user_client(room.storage, ANNE)) as client:
        return OK if client.list_objects_v2(Bucket=room.bucket)["KeyCount"] else NOTHING


CALLS = {
    "create a bucket": Call(
        "storage.bucket.create",
        {"buckets.insert": VIOLATION},
        lambda room: room.anne.post("/bucket", json={"name": f"{room.bucket}-made"}),
    ),
    "get a bucket": Call(
        "storage.bucket.get",
        {"buckets.select": NO_BUCKET},
        lambda room: room.anne.get(f"/bucket/{room.bucket}"),
    ),
    "list buckets": Call(
        "storage.bucket.list", {"buckets.select": NOTHING}, lambda room: room.anne.get("/bucket")
    ),
    "update a bucket": Call(
        "storage.bucket.update",
        {"buckets.update": NO_BUCKET, "buckets.select": NO_BUCKET},
        lambda room: room.anne.put(f"/bucket/{room.bucket}", json={"public": True}),
    ),
    "delete a bucket": Call(
        "storage.bucket.delete",
        {"buckets.delete": NO_BUCKET, "buckets.select": NO_BUCKET},
        lambda room: room.anne.delete(f"/bucket/{room.empty}"),
    ),
    "upload": Call(
        "storage.object.upload", ADDED, lambda room: room.anne.post(room.place("new"), content=b"1")
    ),
    "upload over another": Call(
        "storage.object.upload",
        REPLACED,
        lambda room: room.anne.post(room.place("old"), content=b"1", headers=UPSERT),
    ),
    "update": Call(
        "storage.object.upload_update",
        REPLACED,
        lambda room: room.anne.put(room.place("old"), content=b"1"),
    ),
    "upload by a signed URL": Call("storage.object.sign_upload_url", ADDED, signed_upload),
    "sign an upload over another": Call(
        "storage.object.sign_upload_url",
        REPLACED,
        lambda room: room.anne.post(room.place("old", "upload/sign/"), headers=UPSERT),
    ),
    "download": Call(
        "storage.object.get_authenticated",
        SHOWN,
        lambda room: room.anne.get(room.place("old", "authenticated/")),
    ),
    "download by the short path": Call(
        "storage.object.get_authenticated", SHOWN, lambda room: room.anne.get(room.place("old"))
    ),
    "head": Call(
        "object.head_authenticated_info",
        {"objects.select": "no body"},
        lambda room: room.anne.head(room.place("old", "authenticated/")),
    ),
    "info": Call(
        "object.get_authenticated_info",
        SHOWN,
        lambda room: room.anne.get(room.place("old", "info/authenticated/")),
    ),
    "sign": Call(
        "storage.object.sign",
        SHOWN,
        lambda room: room.anne.post(room.place("old", "sign/"), json={"expiresIn": 60}),
    ),
    "sign many": Call(
        "storage.object.sign_many",
        {
            "objects.select": "Either the object does not exist or you do not have access to it",
        },
        sign_many,
    ),
    "list": Call(
        "storage.object.list",
        HIDDEN,
        lambda room: room.anne.post(f"/object/list/{room.bucket}", json={"prefix": ""}),
    ),
    "list by cursor": Call("storage.object.list_v2", HIDDEN, list_v2),
    "delete": Call(
        "storage.object.delete",
        {"objects.delete": "Access denied", "objects.select": "Access denied"},
        lambda room: room.anne.delete(room.place("old")),
    ),
    "delete many": Call(
        "storage.object.delete_many",
        {"objects.delete": NOTHING, "objects.select": NOTHING},
        lambda room: room.anne.request(
            "DELETE", f"/object/{room.bucket}", json={"prefixes": ["old"]}
        ),
    ),
    "copy": Call("storage.object.copy", SHOWN | ADDED, lambda room: copied(room, "new")),
    "copy over another": Call(
        "storage.object.copy",
        REPLACED | SHOWN,
        lambda room: copied(room, "old", x_upsert="true"),
    ),
    "move": Call(
        "storage.object.move",
        {"objects.select": NO_OBJECT, "objects.update": NO_OBJECT},
        moved,
    ),
    "upload by TUS at once": Call(
        "storage.tus.upload.create",
        ADDED,
        lambda room: begin(room.anne, room.bucket, "new", 3, content=b"new"),
    ),
    "go on by TUS": Call("storage.tus.upload.part", ADDED, a_piece),
    "put by S3": Call(
        "storage.s3.upload",
        dict.fromkeys(REPLACED, "AccessDenied"),
        with_s3(lambda s3, bucket: s3.put_object(Bucket=bucket, Key="old", Body=b"1")),
    ),
    "get by S3": Call(
        "storage.s3.object.get",
        {"objects.select": "NoSuchKey"},
        with_s3(lambda s3, bucket: s3.get_object(Bucket=bucket, Key="old")["Body"].read()),
    ),
    "head by S3": Call(
        "storage.s3.object.info",
        {"objects.select": "404"},
        with_s3(lambda s3, bucket: s3.head_object(Bucket=bucket, Key="old")),
    ),
    "list by S3": Call("storage.s3.object.list", HIDDEN, list_s3),
}


@contextmanager
def granted(storage: Storage, needs: list[str], operation: str) -> Iterator[None]:
    """Have a policy for each need, that speaks for one operation of Anne's only."""
    rule = f"(storage.allow_only_operation('{operation}') and auth.uid() = '{ANNE}')"
    made = []
    for number, need in zip(_numbers, needs, strict=False):
        table, _, verb = need.partition(".")
        clause = "with check" if verb == "insert" else "using"
        made.append(f"granted_{number} on storage.{table}")
        storage.sql(f"create policy {made[-1]} for {verb} to authenticated {clause} {rule}")
    try:
        yield
    finally:
        for policy in made:
            storage.sql(f"drop policy {policy}")


@pytest.fixture
def room(storage: Storage) -> Room:
    made = Room(storage, storage.bucket(), storage.bucket())
    storage.service.post(made.place("old"), content=b"old").raise_for_status()
    return made


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_allowed_by_the_policies_it_needs(room: Room, name: str) -> None:
    call = CALLS[name]
    with granted(room.storage, list(call.needs), call.operation):
        assert said(call.make(room)) == OK


@pytest.mark.parametrize(
    ("name", "missing"), [(name, need) for name, call in CALLS.items() for need in call.needs]
)
def test_a_call_is_refused_when_one_policy_is_missing(room: Room, name: str, missing: str) -> None:
    call = CALLS[name]
    others = [need for need in call.needs if need != missing]
    with granted(room.storage, others, call.operation):
        assert said(call.make(room)) == call.needs[missing]
    assert room.storage.service.get(room.place("old")).content == b"old"


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_refused_by_policies_for_another_operation(room: Room, name: str) -> None:
    call = CALLS[name]
    with granted(room.storage, list(call.needs), "storage.object.other"):
        assert said(call.make(room)) != OK
    assert room.storage.service.get(room.place("old")).content == b"old"


def test_every_way_of_uploading_shows_policies_what_comes(room: Room) -> None:
    """Type, length and the metadata of whoever uploads, as they were said."""
    rule = (
        "for insert to authenticated with check (metadata->>'mimetype' like 'image/%%'"
        " and user_metadata->>'department' = 'engineering' and owner_id = auth.uid()::text)"
    )
    good, bad = '{"department": "engineering"}', '{"department": "marketing"}'
    # Over S3 every upload may replace another, which takes a policy that shows it.
    with room.storage.policies(rule, "for select to authenticated using (true)"):
        for number, (kind, metadata, is_fit) in enumerate(
            [("image/png", good, True), ("text/plain", good, False), ("image/png", bad, False)]
        ):
            encoded = base64.b64encode(metadata.encode()).decode()
            headers = {"content-type": kind, "x-metadata": encoded}
            posted = room.anne.post(room.place(f"a{number}"), content=b"1", headers=headers)
            assert said(posted) == (OK if is_fit else VIOLATION)
            signed = room.anne.post(room.place(f"b{number}", "upload/sign/"), headers=headers)
            assert said(signed) == (OK if is_fit else VIOLATION)
            resumed = begin(
                *(room.anne, room.bucket, f"c{number}", 1),
                content=b"1",
                contentType=kind,
                metadata=metadata,
            )
            assert said(resumed) == (OK if is_fit else VIOLATION)
            department = {"department": "engineering" if metadata == good else "marketing"}
            place = {"Bucket": room.bucket, "Key": f"d{number}"}
            parts = with_s3(begin_parts(**place, ContentType=kind, Metadata=department))
            assert parts(room) == (OK if is_fit else "AccessDenied")


def test_a_copy_shows_policies_the_metadata_it_will_have(room: Room) -> None:
    engineering = base64.b64encode(b'{"department": "engineering"}').decode()
    marketing = base64.b64encode(b'{"department": "marketing"}').decode()
    room.storage.service.put(
        room.place("old"), content=b"old", headers={"x-metadata": engineering}
    ).raise_for_status()
    asked = {"bucketId": room.bucket, "sourceKey": "old"}
    with room.storage.policies(
        "for insert to authenticated with check (user_metadata->>'department' = 'engineering')",
        "for select to authenticated using (true)",
    ):
        for number, (keeps, metadata, expected) in enumerate(
            [
                (True, None, OK),
                (False, engineering, OK),
                (False, marketing, VIOLATION),
                (False, None, VIOLATION),
            ]
        ):
            answer = room.anne.post(
                "/object/copy",
                json={**asked, "destinationKey": f"n{number}", "copyMetadata": keeps},
                headers={"x-metadata": metadata} if metadata else {},
            )
            assert said(answer) == expected


def test_nobody_but_the_service_empties_a_bucket(room: Room) -> None:
    everything = "for all to public using (true) with check (true)"
    with room.storage.policies(everything):
        for client in (room.anne, room.storage.anon):
            refused = client.post(f"/bucket/{room.bucket}/empty")
            assert (refused.status_code, said(refused)) == (403, "Access denied: Invalid role")
    assert said(room.storage.service.post(f"/bucket/{room.bucket}/empty")) == OK


def test_several_operations_may_be_named_with_and_without_their_prefix(room: Room) -> None:
    listed = {"prefix": ""}
    with room.storage.policies(
        "for select to authenticated using (storage.allow_any_operation("
        "array['object.list', 'storage.object.get_authenticated'])"
        f" and auth.uid() in ('{ANNE}', '{BORIS}'))"
    ):
        for client in (room.anne, room.storage.boris):
            assert said(client.post(f"/object/list/{room.bucket}", json=listed)) == OK
            assert said(client.get(room.place("old"))) == OK
            assert said(client.get(room.place("old", "info/authenticated/"))) == NO_OBJECT
            assert said(client.delete(room.place("old"))) == "Access denied"
