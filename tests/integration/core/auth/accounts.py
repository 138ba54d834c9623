"""An auth service with an inbox, spoken to as clients do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import psycopg

from gavan.core.auth.mail.inbox.store import Caught, Inbox, Wanted
from tests.conftest import Database

PASSWORD = "correct horse"
NEW = {"X-Supabase-Api-Version": "2024-01-01"}
ADMIN = NEW | {"apikey": "sb_secret_test"}
Json = dict[str, Any]

# A stack whose addresses have to be proved.
CONFIRMING = {
    "GOTRUE_MAILER_AUTOCONFIRM": "false",
    "GOTRUE_SMS_AUTOCONFIRM": "false",
    "GOTRUE_EXTERNAL_PHONE_ENABLED": "true",
    "GOTRUE_SMTP_MAX_FREQUENCY": "0s",
    "GOTRUE_SMS_MAX_FREQUENCY": "0s",
    "GOTRUE_SMS_TEST_OTP": "15550001:123456,15550002:654321",
}
PHONE = "15550001"
PHONE_CODE = "123456"
# RFC 7636, appendix B.
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
PKCE = {
    "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    "code_challenge_method": "s256",
}


@dataclass(frozen=True, slots=True)
class Accounts:
    """A client of the service, its inbox and its database."""

    client: httpx.AsyncClient
    inbox: Inbox
    database: Database

    async def post(self, path: str, *, bearer: str = "", **body: Any) -> httpx.Response:
        """Post JSON under /auth/v1 as a current client, with a bearer if given."""
        return await self.client.post(f"/auth/v1{path}", json=body, headers=_headers(bearer))

    async def put_user(self, session: Json, **body: Any) -> httpx.Response:
        """Change the user of a session."""
        headers = _headers(session["access_token"])
        return await self.client.put("/auth/v1/user", json=body, headers=headers)

    async def get(self, path: str, *, bearer: str = "") -> httpx.Response:
        """Get under /auth/v1, following nothing."""
        return await self.client.get(f"/auth/v1{path}", headers=_headers(bearer))

    async def admin(self, method: str, path: str, **body: Any) -> httpx.Response:
        """Call as the service role."""
        url = f"/auth/v1{path}"
        if method == "GET":
            return await self.client.get(url, headers=ADMIN)
        return await self.client.request(method, url, json=body, headers=ADMIN)

    async def made(self, email: str = "a@example.com", **more: Any) -> Json:
        """Return a confirmed user, made by the service role."""
        body = {"email": email, "password": PASSWORD, "email_confirm": True} | more
        response = await self.admin("POST", "/admin/users", **body)
        assert response.status_code == 200, response.text
        user: Json = response.json()
        return user

    async def session(self, email: str = "a@example.com", password: str = PASSWORD) -> Json:
        """Return a session by password."""
        response = await self.post("/token?grant_type=password", email=email, password=password)
        assert response.status_code == 200, response.text
        session: Json = response.json()
        return session

    async def mails(self, to: str = "", kind: str = "") -> list[Caught]:
        """Return the mails caught so far, oldest first."""
        return list(reversed(await self.inbox.find(Wanted(to=to, kind=kind))))

    async def mail(self, to: str = "", kind: str = "") -> Caught:
        """Return the newest mail."""
        return (await self.mails(to, kind))[-1]

    async def click(self, link: str) -> httpx.Response:
        """Follow a mailed link as a browser does: the query, without any key."""
        parts = urlsplit(link)
        return await self.client.get(f"/auth/v1/verify?{parts.query}", headers={"apikey": ""})

    def row(self, query: str, *params: Any) -> Any:
        """Return the first row of a query as the superuser."""
        with self.database.connect("supabase_admin") as connection:
            return connection.execute(query, params or None).fetchone()

    def rows(self, query: str, *params: Any) -> list[Any]:
        """Return the rows of a query as the superuser."""
        with self.database.connect("supabase_admin") as connection:
            return connection.execute(query, params or None).fetchall()

    def run(self, query: str, *params: Any) -> psycopg.Cursor[Any]:
        """Run a statement as the superuser."""
        with self.database.connect("supabase_admin") as connection:
            return connection.execute(query, params or None)

    def actions(self) -> list[str]:
        """Return the actions of the audit log, oldest first."""
        query = "select payload ->> 'action' from auth.audit_log_entries order by created_at"
        return [row[0] for row in self.rows(query)]


AccountsFactory = Callable[..., Awaitable[Accounts]]


def inbox_of(folder: Path) -> Inbox:
    """Return the inbox of a folder."""
    return Inbox(folder)


def code_of(response: httpx.Response) -> tuple[int, str]:
    """Return the status and the error code of a refusal."""
    return response.status_code, response.json().get("code", "")


def fragment_of(response: httpx.Response) -> dict[str, str]:
    """Return the fields of the fragment of a redirect."""
    assert response.status_code == 303, response.text
    fragment = urlsplit(response.headers["location"]).fragment
    return dict(parse_qsl(fragment, keep_blank_values=True))


def query_of(address: str) -> dict[str, str]:
    """Return the fields of the query of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def _headers(bearer: str) -> dict[str, str]:
    return NEW | ({"Authorization": f"Bearer {bearer}"} if bearer else {})
