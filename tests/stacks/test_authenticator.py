"""An authenticator in a real browser: as a second factor, and as the only one by a passkey."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page

from tests.conftest import Database
from tests.live import running_core
from tests.ports import free_port
from tests.stacks.conftest import Window

CREATE = """async (options) => {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options.publicKey);
    return (await navigator.credentials.create({ publicKey })).toJSON();
}"""
SIGN = """async (options) => {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options.publicKey);
    return (await navigator.credentials.get({ publicKey })).toJSON();
}"""
Json = dict[str, Any]


@pytest.fixture
def auth(database: Database, tmp_path: Path) -> Iterator[httpx.Client]:
    """The auth service of a core whose site is the core itself, at the name ``localhost``."""
    port = free_port()
    environ = {
        "GOTRUE_SITE_URL": f"http://localhost:{port}",
        "GOTRUE_MFA_WEB_AUTHN_ENROLL_ENABLED": "true",
        "GOTRUE_MFA_WEB_AUTHN_VERIFY_ENABLED": "true",
        "GOTRUE_PASSKEY_ENABLED": "true",
    }
    with running_core(database, tmp_path / "core.log", environ, port) as live:
        headers = {"apikey": live.anon_key, "X-Supabase-Api-Version": "2024-01-01"}
        url = f"http://localhost:{port}/auth/v1"
        with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
            yield client


@pytest.fixture
def page(window: Window, auth: httpx.Client) -> Page:
    """A page of the site in a browser that has an authenticator built in."""
    opened = window()
    opened.goto(f"{auth.base_url}health")
    tools = opened.context.new_cdp_session(opened)
    tools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    tools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return opened


def ok(response: httpx.Response) -> Json:
    assert response.status_code == 200, response.text
    body: Json = response.json()
    return body


class Person:
    """Somebody who signs up and answers challenges by a browser."""

    def __init__(self, auth: httpx.Client, page: Page) -> None:
        body = {"email": "a@example.com", "password": "correct horse"}
        self._auth, self._page = auth, page
        self.session = ok(auth.post("/signup", json=body))

    def post(self, path: str, **body: Any) -> httpx.Response:
        token = self.session["access_token"]
        return self._auth.post(path, json=body, headers={"Authorization": f"Bearer {token}"})

    def sign_in_again(self) -> None:
        body = {"email": "a@example.com", "password": "correct horse"}
        self.session = ok(self._auth.post("/token?grant_type=password", json=body))

    def asked(self, factor: Json) -> Json:
        return ok(self.post(f"/factors/{factor['id']}/challenge"))

    def answered(self, question: Json) -> Json:
        script = CREATE if question["type"] == "create" else SIGN
        credential = self._page.evaluate(script, question["credential_options"])
        return {"type": question["type"], "credential_response": credential}

    def registered(self, question: Json) -> Json:
        options = {"publicKey": question["options"]}
        return {
            "challenge_id": question["challenge_id"],
            "credential": self._page.evaluate(CREATE, options),
        }

    def signed(self, question: Json) -> Json:
        options = {"publicKey": question["options"]}
        return {
            "challenge_id": question["challenge_id"],
            "credential": self._page.evaluate(SIGN, options),
        }

    def verify(self, factor: Json, challenge: Json, answer: Json) -> httpx.Response:
        path = f"/factors/{factor['id']}/verify"
        return self.post(path, challenge_id=challenge["id"], webauthn=answer)


def test_an_authenticator_is_enrolled_and_lifts_later_sessions(
    auth: httpx.Client, page: Page
) -> None:
    person = Person(auth, page)
    factor = ok(person.post("/factors", factor_type="webauthn", friendly_name="key"))
    first = person.asked(factor)
    assert first["webauthn"]["type"] == "create"
    lifted = ok(person.verify(factor, first, person.answered(first["webauthn"])))
    assert lifted["user"]["factors"][0]["status"] == "verified"

    person.sign_in_again()
    second = person.asked(factor)
    answer = person.answered(second["webauthn"])
    assert answer["type"] == "request"
    ok(person.verify(factor, second, answer))

    person.sign_in_again()
    third = person.asked(factor)
    replayed = person.verify(factor, third, answer)
    assert (replayed.status_code, replayed.json()["code"]) == (422, "mfa_verification_failed")


def test_an_answer_of_the_wrong_kind_or_shape_is_refused(auth: httpx.Client, page: Page) -> None:
    person = Person(auth, page)
    factor = ok(person.post("/factors", factor_type="webauthn", friendly_name="key"))
    challenge = person.asked(factor)
    for answer in (
        {},
        {"type": "other", "credential_response": {}},
        {"type": "create"},
        {"type": "create", "credential_response": {}},
        {"type": "create", "credential_response": {"id": "eA", "rawId": "eA", "response": {}}},
        {"type": "request", "credential_response": {}},
    ):
        refused = person.verify(factor, challenge, answer)
        assert (refused.status_code, refused.json()["code"]) == (400, "validation_failed"), answer


def test_a_passkey_signs_in_whoever_holds_it_and_only_once_per_question(
    auth: httpx.Client, page: Page
) -> None:
    person = Person(auth, page)
    made = ok(
        person.post(
            "/passkeys/registration/verify",
            **person.registered(ok(person.post("/passkeys/registration/options"))),
        )
    )
    question = ok(auth.post("/passkeys/authentication/options", json={}))
    assert question["options"].get("allowCredentials", []) == [], "nobody is named"
    answer = person.signed(question)
    session = ok(auth.post("/passkeys/authentication/verify", json=answer))
    assert session["user"]["email"] == "a@example.com"
    again = auth.post("/passkeys/authentication/verify", json=answer)
    assert (again.status_code, again.json()["code"]) == (400, "webauthn_challenge_not_found")
    fresh = ok(auth.post("/passkeys/authentication/options", json={}))
    replayed = auth.post(
        "/passkeys/authentication/verify",
        json={**answer, "challenge_id": fresh["challenge_id"]},
    )
    assert replayed.json()["code"] == "webauthn_verification_failed"

    bearer = {"Authorization": f"Bearer {session['access_token']}"}
    (listed,) = auth.get("/passkeys", headers=bearer).json()
    assert listed["id"] == made["id"]
    assert "last_used_at" in listed
    renamed = auth.patch(f"/passkeys/{made['id']}", json={"friendly_name": "phone"}, headers=bearer)
    assert ok(renamed)["friendly_name"] == "phone"
    assert auth.delete(f"/passkeys/{made['id']}", headers=bearer).status_code == 204
    last = ok(auth.post("/passkeys/authentication/options", json={}))
    gone = auth.post(
        "/passkeys/authentication/verify", json={**answer, "challenge_id": last["challenge_id"]}
    )
    assert gone.json()["code"] == "webauthn_verification_failed"


def test_passkeys_of_others_are_neither_seen_nor_touched(auth: httpx.Client, page: Page) -> None:
    person = Person(auth, page)
    asked = ok(person.post("/passkeys/registration/options"))
    answer = person.registered(asked)
    body = {"email": "thief@example.com", "password": "correct horse"}
    thief = {"Authorization": f"Bearer {ok(auth.post('/signup', json=body))['access_token']}"}
    stolen = auth.post("/passkeys/registration/verify", json=answer, headers=thief)
    assert (stolen.status_code, stolen.json()["code"]) == (400, "webauthn_challenge_not_found")
    made = ok(person.post("/passkeys/registration/verify", **answer))
    assert auth.get("/passkeys", headers=thief).json() == []
    path = f"/passkeys/{made['id']}"
    assert auth.delete(path, headers=thief).status_code == 404
    assert auth.patch(path, json={"friendly_name": "x"}, headers=thief).status_code == 404
