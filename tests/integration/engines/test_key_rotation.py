"""A rotation of signing keys on a running stack: nobody has to sign in again."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from tests.cli_stack import LiveStack

pytestmark = pytest.mark.slow


@pytest.fixture
def stack() -> Iterator[LiveStack]:
    folder = Path(tempfile.mkdtemp(prefix="gv", dir="/tmp"))
    folder.chmod(0o755)
    stack = LiveStack(folder)
    yield stack
    stack.gavan("down", "--force")
    shutil.rmtree(folder, ignore_errors=True)


def test_sessions_outlive_rotations_of_a_running_stack(stack: LiveStack) -> None:
    stack.up()
    facts = stack.gavan("status", "-o", "env")["data"]
    apikey = {"apikey": facts["ANON_KEY"]}
    with httpx.Client(base_url=f"{facts['API_URL']}/auth/v1", headers=apikey) as core:
        body = {"email": "a@example.com", "password": "correct horse"}
        sessions: list[dict[str, Any]] = [core.post("/signup", json=body).json()]
        kids = []
        for _ in range(2):
            kids.append(stack.gavan("keys", "rotate", "--now")["data"]["signs"])
            stack.up()
            for known in sessions:
                bearer = {"Authorization": f"Bearer {known['access_token']}"}
                assert core.get("/user", headers=bearer).status_code == 200
            token = {"refresh_token": sessions[-1]["refresh_token"]}
            answer = core.post("/token?grant_type=refresh_token", json=token)
            assert answer.status_code == 200, answer.text
            sessions.append(answer.json())
            published = core.get("/.well-known/jwks.json").json()["keys"]
            assert [key["kid"] for key in published] == kids
        headers = [jwt.get_unverified_header(known["access_token"]) for known in sessions]
        assert [header.get("kid") for header in headers] == [None, *kids]
        rest = core.get(
            f"{facts['REST_URL']}/",
            headers={"Authorization": f"Bearer {sessions[-1]['access_token']}"},
        )
        assert rest.status_code == 200
