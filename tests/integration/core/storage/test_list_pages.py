"""Pages as the S3 protocol asks for them: any delimiter, a name to start after, uploads by key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import orjson
import pytest

from gavan.core.storage.caller import Caller
from gavan.core.storage.listing.pages import Asked, list_page, list_uploads
from gavan.core.storage.store import Store
from gavan.database.pool import Pool
from gavan.kit.secret import Secret
from tests.conftest import Database

OPERATION = "storage.s3.object.list"
NAMES = [
    "top.txt",
    "p1/a",
    "p1/b",
    "p1-x/a",
    "p2/a",
    "p2",
    "p--c--d",
    "p--e",
]


def caller(role: str) -> Caller:
    return Caller(
        role=role,
        sub=None,
        token="",
        claims_json=orjson.dumps({"role": role}).decode(),
        method="GET",
        path="/",
        headers_json="{}",
        is_known=True,
    )


SERVICE = caller("service_role")


@pytest.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    with database.connect("supabase_admin") as connection:
        connection.execute("insert into storage.buckets (id, name) values ('b', 'b')")
        connection.execute(
            "insert into storage.objects (bucket_id, name) select 'b', unnest(%s::text[])",
            (NAMES,),
        )
        connection.execute(
            "insert into storage.s3_multipart_uploads"
            " (id, upload_signature, bucket_id, key, version)"
            " select id, '', 'b', key, '' from (values ('2', 'a'), ('1', 'a'), ('3', 'f/x'),"
            " ('4', 'f/y'), ('5', 'F/z'), ('6', 'z')) as given (id, key)"
        )
    pool = Pool(Secret(database.url("supabase_storage_admin")), size=1, application_name="test")
    store = Store(pool)
    await store.open()
    yield store
    await store.close()


async def everything(store: Store, asked: Asked) -> list[str]:
    """Return the names of all pages, folders before objects on each."""
    names: list[str] = []
    while True:
        page = await list_page(store, SERVICE, OPERATION, asked)
        names += [entry["name"] for entry in (*page.folders, *page.objects)]
        if page.next_token is None:
            return names
        assert page.next_name in names
        asked = replace(asked, token=page.next_token)


async def test_a_page_without_delimiter_names_every_key(store: Store) -> None:
    asked = Asked(bucket_id="b", limit=3)
    assert await everything(store, asked) == sorted(NAMES)
    assert await everything(store, replace(asked, prefix="p1/")) == ["p1/a", "p1/b"]


@pytest.mark.parametrize("limit", [1, 2, 1000])
async def test_a_delimiter_may_be_any_text(store: Store, limit: int) -> None:
    asked = Asked(bucket_id="b", delimiter="/", limit=limit)
    slashed = ["p--c--d", "p--e", "p1-x/", "p1/", "p2", "p2/", "top.txt"]
    assert sorted(await everything(store, asked)) == slashed
    dashed = await everything(store, replace(asked, delimiter="--", prefix="p"))
    assert sorted(dashed) == ["p--", "p1-x/a", "p1/a", "p1/b", "p2", "p2/a"]


async def test_a_page_starts_after_a_name(store: Store) -> None:
    asked = Asked(bucket_id="b", delimiter="/")
    for after, expected in (
        ("p1/a", ["p2", "p2/", "top.txt"]),
        ("p1/", ["p2", "p2/", "top.txt"]),
        ("p2", ["p2/", "top.txt"]),
        ("p2/zzz", ["top.txt"]),
        ("zzz", []),
    ):
        assert sorted(await everything(store, replace(asked, start_after=after))) == expected
    found = await everything(store, Asked(bucket_id="b", start_after="p1/a", prefix="p1/"))
    assert found == ["p1/b"]


async def test_a_page_of_nothing_has_no_next(store: Store) -> None:
    page = await list_page(store, SERVICE, OPERATION, Asked(bucket_id="b", limit=0))
    assert (page.objects, page.next_token) == ([], None)


async def test_uploads_stand_by_key_and_pages_hold_each_once(store: Store) -> None:
    asked = Asked(bucket_id="b", delimiter="/", limit=1)
    found: list[tuple[str, str]] = []
    after = ""
    for _ in range(10):
        page = await list_uploads(store, SERVICE, OPERATION, asked, after)
        found += [(entry["key"], entry["id"]) for entry in page.uploads]
        found += [(folder, "") for folder in page.folders]
        if page.next_key is None:
            break
        asked, after = replace(asked, start_after=page.next_key), page.next_id or ""
    assert found == [("F/", ""), ("a", "1"), ("a", "2"), ("f/", ""), ("z", "6")]
    whole = await list_uploads(store, SERVICE, OPERATION, Asked(bucket_id="b", prefix="f/"))
    assert [entry["id"] for entry in whole.uploads] == ["3", "4"]
    assert whole.uploads[0]["created_at"].endswith("Z")


async def test_uploads_are_hidden_without_a_policy(store: Store) -> None:
    page = await list_uploads(store, caller("anon"), OPERATION, Asked(bucket_id="b"))
    assert page.uploads == []
