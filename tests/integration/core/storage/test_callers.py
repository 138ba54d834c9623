"""Who asks: tokens, keys, headers that are missing or wrong, behind the gateway and without it."""

from __future__ import annotations

from pathlib import Path

import httpx

from gavan.kit.jwt import sign
from gavan.kit.secret import Secret
from tests.conftest import JWT_SECRET, Database
from tests.integration.core.storage.conftest import Storage, running_storage


def ask(storage: Storage, **headers: str) -> httpx.Response:
    return httpx.get(f"{storage.live.url}/storage/v1/bucket", headers=headers)


def _token(secret: str = JWT_SECRET, **claims: object) -> str:
    return sign({"role": "service_role", **claims}, Secret(secret))


def refusal(answer: httpx.Response) -> tuple[int, str, str, str]:
    body = answer.json()
    return answer.status_code, body["statusCode"], body["error"], body["message"]


def test_behind_the_gateway_no_key_is_an_empty_token(storage: Storage) -> None:
    expected = (400, "403", "Unauthorized", "Invalid Compact JWS")
    assert refusal(ask(storage)) == expected
    for authorization in ("", "Bearer", "Bearer garbage", "garbage", "Basic YTpi"):
        assert refusal(ask(storage, authorization=authorization)) == expected


def test_a_service_that_stands_alone_asks_for_the_header(
    database: Database, tmp_path: Path
) -> None:
    with running_storage(database, tmp_path, {"GAVAN_CORE_SERVICES": "storage"}) as alone:
        words = "headers must have required property 'authorization'"
        assert refusal(ask(alone)) == (400, "400", "Error", words)
        garbage = (400, "403", "Unauthorized", "Invalid Compact JWS")
        assert refusal(ask(alone, authorization="Bearer garbage")) == garbage
        assert refusal(ask(alone, authorization="")) == garbage
        assert alone.service.get("/bucket").status_code == 200


def test_a_token_may_stand_without_a_scheme_and_in_the_apikey(storage: Storage) -> None:
    token = storage.live.service_key
    bucket = storage.bucket()
    for headers in (
        {"authorization": f"Bearer {token}"},
        {"authorization": f"bEARER   {token}"},
        {"authorization": token},
        {"apikey": token},
        {"apikey": "sb_secret_test"},
        {"apikey": "sb_secret_test", "authorization": "Bearer sb_secret_test"},
        {"apikey": token, "authorization": "Bearer sb_publishable_test"},
    ):
        answer = ask(storage, **headers)
        assert answer.status_code == 200, headers
        assert bucket in {told["id"] for told in answer.json()}
    anon = ask(storage, apikey="sb_publishable_test")
    assert (anon.status_code, anon.json()) == (200, [])


def test_a_header_goes_before_an_apikey(storage: Storage) -> None:
    answer = ask(storage, apikey="sb_secret_test", authorization="Bearer garbage")
    assert answer.json()["statusCode"] == "403"
    unknown = ask(storage, apikey="sb_secret_other", authorization="Bearer sb_secret_other")
    assert unknown.json()["statusCode"] == "403"


def test_a_token_that_is_too_old_or_forged_says_so(storage: Storage) -> None:
    expired = storage.client(_token(exp=1))
    assert refusal(expired.get("/bucket"))[1:] == (
        "403",
        "Unauthorized",
        '"exp" claim timestamp check failed',
    )
    forged = storage.client(_token("an other secret that nobody here knows about"))
    assert refusal(forged.get("/bucket"))[3] == "signature verification failed"
