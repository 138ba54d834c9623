"""What two users may do to each other's objects, and which policies each call needs."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from psycopg.errors import UniqueViolation

from tests.integration.core.storage.conftest import ANNE, BORIS, Storage

REFUSED = (
    '{"statusCode":"403","error":"Unauthorized",'
    '"message":"new row violates row-level security policy","code":"AccessDenied"}'
)
DENIED = (
    '{"statusCode":"403","error":"Unauthorized","message":"Access denied","code":"AccessDenied"}'
)
OWN = "(storage.foldername(name))[1] = (select auth.jwt()->>'sub')"
INSERT = f"for insert to authenticated with check ({OWN})"
SELECT = f"for select to authenticated using ({OWN})"
UPDATE = f"for update to authenticated using ({OWN})"
DELETE = f"for delete to authenticated using ({OWN})"
UPSERT = {"x-upsert": "true"}


@pytest.fixture
def bucket(storage: Storage) -> Iterator[str]:
    yield storage.bucket()
    assert not storage.orphans()


def test_insert_alone_is_enough_for_a_new_object_and_not_for_an_upsert(
    storage: Storage, bucket: str
) -> None:
    with storage.policies(INSERT):
        assert storage.anne.post(f"/object/{bucket}/{ANNE}/a", content=b"1").status_code == 200
        upsert = storage.anne.post(f"/object/{bucket}/{ANNE}/b", content=b"1", headers=UPSERT)
        assert (upsert.status_code, upsert.text) == (400, REFUSED)
        assert storage.anne.put(f"/object/{bucket}/{ANNE}/b", content=b"1").text == REFUSED
        assert storage.boris.post(f"/object/{bucket}/{ANNE}/c", content=b"1").text == REFUSED
        assert storage.anon.post(f"/object/{bucket}/{ANNE}/c", content=b"1").text == REFUSED
    assert storage.anne.post(f"/object/{bucket}/{ANNE}/d", content=b"1").text == REFUSED
    row = storage.row(bucket, f"{ANNE}/a")
    assert row is not None
    assert row["owner"] == row["owner_id"] == ANNE


def test_an_upsert_needs_insert_select_and_update(storage: Storage, bucket: str) -> None:
    place = f"/object/{bucket}/{ANNE}/a"
    storage.service.post(place, content=b"old").raise_for_status()
    for missing in (INSERT, SELECT, UPDATE):
        with storage.policies(*({INSERT, SELECT, UPDATE} - {missing})):
            assert storage.anne.put(place, content=b"1").text == REFUSED, missing
    with storage.policies(INSERT, SELECT, UPDATE):
        assert storage.boris.put(place, content=b"1").text == REFUSED
        assert storage.anne.post(place, content=b"1", headers=UPSERT).status_code == 200
        assert storage.anne.put(place, content=b"12").status_code == 200
    row = storage.row(bucket, f"{ANNE}/a")
    assert row is not None
    assert (row["owner_id"], row["metadata"]["size"]) == (ANNE, 2)


def test_a_replaced_object_keeps_its_owner_only_when_nobody_takes_it(
    storage: Storage, bucket: str
) -> None:
    everything = "for all to authenticated using (true) with check (true)"
    place, owners = f"/object/{bucket}/shared", []
    with storage.policies(everything):
        for client in (storage.anne, storage.service, storage.boris, storage.as_user("no-uuid")):
            client.put(place, content=b"x").raise_for_status()
            row = storage.row(bucket, "shared")
            assert row is not None
            owners.append((row["owner_id"], row["owner"]))
    assert owners == [(ANNE, ANNE), (ANNE, ANNE), (BORIS, BORIS), ("no-uuid", None)]


def test_policies_see_type_length_owner_metadata_and_operation(
    storage: Storage, bucket: str
) -> None:
    metadata = base64.b64encode(b'{"project": "x"}').decode()
    with storage.policies(
        "for insert to authenticated with check (metadata->>'mimetype' = 'image/png'"
        " and (metadata->>'contentLength')::int between 3 and 1000"
        " and user_metadata->>'project' = 'x' and owner_id = (select auth.uid())::text"
        " and storage.allow_only_operation('object.upload')"
        " and current_setting('request.method') = 'POST')"
    ):
        headers = {"content-type": "image/png", "x-metadata": metadata}
        place = f"/object/{bucket}"
        assert storage.anne.post(f"{place}/a", content=b"123", headers=headers).status_code == 200
        for other in ({"content-type": "image/gif"}, {"x-metadata": "e30="}):
            answer = storage.anne.post(f"{place}/b", content=b"123", headers=headers | other)
            assert answer.text == REFUSED
        assert storage.anne.post(f"{place}/b", content=b"1", headers=headers).text == REFUSED
        unsaid = storage.anne.post(f"{place}/b", content=iter([b"123"]), headers=headers)
        assert unsaid.text == REFUSED
        form = storage.anne.post(
            f"{place}/f", data={"metadata": '{"project": "x"}'}, files={"": ("", b"1", "image/png")}
        )
        assert form.status_code == 400  # no file name: it is a field
        form = storage.anne.post(
            f"{place}/f",
            data={"metadata": '{"project": "x"}'},
            files={"": ("f", b"1", "image/png")},
        )
        assert form.status_code == 200  # the length is that of the whole form


def test_one_delete_needs_delete_and_select(storage: Storage, bucket: str) -> None:
    place = f"/object/{bucket}/{ANNE}/a"
    storage.service.post(place, content=b"x").raise_for_status()
    for missing in (DELETE, SELECT):
        with storage.policies(*({DELETE, SELECT} - {missing})):
            answer = storage.anne.delete(place)
            assert (answer.status_code, answer.text) == (400, DENIED), missing
    with storage.policies(DELETE, SELECT):
        assert storage.boris.delete(place).text == DENIED
        assert storage.anon.delete(place).text == DENIED
        assert storage.boris.delete(f"/object/{bucket}/none").json()["statusCode"] == "404"
        assert storage.anne.delete(place).json() == {"message": "Successfully deleted"}
        assert storage.anne.delete(place).json()["error"] == "not_found"


def test_many_deletes_take_what_the_policies_let_go(storage: Storage, bucket: str) -> None:
    names = [f"{ANNE}/a", f"{BORIS}/b", "none"]
    for name in names[:2]:
        storage.service.post(f"/object/{bucket}/{name}", content=b"x").raise_for_status()
    with storage.policies(DELETE, SELECT):
        answer = storage.anne.request("DELETE", f"/object/{bucket}", json={"prefixes": names})
    assert answer.status_code == 200
    assert [row["name"] for row in answer.json()] == [f"{ANNE}/a"]
    assert list(answer.json()[0]) == [
        *("name", "bucket_id", "owner", "owner_id", "version", "id", "updated_at", "created_at"),
        *("last_accessed_at", "metadata", "user_metadata"),
    ]
    assert storage.row(bucket, f"{BORIS}/b") is not None


def test_many_deletes_need_names_and_take_any_number(storage: Storage, bucket: str) -> None:
    def ask(names: object, of: str = bucket) -> tuple[int, object]:
        answer = storage.service.request("DELETE", f"/object/{of}", json={"prefixes": names})
        return answer.status_code, answer.json()

    for number in range(3):
        storage.service.post(f"/object/{bucket}/{number}", content=b"x").raise_for_status()
    status, deleted = ask([str(number) for number in range(1001)])
    assert (status, isinstance(deleted, list) and len(deleted)) == (200, 3)
    assert ask([f"{number}" for number in range(1001)]) == (200, [])
    assert ask(["a"], of="notfound") == (200, [])
    assert ask(["a\0b"]) == (200, [])
    for wrong in ([], "a", None, [1]):
        assert ask(wrong)[0] == 400


def test_nobody_can_give_a_row_of_theirs_the_bytes_of_another(
    storage: Storage, bucket: str
) -> None:
    """As the data API lets them, where it shows schema storage."""
    for name in (f"{ANNE}/a", f"{BORIS}/b"):
        storage.service.post(f"/object/{bucket}/{name}", content=b"x").raise_for_status()
    row = storage.row(bucket, f"{BORIS}/b")
    assert row is not None
    readers = "for select to authenticated using (true)"
    with storage.policies(readers, UPDATE, INSERT), storage.session() as connection:
        claims = f'{{"sub": "{ANNE}", "role": "authenticated"}}'
        connection.execute("select set_config('request.jwt.claims', %s, true)", (claims,))
        connection.execute("set local role authenticated")
        for attack in (
            "update storage.objects set version = %s where bucket_id = %s and name = %s",
            "insert into storage.objects (version, bucket_id, name) values (%s, %s, %s || '2')",
        ):
            values = (row["version"], bucket, f"{ANNE}/a")
            with pytest.raises(UniqueViolation), connection.transaction():
                connection.execute(attack, values)
