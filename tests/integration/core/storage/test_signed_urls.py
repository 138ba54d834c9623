"""URLs by which anybody reads an object for a time: who may hand them out, and what they open."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from gavan.kit.jwt import sign
from gavan.kit.secret import Secret
from tests.conftest import JWT_SECRET
from tests.integration.core.storage.conftest import ANNE, Storage

MINE = "for select to authenticated using (owner_id = auth.jwt() ->> 'sub')"
HIDDEN = "Either the object does not exist or you do not have access to it"


@pytest.fixture
def bucket(storage: Storage) -> Iterator[str]:
    """A bucket with Anne's object ``mine/a.txt``, which a policy shows her alone."""
    bucket = storage.bucket()
    assert storage.service.post(f"/object/{bucket}/mine/a.txt", content=b"mine").status_code == 200
    storage.sql("update storage.objects set owner_id = %s where bucket_id = %s", ANNE, bucket)
    with storage.policies(MINE):
        yield bucket


def token(url: str, secret: str = JWT_SECRET, **claims: Any) -> str:
    return sign({"url": url, "exp": int(time.time()) + 60, **claims}, Secret(secret))


def test_a_signed_url_opens_its_object_for_anybody_until_its_time_is_over(
    storage: Storage, bucket: str
) -> None:
    answer = storage.anne.post(f"/object/sign/{bucket}/mine/a.txt", json={"expiresIn": 60})
    url = answer.json()["signedURL"]
    assert url.startswith(f"/object/sign/{bucket}/mine/a.txt?token=")
    opened = storage.nobody.get(url)
    assert opened.content == b"mine"
    assert "cache-control" not in opened.headers
    until = parsedate_to_datetime(opened.headers["expires"]).timestamp()
    assert 0 < until - time.time() <= 60
    saved = storage.nobody.get(f"{url}&download=b.txt", headers={"range": "bytes=1-2"})
    assert (saved.status_code, saved.content) == (206, b"in")
    assert saved.headers["content-disposition"].startswith("attachment; filename=b.txt")
    assert storage.nobody.head(url).headers["content-length"] == "4"
    # A visitor's own token changes nothing: this one has been given the URL.
    assert storage.boris.get(url).content == b"mine"


def test_only_whom_a_policy_shows_the_object_may_sign(storage: Storage, bucket: str) -> None:
    path = f"/object/sign/{bucket}/mine/a.txt"
    for someone in (storage.boris, storage.anon):
        refused = someone.post(path, json={"expiresIn": 60})
        assert (refused.status_code, refused.json()["code"]) == (400, "NoSuchKey")
    refused = storage.nobody.post(path, json={"expiresIn": 60})
    assert refused.json()["statusCode"] == "403"
    for missing in (f"/object/sign/{bucket}/none", "/object/sign/none/a.txt"):
        refused = storage.service.post(missing, json={"expiresIn": 60})
        assert (refused.status_code, refused.json()["code"]) == (400, "NoSuchKey")


def test_many_urls_are_signed_at_once_and_each_is_judged(storage: Storage, bucket: str) -> None:
    paths = ["mine/a.txt", "none", "a\0b", "mine/a.txt", ""]
    body = {"expiresIn": 60, "paths": paths}
    signed = storage.anne.post(f"/object/sign/{bucket}", json=body).json()
    assert [item["path"] for item in signed] == paths
    assert [item["error"] for item in signed] == [None, HIDDEN, HIDDEN, None, HIDDEN]
    assert list(signed[0]) == ["error", "path", "signedURL"]
    assert storage.nobody.get(signed[0]["signedURL"]).content == b"mine"
    for someone, place in ((storage.boris, bucket), (storage.anon, bucket), (storage.anne, "none")):
        answer = someone.post(f"/object/sign/{place}", json=body)
        assert answer.status_code == 200
        assert {(item["error"], item["signedURL"]) for item in answer.json()} == {(HIDDEN, None)}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "expiresIn"),
        ({"expiresIn": 0}, "body/expiresIn must be >= 1"),
        ({"expiresIn": "soon"}, "body/expiresIn must be integer"),
        ({"expiresIn": 1.5}, "body/expiresIn must be integer"),
        ({"expiresIn": True}, "body/expiresIn must be integer"),
        ({"expiresIn": 1e21}, "Invalid Parameter expiresIn"),
        ({"expiresIn": 2**53}, "Invalid Parameter expiresIn"),
    ],
)
def test_a_time_that_cannot_be_is_refused(
    storage: Storage, bucket: str, body: dict[str, Any], words: str
) -> None:
    for path, more in ((f"{bucket}/mine/a.txt", {}), (bucket, {"paths": ["mine/a.txt"]})):
        answer = storage.service.post(f"/object/sign/{path}", json=body | more)
        assert answer.status_code == 400
        assert words in answer.json()["message"]


