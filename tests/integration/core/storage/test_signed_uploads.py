"""A signed URL lets whoever has it store one object."""

from __future__ import annotations

import time

import pytest

from gavan.kit.jwt import sign
from gavan.kit.secret import Secret
from tests.conftest import JWT_SECRET
from tests.integration.core.storage.conftest import ANNE, Storage

TAKEN = (
    '{"statusCode":"409","error":"Duplicate",'
    '"message":"The resource already exists","code":"KeyAlreadyExists"}'
)


def token_for(place: str, **claims: object) -> str:
    """Return a token as this service or an older one signs it."""
    now = int(time.time())
    return sign({"url": place, "iat": now, "exp": now + 60, **claims}, Secret(JWT_SECRET))


def test_a_signed_url_stores_one_object_once_for_its_owner(storage: Storage) -> None:
    bucket = storage.bucket()
    with storage.policies("for insert to authenticated with check (true)"):
        signed = storage.anne.post(f"/object/upload/sign/{bucket}/a/b.txt")
    body = signed.json()
    assert list(body) == ["url", "token"]
    assert body["url"] == f"/object/upload/sign/{bucket}/a/b.txt?token={body['token']}"
    assert storage.row(bucket, "a/b.txt") is None
    stored = storage.nobody.put(body["url"], content=b"hello", headers={"x-upsert": "true"})
    assert (stored.status_code, stored.json()) == (200, {"Key": f"{bucket}/a/b.txt"})
    again = storage.nobody.put(body["url"], content=b"other")
    assert (again.status_code, again.text) == (400, TAKEN)
    row = storage.row(bucket, "a/b.txt")
    assert row is not None
    assert (row["owner_id"], row["metadata"]["size"]) == (ANNE, 5)
    assert not storage.orphans()


def test_signing_asks_the_policies_and_looks_whether_the_name_is_free(storage: Storage) -> None:
    bucket = storage.bucket()
    storage.service.post(f"/object/{bucket}/a", content=b"x").raise_for_status()
    assert storage.anne.post(f"/object/upload/sign/{bucket}/b").json()["statusCode"] == "403"
    assert storage.nobody.post(f"/object/upload/sign/{bucket}/b").status_code == 400
    taken = storage.service.post(f"/object/upload/sign/{bucket}/a")
    assert (taken.status_code, taken.text) == (400, TAKEN)
    upsert = {"x-upsert": "true"}
    signed = storage.service.post(f"/object/upload/sign/{bucket}/a", headers=upsert)
    assert signed.status_code == 200
    for content in (b"12", b"123"):
        assert storage.nobody.put(signed.json()["url"], content=content).status_code == 200
    assert storage.service.post("/object/upload/sign/notfound/a").status_code == 400
    with storage.policies(
        "for insert to authenticated with check (metadata->>'mimetype' = 'image/png'"
        " and (metadata->>'contentLength')::int = 0"
        " and storage.operation() = 'storage.object.sign_upload_url')"
    ):
        place = f"/object/upload/sign/{bucket}/c"
        assert storage.anne.post(place).status_code == 400
        assert storage.anne.post(place, headers={"content-type": "image/png"}).status_code == 200


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"scope": "download"}, "InvalidSignature"),
        ({}, "InvalidSignature"),
        ({"scope": "upload", "url": "other/a"}, "InvalidSignature"),
        ({"scope": "upload", "exp": 1}, "InvalidJWT"),
    ],
)
def test_tokens_that_are_not_for_this_upload_are_refused(
    storage: Storage, claims: dict[str, object], code: str
) -> None:
    bucket = storage.bucket()
    token = token_for(f"{bucket}/a", **claims)
    answer = storage.nobody.put(f"/object/upload/sign/{bucket}/a?token={token}", content=b"x")
    assert answer.status_code == 400
    assert (answer.json()["statusCode"], answer.json()["error"]) == ("400", code)
    assert storage.row(bucket, "a") is None


def test_the_token_is_asked_for_and_old_ones_are_good(storage: Storage) -> None:
    bucket = storage.bucket()
    place = f"/object/upload/sign/{bucket}/a"
    for url in (place, f"{place}?token=xxx", f"{place}?token="):
        assert storage.nobody.put(url, content=b"x").status_code == 400
    old = token_for(f"{bucket}/a", owner=ANNE, upsert=False)
    assert storage.nobody.put(f"{place}?token={old}", content=b"x").status_code == 200


def test_a_signed_upload_keeps_to_the_limits_of_its_bucket(storage: Storage) -> None:
    bucket = storage.bucket(file_size_limit=3, allowed_mime_types=["text/plain"])
    url = storage.service.post(f"/object/upload/sign/{bucket}/a").json()["url"]
    plain = {"content-type": "text/plain"}
    assert storage.nobody.put(url, content=b"1234", headers=plain).json()["statusCode"] == "413"
    assert storage.nobody.put(url, content=b"123").json()["statusCode"] == "415"
    form = {"": ("f", b"123", "text/plain")}
    stored = storage.nobody.put(url, data={"cacheControl": "3600"}, files=form)
    assert stored.status_code == 200
    row = storage.row(bucket, "a")
    assert row is not None
    assert row["metadata"]["cacheControl"] == "max-age=3600"
