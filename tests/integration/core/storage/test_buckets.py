"""Buckets are made, listed, changed, emptied and deleted, by whom the policies let; live."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.integration.core.storage.conftest import ANNE, Storage

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
NOT_FOUND = {
    "statusCode": "404",
    "error": "Bucket not found",
    "message": "Bucket not found",
    "code": "NoSuchBucket",
}

BAD_TYPE = ("415", "invalid_mime_type", "InvalidMimeType")


@contextmanager
def bucket_policies(storage: Storage, *policies: str) -> Iterator[None]:
    """Have policies on ``storage.buckets`` for the block."""
    for number, policy in enumerate(policies):
        storage.sql(f"create policy on_buckets_{number} on storage.buckets {policy}")
    try:
        yield
    finally:
        for number in range(len(policies)):
            storage.sql(f"drop policy on_buckets_{number} on storage.buckets")


def refusal(answer: httpx.Response, http_status: int = 400) -> tuple[str, str, str]:
    """Return status, word and code of a refusal, after a look at its shape."""
    assert answer.status_code == http_status, answer.text
    body = answer.json()
    assert list(body) == ["statusCode", "error", "message", "code"]
    return body["statusCode"], body["error"], body["code"]


def test_a_bucket_is_made_and_told_of_as_upstream_tells(storage: Storage) -> None:
    answer = storage.service.post("/bucket", json={"name": "told", "file_size_limit": "20mb"})
    assert answer.json() == {"name": "told"}
    told = storage.service.get("/bucket/told").json()
    assert TIME.fullmatch(told.pop("created_at"))
    assert TIME.fullmatch(told.pop("updated_at"))
    assert told == {
        "id": "told",
        "name": "told",
        "owner": "",
        "public": False,
        "file_size_limit": 20_000_000,
        "allowed_mime_types": None,
    }


def test_a_bucket_belongs_to_its_maker(storage: Storage) -> None:
    sub = "not a uuid"
    with bucket_policies(
        storage, "for insert to authenticated with check (owner_id = auth.jwt() ->> 'sub')"
    ):
        assert storage.anne.post("/bucket", json={"name": "anne's"}).status_code == 200
        assert storage.as_user(sub).post("/bucket", json={"name": "odd one"}).status_code == 200
    owners = storage.sql("select owner_id, owner::text from storage.buckets where name = 'anne''s'")
    assert owners == [(ANNE, ANNE)]
    owners = storage.sql("select owner_id, owner from storage.buckets where name = 'odd one'")
    assert owners == [(sub, None)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"name": "newbucket/test"}, ("400", "Invalid Input", "InvalidBucketName")),
        ({"name": " a"}, ("400", "Invalid Input", "InvalidBucketName")),
        ({"name": ""}, ("400", "Invalid Input", "InvalidBucketName")),
        ({"name": "a" * 101}, ("400", "Invalid Input", "InvalidBucketName")),
        ({"name": "a--table-s3"}, ("400", "Invalid Input", "InvalidBucketName")),
        ({"name": "fine", "id": "../x"}, ("400", "Invalid Input", "InvalidBucketName")),
        ({}, ("400", "Error", "InvalidRequest")),
        ({"name": ["x"]}, ("400", "Error", "InvalidRequest")),
        ({"name": "x", "public": "perhaps"}, ("400", "Error", "InvalidRequest")),
        ({"name": "x", "type": "VECTOR"}, ("400", "Error", "InvalidRequest")),
        ({"name": "x", "type": "ANALYTICS"}, ("409", "FeatureNotEnabled", "FeatureNotEnabled")),
        ({"name": "x", "file_size_limit": -1}, ("400", "Error", "InvalidRequest")),
        ({"name": "x", "file_size_limit": "20 stone"}, ("400", "Error", "InvalidRequest")),
        ({"name": "x", "file_size_limit": "9GB"}, ("413", "Payload too large", "EntityTooLarge")),
        ({"name": "x", "allowed_mime_types": ["png"]}, BAD_TYPE),
        ({"name": "x", "allowed_mime_types": ["a" * 1001 + "/*"]}, BAD_TYPE),
        ({"name": "x", "allowed_mime_types": [7]}, ("400", "Error", "InvalidRequest")),
    ],
)  # fmt: skip
def test_a_bucket_that_may_not_be_is_refused(
    storage: Storage, body: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    assert refusal(storage.service.post("/bucket", json=body)) == expected


def test_a_name_is_taken_once(storage: Storage) -> None:
    bucket = storage.bucket()
    answer = storage.service.post("/bucket", json={"name": bucket})
    assert refusal(answer) == ("409", "Duplicate", "BucketAlreadyExists")
    assert answer.json()["message"] == "The resource already exists"


def test_settings_that_are_not_named_stay_and_null_clears_them(storage: Storage) -> None:
    bucket = storage.bucket()

    def settings() -> tuple[Any, ...]:
        told = storage.service.get(f"/bucket/{bucket}").json()
        return told["public"], told["file_size_limit"], told["allowed_mime_types"]

    def change(**body: Any) -> None:
        answer = storage.service.put(f"/bucket/{bucket}", json=body)
        assert (answer.status_code, answer.json()) == (200, {"message": "Successfully updated"})

    change(public=True, file_size_limit="20mb", allowed_mime_types=["image/*", ""])
    assert settings() == (True, 20_000_000, ["image/*"])
    change(public=False, name="ignored", id="ignored")
    assert settings() == (False, 20_000_000, ["image/*"])
    change(file_size_limit=None, allowed_mime_types=None)
    assert settings() == (False, None, None)
    change(allowed_mime_types=[])
    assert settings() == (False, None, [])
    for body in ({}, {"name": "x"}):
        answer = storage.service.put(f"/bucket/{bucket}", json=body)
        assert refusal(answer) == ("400", "Error", "InvalidRequest")
    assert storage.service.put("/bucket/none", json={"public": True}).json() == NOT_FOUND


def test_buckets_are_listed_by_page_order_and_text(storage: Storage) -> None:
    for name in ("list+d", "list_c", "LIST-b", "list-a"):
        assert storage.service.post("/bucket", json={"name": name}).status_code == 200

    def names(**query: Any) -> list[str]:
        answer = storage.service.get("/bucket", params={"search": "list", **query})
        assert answer.status_code == 200, answer.text
        return [bucket["name"] for bucket in answer.json()]

    assert names(sortColumn="created_at", sortOrder="desc") == [
        "list-a",
        "LIST-b",
        "list_c",
        "list+d",
    ]
    assert names(sortColumn="created_at", limit=2, offset=1) == ["list_c", "LIST-b"]
    assert sorted(names()) == ["LIST-b", "list+d", "list-a", "list_c"]
    assert names(search="list%") == []
    assert names(search="t_c") == ["list_c"]
    assert names(search="nothing such") == []
    bad: list[dict[str, Any]] = [
        {"limit": 0}, {"offset": -1}, {"limit": "x"}, {"limit": ""},
        {"sortColumn": "owner"}, {"sortOrder": "up"},
    ]  # fmt: skip
    for query in bad:
        answer = storage.service.get("/bucket", params=query)
        assert refusal(answer) == ("400", "Error", "InvalidRequest")


@pytest.mark.parametrize(
    ("header", "value", "has_type"),
    [
        ("user-agent", "Mozilla/5.0", True),
        ("user-agent", "supabase-py/storage3 v0.11.9", False),
        ("user-agent", "supabase-py/storage3 v0.12.1", True),
        ("user-agent", "supabase-py/storage3 v1.0.0", True),
        ("x-client-info", "supabase-py/2.17.3", False),
        ("x-client-info", "supabase-py/2.18.0", True),
    ],
)
def test_clients_that_stumble_over_the_type_of_a_bucket_are_not_told(
    storage: Storage, header: str, value: str, has_type: bool
) -> None:
    bucket = storage.bucket()
    answer = storage.service.get("/bucket", params={"search": bucket}, headers={header: value})
    (told,) = (item for item in answer.json() if item["id"] == bucket)
    assert told.get("type") == ("STANDARD" if has_type else None)
    expected = ["id", "name", "owner", "public", "type", "file_size_limit", "allowed_mime_types"]
    expected += ["created_at", "updated_at"]
    assert list(told) == [key for key in expected if has_type or key != "type"]


def test_what_a_caller_sees_and_does_to_buckets_is_what_the_policies_give(
    storage: Storage,
) -> None:
    mine = "(owner_id = auth.jwt() ->> 'sub')"
    carla = "33333333-3333-4333-8333-333333333333"
    bucket = storage.bucket(owner_id=carla)
    owner = storage.as_user(carla)
    unseen = (f"/bucket/{bucket}", {"public": True})
    for someone in (storage.anon, owner):  # no policy: nothing
        assert someone.get("/bucket").json() == []
        assert someone.get(unseen[0]).json() == NOT_FOUND
        assert someone.put(unseen[0], json=unseen[1]).json() == NOT_FOUND
        assert someone.delete(unseen[0]).json() == NOT_FOUND
        refused = someone.post("/bucket", json={"name": "mine"})
        assert refusal(refused) == ("403", "Unauthorized", "AccessDenied")
        assert refused.json()["message"] == "new row violates row-level security policy"
    acts = ("select", "update", "delete")
    policies = [f"for {act} to authenticated using {mine}" for act in acts]
    with bucket_policies(storage, *policies):
        assert storage.boris.get("/bucket").json() == []
        assert storage.boris.get(unseen[0]).json() == NOT_FOUND
        assert storage.boris.put(unseen[0], json=unseen[1]).json() == NOT_FOUND
        assert storage.boris.delete(unseen[0]).json() == NOT_FOUND
        assert [told["id"] for told in owner.get("/bucket").json()] == [bucket]
        assert owner.get(unseen[0]).json()["owner"] == ""
        assert owner.put(unseen[0], json=unseen[1]).status_code == 200
        assert owner.delete(unseen[0]).json() == {"message": "Successfully deleted"}
    assert storage.service.get(unseen[0]).json() == NOT_FOUND


def test_policies_are_told_which_operation_asks(storage: Storage) -> None:
    bucket = storage.bucket()
    allowed = "for select to anon using (storage.allow_only_operation('bucket.list'))"
    with bucket_policies(storage, allowed):
        assert bucket in [told["id"] for told in storage.anon.get("/bucket").json()]
        assert storage.anon.get(f"/bucket/{bucket}").json() == NOT_FOUND


def test_a_bucket_is_deleted_when_it_is_empty(storage: Storage) -> None:
    bucket = storage.bucket()
    json_type = {"content-type": "application/json"}
    assert storage.service.post(f"/object/{bucket}/a", content=b"a").status_code == 200
    answer = storage.service.delete(f"/bucket/{bucket}")
    assert refusal(answer) == ("409", "ResourceNotEmpty", "ResourceNotEmpty")
    assert answer.json()["message"] == "The bucket you tried to delete is not empty"
    assert storage.service.delete(f"/object/{bucket}/a").status_code == 200
    answer = storage.service.request("DELETE", f"/bucket/{bucket}", content=b"", headers=json_type)
    assert answer.json() == {"message": "Successfully deleted"}
    answer = storage.service.request(
        "DELETE", f"/bucket/{bucket}", content=b"{}", headers=json_type
    )
    assert (answer.status_code, answer.json()) == (400, NOT_FOUND)