@pytest.mark.parametrize("paths", [None, [], "a.txt", [1], ["a"] * 1001])
def test_a_list_that_cannot_be_signed_is_refused(storage: Storage, bucket: str, paths: Any) -> None:
    answer = storage.service.post(f"/object/sign/{bucket}", json={"expiresIn": 60, "paths": paths})
    assert (answer.status_code, answer.json()["error"]) == (400, "Error")


def test_a_thousand_urls_are_signed_at_once(storage: Storage, bucket: str) -> None:
    body = {"expiresIn": 60, "paths": ["mine/a.txt"] * 1000}
    signed = storage.service.post(f"/object/sign/{bucket}", json=body).json()
    assert len(signed) == 1000
    assert all(item["signedURL"] for item in signed)


def test_forged_foreign_and_expired_tokens_open_nothing(storage: Storage, bucket: str) -> None:
    url = f"{bucket}/mine/a.txt"
    good = token(url)
    head, _, tail = good.split(".")
    forged = ".".join((head, token(url, scope="upload").split(".")[1], tail))
    refused = {
        "": "InvalidJWT",
        "not-a-jwt": "InvalidJWT",
        forged: "InvalidJWT",
        token(url, "another secret that is long enough for this"): "InvalidJWT",
        token(url, exp=int(time.time()) - 1): "InvalidJWT",
        token(f"{bucket}/mine/b.txt"): "InvalidSignature",
        token(f"other/{url}"): "InvalidSignature",
        token(url, scope="upload", upsert=True): "InvalidSignature",
        token(url, upsert=False): "InvalidSignature",
    }
    for bad, code in refused.items():
        answer = storage.nobody.get(f"/object/sign/{url}", params={"token": bad})
        assert (answer.status_code, answer.json()["code"]) == (400, code), bad
    without = storage.nobody.get(f"/object/sign/{url}")
    assert without.json()["message"] == "querystring must have required property 'token'"
    assert storage.nobody.get(f"/object/sign/{url}", params={"token": good}).content == b"mine"


def test_a_token_of_a_caller_opens_no_signed_url_and_the_other_way_round(
    storage: Storage, bucket: str
) -> None:
    caller = storage.service.headers["authorization"].removeprefix("Bearer ")
    answer = storage.nobody.get(f"/object/sign/{bucket}/mine/a.txt", params={"token": caller})
    assert answer.json()["code"] == "InvalidSignature"
    signed = storage.anne.post(f"/object/sign/{bucket}/mine/a.txt", json={"expiresIn": 60}).json()
    stolen = storage.client(signed["signedURL"].split("token=")[1])
    assert stolen.get(f"/object/authenticated/{bucket}/mine/a.txt").json()["code"] == "NoSuchKey"


def test_an_image_is_signed_with_what_it_shall_look_like(storage: Storage, bucket: str) -> None:
    path = f"/object/sign/{bucket}/mine/a.txt"
    plain = storage.anne.post(path, json={"expiresIn": 60, "transform": {}}).json()["signedURL"]
    assert plain.startswith("/object/sign/")
    wish = {"width": 200, "height": 100}
    url = storage.anne.post(path, json={"expiresIn": 60, "transform": wish}).json()["signedURL"]
    assert url.startswith(f"/render/image/sign/{bucket}/mine/a.txt?token=")
    for wrong in ({"width": -1}, "small"):
        refused = storage.anne.post(path, json={"expiresIn": 60, "transform": wrong})
        assert (refused.status_code, refused.json()["error"]) == (400, "Error")


def test_a_name_with_a_question_mark_has_a_url_that_works(storage: Storage, bucket: str) -> None:
    assert storage.service.post(f"/object/{bucket}/a%3Fb", content=b"?").status_code == 200
    single = storage.service.post(f"/object/sign/{bucket}/a%3Fb", json={"expiresIn": 60}).json()
    body = {"expiresIn": 60, "paths": ["a?b"]}
    (many,) = storage.service.post(f"/object/sign/{bucket}", json=body).json()
    for url in (single["signedURL"], many["signedURL"]):
        assert storage.nobody.get(url).content == b"?"
