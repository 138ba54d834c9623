"""A person of botmox as programs see one: signs up at the core, calls the backend."""

from __future__ import annotations

import uuid
from typing import Any

import httpx

PASSWORD = "a long pass phrase 42"


class Person:
    """Somebody with a token. ``backend`` is asked below ``/api/v1``."""

    def __init__(self, core: str, anon_key: str, backend: str) -> None:
        self.email = f"p{uuid.uuid4().hex[:12]}@example.com"
        signed_up = httpx.post(f"{core}/auth/v1/signup", headers={"apikey": anon_key},
                               json={"email": self.email, "password": PASSWORD})  # fmt: skip
        assert signed_up.status_code == 200, signed_up.text
        self._token = signed_up.json()["access_token"]
        self._backend = backend

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Return status and body of an answer of the backend."""
        answer = httpx.request(method, f"{self._backend}/api/v1{path}", json=body,
                               headers={"authorization": f"Bearer {self._token}"})  # fmt: skip
        return answer.status_code, answer.json() if answer.content else None

    def make(self, path: str, **values: Any) -> dict[str, Any]:
        status, row = self.ask("POST", path, values)
        assert status == 201, row
        return dict(row)
