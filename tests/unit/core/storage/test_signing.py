"""Tokens of signed URLs: for one object, one action, and a time."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, cast

import pytest

from gavan.core.storage.buckets.emptying import Emptying
from gavan.core.storage.commons import Commons
from gavan.core.storage.config import StorageConfig
from gavan.core.storage.errors import StorageError
from gavan.core.storage.images.workers import Workers
from gavan.core.storage.objects.signing import (
    LAST_SECOND,
    Scope,
    read_token,
    sign_download,
    sign_upload,
)
from gavan.core.storage.store import Store
from gavan.core.storage.uploads.uploads import Uploads
from gavan.core.storage.webhooks.webhooks import Webhooks
from gavan.database.pool import Pool
from gavan.kit.jwt import Verifier, sign
from gavan.kit.keyset import shared_set
from gavan.kit.secret import Secret
from gavan.kit.storage.files import Files
from tests.conftest import JWT_SECRET

OTHER_SECRET = "another-secret-with-at-least-32-characters-in-it"


@pytest.fixture
def commons(tmp_path: Path) -> Commons:
    store, provider = Store(Pool(Secret("postgres://nobody@localhost/none"))), Files(tmp_path)
    config = StorageConfig(folder=tmp_path)
    webhooks = Webhooks(store, None)
    uploads = Uploads(store, cast(Any, provider), config, webhooks)
    keys = shared_set(Secret(JWT_SECRET))
    return Commons(
        config=config,
        store=store,
        provider=cast(Any, provider),
        uploads=uploads,
        emptying=Emptying(store, uploads, webhooks),
        webhooks=webhooks,
        images=Workers(),
        verifier=Verifier(keys.verifying),
        keys=keys,
        anon_key=Secret("anon-key-of-a-test"),
        public_url="http://127.0.0.1:54321",
    )


def refusal(commons: Commons, token: str, scope: Scope, name: str = "a/b.png") -> tuple[str, str]:
    with pytest.raises(StorageError) as caught:
        read_token(commons, token, scope, "photos", name)
    assert caught.value.http_status == 400
    return caught.value.code, caught.value.message


def made(secret: str = JWT_SECRET, **claims: Any) -> str:
    return sign({"url": "photos/a/b.png", "exp": int(time.time()) + 60, **claims}, Secret(secret))


def test_a_token_that_reads_reads_its_object_only_and_never_writes(commons: Commons) -> None:
    token = sign_download(commons, "photos", "a/b.png", 60)
    claims = read_token(commons, token, Scope.DOWNLOAD, "photos", "a/b.png")
    assert (claims["url"], claims["exp"] - claims["iat"]) == ("photos/a/b.png", 60)
    wrong = ("InvalidSignature", "Invalid signature")
    assert refusal(commons, token, Scope.DOWNLOAD, "a/c.png") == wrong
    assert refusal(commons, token, Scope.UPLOAD)[0] == "InvalidSignature"


def test_a_token_that_writes_carries_owner_and_upsert_and_never_reads(commons: Commons) -> None:
    token = sign_upload(commons, "photos", "a/b.png", "someone", True, 60)
    claims = read_token(commons, token, Scope.UPLOAD, "photos", "a/b.png")
    assert (claims["owner"], claims["upsert"]) == ("someone", True)
    assert refusal(commons, token, Scope.DOWNLOAD)[0] == "InvalidSignature"


def test_only_the_claims_of_an_image_can_be_added_to_a_token_that_reads(commons: Commons) -> None:
    claims = {
        "transformations": "width:20",
        "format": "",
        "role": "service_role",
        "scope": "upload",
    }
    token = sign_download(commons, "photos", "a/b.png", 60, **claims)
    read = read_token(commons, token, Scope.DOWNLOAD, "photos", "a/b.png")
    assert read["transformations"] == "width:20"
    assert not {"format", "role"} & set(read)


@pytest.mark.parametrize(
    ("claims", "scope", "is_good"),
    [
        ({}, Scope.DOWNLOAD, True),
        ({}, Scope.UPLOAD, False),
        ({"owner": "x", "upsert": False}, Scope.UPLOAD, True),
        ({"owner": "x", "upsert": False}, Scope.DOWNLOAD, False),
        ({"upsert": True, "scope": "download"}, Scope.UPLOAD, False),
        ({"scope": None}, Scope.DOWNLOAD, False),
        ({"scope": "s3"}, Scope.DOWNLOAD, False),
    ],
)
def test_tokens_without_a_scope_are_told_apart_by_upsert(
    commons: Commons, claims: dict[str, Any], scope: Scope, is_good: bool
) -> None:
    token = made(**claims)
    if is_good:
        assert read_token(commons, token, scope, "photos", "a/b.png")["url"] == "photos/a/b.png"
    else:
        assert refusal(commons, token, scope)[0] == "InvalidSignature"


def test_odd_claims_of_an_upload_grant_nothing(commons: Commons) -> None:
    claims = read_token(commons, made(upsert="yes", owner=7), Scope.UPLOAD, "photos", "a/b.png")
    assert (claims["owner"], claims["upsert"]) == (None, False)


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("", "Invalid Compact JWS"),
        ("a.b", "Invalid Compact JWS"),
        (made(exp=int(time.time()) - 1), '"exp" claim timestamp check failed'),
        (sign({"url": "photos/a/b.png"}, Secret(JWT_SECRET)), '"exp" claim timestamp check failed'),
        (made(OTHER_SECRET), "signature verification failed"),
    ],
)
def test_a_token_that_does_not_verify_is_refused_in_the_words_of_upstream(
    commons: Commons, token: str, message: str
) -> None:
    assert refusal(commons, token, Scope.DOWNLOAD) == ("InvalidJWT", message)


@pytest.mark.parametrize("expires_s", [0, -1, LAST_SECOND, 10**21, 1.5, "60", True, None])
def test_no_token_lives_no_time_or_longer_than_time_can_be_told(
    commons: Commons, expires_s: Any
) -> None:
    with pytest.raises(StorageError, match="expiresIn"):
        sign_download(commons, "photos", "a/b.png", expires_s)
