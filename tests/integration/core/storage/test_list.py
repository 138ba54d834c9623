"""Both listings over HTTP: what they name, in which order, in which pages, and for whom."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import pytest

from tests.integration.core.storage.conftest import ANNE, BORIS, Storage

OWN_FOLDER = "for select to authenticated using (split_part(name, '/', 1) = auth.uid()::text)"


def filled(storage: Storage, names: Iterable[str]) -> str:
    """Make a bucket with objects; each is a minute younger than the one before it."""
    bucket = storage.bucket()
    storage.sql(
        "insert into storage.objects (bucket_id, name, version, metadata, created_at, updated_at)"
        " select %s, name, gen_random_uuid(), '{\"size\": 1}',"
        " timestamptz '2026-01-01 10:00:00.1234567Z' + number * interval '1 minute',"
        " timestamptz '2026-01-02 10:00Z' - number * interval '1 minute'"
        " from unnest(%s::text[]) with ordinality as given (name, number)",
        bucket,
        list(names),
    )
    return bucket


def search(storage: Storage, bucket: str, prefix: str, **asked: Any) -> list[dict[str, Any]]:
    answer = storage.service.post(f"/object/list/{bucket}", json={"prefix": prefix, **asked})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


def names(entries: Iterable[dict[str, Any]]) -> list[str]:
    return [entry["name"] for entry in entries]


def page(storage: Storage, bucket: str, **asked: Any) -> dict[str, Any]:
    answer = storage.service.post(f"/object/list-v2/{bucket}", json=asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def all_pages(storage: Storage, bucket: str, **asked: Any) -> list[list[str]]:
    """Return the names of every page, folders before objects."""
    found: list[list[str]] = []
    cursor = ""
    while len(found) < 50:
        one = page(storage, bucket, cursor=cursor, **asked)
        found.append([*names(one["folders"]), *names(one["objects"])])
        if not one["hasNext"]:
            assert "nextCursor" not in one
            return found
        cursor = one["nextCursor"]
    raise AssertionError("the pages have no end")


def test_an_entry_of_the_older_listing_is_what_clients_expect(storage: Storage) -> None:
    bucket = filled(storage, ["folder/cat.png", "folder/inner/dog.png"])
    cat, inner = search(storage, bucket, "folder")
    assert cat["name"] == "cat.png"
    assert cat["created_at"] == "2026-01-01T10:01:00.123Z"
    assert cat["metadata"] == {"size": 1}
    assert list(cat) == ["name", "id", "updated_at", "created_at", "last_accessed_at", "metadata"]
    assert inner == {key: "inner" if key == "name" else None for key in cat}


def test_the_older_listing_does_not_see_the_case(storage: Storage) -> None:
    bucket = filled(storage, ["public/a.png", "Public/B.png", "private/c.png"])
    assert names(search(storage, bucket, "PUBLIC/")) == ["a.png", "B.png"]
    assert names(search(storage, bucket, "")) == ["private", "public"]
    for order in ("asc", "desc"):
        by_time = {"column": "created_at", "order": order}
        assert set(names(search(storage, bucket, "PUBLIC/", sortBy=by_time))) == {"a.png", "B.png"}


def test_names_stand_in_the_order_of_their_bytes(storage: Storage) -> None:
    given = ["sadcat-upload23.png", "sadcat-upload.png", "b/x", "b.txt", "b0"]
    bucket = filled(storage, given)
    expected = ["b.txt", "b", "b0", "sadcat-upload.png", "sadcat-upload23.png"]
    assert names(search(storage, bucket, "")) == expected
    descending = search(storage, bucket, "", sortBy={"column": "name", "order": "desc"})
    assert names(descending) == expected[::-1]


def test_a_search_goes_on_where_the_prefix_ends(storage: Storage) -> None:
    bucket = filled(storage, ["a/b/c/file.png", "a/x/folder/sub1/file.png", "a/x/file.png"])
    assert names(search(storage, bucket, "a/", search="b/c/file.png")) == ["b/c/file.png"]
    assert names(search(storage, bucket, "a/", search="B/C/f")) == ["b/c/file.png"]
    (folder,) = search(storage, bucket, "a/", search="x/folder/")
    assert folder["name"] == "x/folder/sub1"
    assert folder["id"] is folder["metadata"] is folder["created_at"] is None
    by_time = search(
        storage, bucket, "a/", search="x/", sortBy={"column": "updated_at", "order": "asc"}
    )
    assert names(by_time) == ["x/folder", "x/file.png"]


@pytest.mark.parametrize("column", ["name", "updated_at"])
def test_wildcards_are_letters(storage: Storage, column: str) -> None:
    bucket = filled(storage, ["a_b/one", "axb/two", "a%b/three", "a\\b/four"])
    sort = {"column": column, "order": "asc"}
    for prefix, expected in (("a_b", "one"), ("a%b", "three"), ("a\\b", "four")):
        assert names(search(storage, bucket, prefix, sortBy=sort)) == [expected]
        found = page(storage, bucket, prefix=f"{prefix}/", sortBy=sort)
        assert names(found["objects"]) == [f"{prefix}/{expected}"]
    assert search(storage, bucket, "%", sortBy=sort) == []


def test_by_a_time_folders_come_first(storage: Storage) -> None:
    bucket = filled(storage, ["z/1", "m.txt", "b/1", "a.txt"])
    young = search(storage, bucket, "", sortBy={"column": "created_at", "order": "desc"})
    assert names(young) == ["z", "b", "a.txt", "m.txt"]
    old = search(storage, bucket, "", sortBy={"column": "created_at", "order": "asc"})
    assert names(old) == ["b", "z", "m.txt", "a.txt"]


def test_the_older_listing_pages_by_offset(storage: Storage) -> None:
    given = [f"{letter}/{number}" for letter in "abc" for number in range(20)]
    bucket = filled(storage, [*given, "a.txt", "b.txt", "c.txt"])
    expected = ["a.txt", "a", "b.txt", "b", "c.txt", "c"]
    for order, whole in (("asc", expected), ("desc", expected[::-1])):
        sort = {"column": "name", "order": order}
        found = [
            *(search(storage, bucket, "", limit=4, sortBy=sort)),
            *(search(storage, bucket, "", limit=4, offset=4, sortBy=sort)),
        ]
        assert names(found) == whole
    assert len(search(storage, bucket, "a", limit=5, offset=17)) == 3


def test_the_newer_listing_names_folders_and_objects_whole(storage: Storage) -> None:
    bucket = filled(storage, ["testpath/a.txt", "testpath/b.txt", "testpath/in/c.txt"])
    top = page(storage, bucket, with_delimiter=True)
    assert (top["hasNext"], top["objects"]) == (False, [])
    (folder,) = top["folders"]
    assert (folder["key"], folder["name"], folder["id"]) == ("testpath", "testpath/", None)
    inside = page(storage, bucket, prefix="testpath/", with_delimiter=True)
    assert [(one["key"], one["name"]) for one in inside["folders"]] == [("in", "testpath/in/")]
    assert [one["key"] for one in inside["objects"]] == ["a.txt", "b.txt"]
    assert names(page(storage, bucket, prefix="testpath/a")["objects"]) == ["testpath/a.txt"]
    assert page(storage, bucket, prefix="TESTPATH")["objects"] == []


def test_a_folder_is_as_old_as_its_oldest_object(storage: Storage) -> None:
    bucket = filled(storage, ["b/1", "a.txt", "b/2", "c/1"])
    sort = {"column": "updated_at", "order": "asc"}
    found = page(storage, bucket, with_delimiter=True, sortBy=sort)
    b, c = found["folders"]
    assert (b["name"], b["created_at"]) == ("b/", "2026-01-01T10:01:00.123Z")
    assert b["updated_at"] == b["created_at"]
    assert c["updated_at"] == "2026-01-01T10:04:00.123Z"


@pytest.mark.parametrize("column", ["name", "created_at", "updated_at"])
@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("with_delimiter", [True, False])
def test_pages_hold_every_entry_once_and_in_order(
    storage: Storage, column: str, order: str, *, with_delimiter: bool
) -> None:
    given = ["f1", "f1.txt", "f1/x", "f1-/x", "f1//y", "G", "g/a/b", *(f"d/{n}" for n in range(12))]
    bucket = filled(storage, given)
    storage.sql(
        "update storage.objects set created_at = '2026-01-01Z', updated_at = '2026-01-01Z'"
        " where bucket_id = %s and name like 'f1%%'",
        bucket,
    )
    sort = {"column": column, "order": order}
    asked = {"with_delimiter": with_delimiter, "sortBy": sort}
    whole = all_pages(storage, bucket, **asked)
    assert len(whole) == 1
    for limit in (1, 2, 3):
        pages = all_pages(storage, bucket, limit=limit, **asked)
        assert all(len(one) == limit for one in pages[:-1])
        assert sorted(itertools.chain(*pages)) == sorted(whole[0])
    expected = {"f1", "f1.txt", "f1/", "f1-/", "G", "g/", "d/"} if with_delimiter else set(given)
    assert set(whole[0]) == expected
    if not with_delimiter and column == "name":
        assert whole[0] == sorted(given, reverse=order == "desc")


def test_a_cursor_brings_its_order(storage: Storage) -> None:
    bucket = filled(storage, ["a", "b", "c"])
    first = page(storage, bucket, limit=1, sortBy={"column": "name", "order": "desc"})
    second = page(storage, bucket, limit=1, cursor=first["nextCursor"])
    assert [*names(first["objects"]), *names(second["objects"])] == ["c", "b"]


def test_keys_with_special_characters_come_back_as_they_are(storage: Storage) -> None:
    given = ["special file @+$,;=?.txt", "a///child.txt", "!-_.*'()&:"]
    bucket = filled(storage, given)
    assert names(page(storage, bucket)["objects"]) == sorted(given)
    assert names(search(storage, bucket, ""))[1:] == ["a", "special file @+$,;=?.txt"]
    inside = page(storage, bucket, prefix="a/", with_delimiter=True)
    assert [(one["key"], one["name"]) for one in inside["folders"]] == [("", "a//")]
    deeper = page(storage, bucket, prefix="a//", with_delimiter=True)
    assert names(deeper["folders"]) == ["a///"]


def test_policies_decide_what_is_listed(storage: Storage) -> None:
    bucket = filled(storage, [f"{ANNE}/a.txt", f"{BORIS}/b.txt", "shared.txt"])
    everything = {"prefix": "", "with_delimiter": True}
    with storage.policies(OWN_FOLDER):
        for person, own in ((storage.anne, ANNE), (storage.boris, BORIS)):
            older = person.post(f"/object/list/{bucket}", json={"prefix": ""}).json()
            assert names(older) == [own]
            newer = person.post(f"/object/list-v2/{bucket}", json=everything).json()
            assert (names(newer["folders"]), newer["objects"]) == ([f"{own}/"], [])
        others = storage.anne.post(f"/object/list/{bucket}", json={"prefix": BORIS})
        assert others.json() == []
        assert storage.anon.post(f"/object/list/{bucket}", json={"prefix": ""}).json() == []


def test_policies_are_told_the_operation(storage: Storage) -> None:
    bucket = filled(storage, ["a.txt"])
    for path, operation in (("list", "object.list"), ("list-v2", "storage.object.list_v2")):
        rule = f"for select to anon using (storage.allow_only_operation('{operation}'))"
        with storage.policies(rule):
            answer = storage.anon.post(f"/object/{path}/{bucket}", json={"prefix": ""}).json()
            found = answer if path == "list" else answer["objects"]
            assert names(found) == ["a.txt"]
            other = "list-v2" if path == "list" else "list"
            denied = storage.anon.post(f"/object/{other}/{bucket}", json={"prefix": ""}).json()
            assert not (denied if other == "list" else denied["objects"])


def test_a_missing_bucket_lists_nothing(storage: Storage) -> None:
    assert search(storage, "nowhere", "") == []
    assert page(storage, "nowhere") == {"hasNext": False, "folders": [], "objects": []}


@pytest.mark.parametrize(
    ("path", "asked", "message"),
    [
        ("list", {}, "body must have required property 'prefix'"),
        ("list", {"prefix": "", "limit": 0}, "body/limit must be >= 1"),
        ("list", {"prefix": "", "offset": -1}, "body/offset must be >= 0"),
        ("list", {"prefix": "", "limit": 1.5}, "body/limit must be integer"),
        ("list", {"prefix": 1}, "body/prefix must be string"),
        ("list", {"prefix": "", "sortBy": {}}, "body/sortBy must have required property 'column'"),
        ("list", {"prefix": "", "sortBy": {"column": "owner"}}, "body/sortBy/column must be equal"),
        ("list-v2", {"sortBy": {"column": "last_accessed_at"}}, "body/sortBy/column must be equal"),
        ("list-v2", {"cursor": "garbage"}, "Invalid Parameter continuation token"),
        ("list-v2", {"with_delimiter": "perhaps"}, "body/with_delimiter must be boolean"),
        ("list-v2", {"prefix": "a\x00b"}, "invalid byte sequence"),
    ],
)
def test_what_cannot_be_listed_is_refused(
    storage: Storage, path: str, asked: dict[str, Any], message: str
) -> None:
    answer = storage.service.post(f"/object/{path}/bucket", json=asked)
    assert answer.status_code == 400
    assert message in answer.json()["message"]
    assert answer.json()["statusCode"] == "400"


def test_a_listing_takes_a_token(storage: Storage) -> None:
    answer = storage.nobody.post("/object/list/bucket", json={"prefix": ""})
    assert (answer.status_code, answer.json()["error"]) == (400, "Unauthorized")
