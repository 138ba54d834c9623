"""What an answer costs does not tell whether an address has an account: hashes are counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bcrypt
import pytest

from tests.integration.core.auth.accounts import PASSWORD, PHONE, PHONE_CODE, Accounts

Count = Callable[[], int]


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> Count:
    """Return a function that says how many bcrypt runs there were since it was asked last."""
    runs: list[str] = []
    for name in ("checkpw", "hashpw"):
        real = getattr(bcrypt, name)

        def counted(*arguments: Any, real: Any = real, name: str = name) -> Any:
            runs.append(name)
            return real(*arguments)

        monkeypatch.setattr(bcrypt, name, counted)

    def since_last() -> int:
        found = len(runs)
        runs.clear()
        return found

    return since_last


async def test_a_wrong_password_costs_the_same_for_nobody(
    confirming: Accounts, hashes: Count
) -> None:
    await confirming.made()
    await confirming.made("invited@example.com")
    confirming.run(
        "update auth.users set encrypted_password = null where email = 'invited@example.com'"
    )
    hashes()
    for body in (
        {"email": "a@example.com"},
        {"email": "nobody@example.com"},
        {"email": "invited@example.com"},
        {"phone": "15550077"},
    ):
        refused = await confirming.post(
            "/token?grant_type=password", password="a wrong one", **body
        )
        assert refused.json()["code"] == "invalid_credentials"
        assert hashes() == 1


async def test_a_sign_up_costs_the_same_for_a_taken_address(
    confirming: Accounts, hashes: Count
) -> None:
    await confirming.made()
    hashes()
    for email in ("a@example.com", "new@example.com", "new@example.com"):
        answer = await confirming.post("/signup", email=email, password=PASSWORD)
        assert answer.status_code == 200
        assert hashes() == 1


async def test_asking_for_a_code_costs_the_same_for_somebody_new(
    confirming: Accounts, hashes: Count
) -> None:
    await confirming.made()
    await confirming.post("/otp", phone=PHONE)
    await confirming.post("/verify", type="sms", phone=PHONE, token=PHONE_CODE)
    hashes()
    for body in (
        {"email": "a@example.com"},
        {"email": "new@example.com"},
        {"phone": PHONE},
        {"phone": "15550002"},
    ):
        assert (await confirming.post("/otp", **body)).status_code == 200
        assert hashes() == 1
