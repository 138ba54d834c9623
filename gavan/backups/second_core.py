"""A second core over a restored database: can somebody sign in, and are the objects what they were?

Stands on the scratch, whose process it is; started by argv and environment like the real one, with
keys of its own, so that nothing of it is worth anything elsewhere.
"""

from __future__ import annotations

import hashlib
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx

from gavan.backups.scratch import Scratch, free_port
from gavan.database.embedded import ADMIN
from gavan.engines.embedded.environment import base_env
from gavan.kit.errors import GavanError
from gavan.kit.jwt import sign
from gavan.kit.secret import Secret

START_S = 60.0
POLL_S = 0.05
KEY_S = 24 * 3600
LOG_LINES = 20
ANSWER_CHARACTERS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondCore:
    """A core that answers at ``url``, and its key that may do everything."""

    url: str
    service_key: Secret

    def client(self) -> httpx.Client:
        """Return a client that acts as the service role; the caller closes it."""
        key = self.service_key.reveal()
        headers = {"apikey": key, "Authorization": f"Bearer {key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False)


@contextmanager
def second_core(
    scratch: Scratch, database: str, schemas: Sequence[str], blobs: Path
) -> Iterator[SecondCore]:
    """Yield a core that serves ``database`` of the scratch and the blobs of a folder.

    Raises GavanError GV436 with its last lines when it does not answer within a minute.
    """
    port = free_port()
    secret = Secret(secrets.token_urlsafe(40))
    core = SecondCore(url=f"http://127.0.0.1:{port}", service_key=_key("service_role", secret))
    roles = {
        "GAVAN_DB_AUTHENTICATOR_URL": "authenticator",
        "GAVAN_DB_AUTH_ADMIN_URL": "supabase_auth_admin",
        "GAVAN_DB_STORAGE_ADMIN_URL": "supabase_storage_admin",
        "GAVAN_DB_REALTIME_ADMIN_URL": "supabase_realtime_admin",
        "GAVAN_DB_ADMIN_URL": ADMIN,
    }
    env = {
        **base_env(),
        **{name: scratch.url(role, database).reveal() for name, role in roles.items()},
        "GAVAN_CORE_PORT": str(port),
        "GAVAN_CORE_SERVICES": "rest,auth,storage",
        "PGRST_DB_SCHEMAS": ",".join(schemas),
        "FILE_STORAGE_BACKEND_PATH": str(blobs),
        "JWT_SECRET": secret.reveal(),
        "ANON_KEY": _key("anon", secret).reveal(),
        "SERVICE_ROLE_KEY": core.service_key.reveal(),
        "SUPABASE_PUBLISHABLE_KEY": secrets.token_urlsafe(24),
        "SUPABASE_SECRET_KEY": secrets.token_urlsafe(24),
    }
    log = scratch.folder / "core.log"
    with scratch.running([sys.executable, "-m", "gavan.core"], env, log) as process:
        _wait_until_ready(core, process, log)
        yield core


def sign_in(core: SecondCore) -> str:
    """Make a user, sign in by password and ask who that is; say so, or raise GavanError GV436.

    It proves the tables of auth, the triggers that a project has on them, and the roles.
    """
    email = f"drill-{secrets.token_hex(6)}@gavan.invalid"
    login = {"email": email, "password": secrets.token_urlsafe(24)}
    with core.client() as client:
        _ask(client, "POST", "/auth/v1/admin/users", json={**login, "email_confirm": True})
        query = {"grant_type": "password"}
        session = _ask(client, "POST", "/auth/v1/token", params=query, json=login).json()
        bearer = {"Authorization": f"Bearer {session['access_token']}"}
        found = _ask(client, "GET", "/auth/v1/user", headers=bearer).json()
        _ask(client, "GET", "/rest/v1/", headers=bearer)
    if found["email"] != email:
        raise GavanError("GV436", f"{email} signed in and is {found['email']}")
    return "a new user signed in by password and read the API"


def object_digest(client: httpx.Client, bucket: str, name: str) -> str:
    """Return the sha256 of an object as the core serves it; raise GavanError GV436."""
    path = f"/storage/v1/object/{quote(bucket, safe='')}/{quote(name)}"
    digest = hashlib.sha256()
    with client.stream("GET", path) as response:
        if response.status_code != httpx.codes.OK:
            response.read()
            raise _refused(response)
        for block in response.iter_raw():
            digest.update(block)
    return digest.hexdigest()


def _key(role: str, secret: Secret) -> Secret:
    now = int(time.time())
    return Secret(
        sign({"iss": "gavan-drill", "role": role, "iat": now, "exp": now + KEY_S}, secret)
    )


def _wait_until_ready(core: SecondCore, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_S
    with httpx.Client(timeout=2, trust_env=False) as client:
        while process.poll() is None and time.monotonic() < until:
            try:
                if client.get(f"{core.url}/health/ready").status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass  # it does not listen yet
            time.sleep(POLL_S)
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    raise GavanError(
        "GV436",
        "the core did not start over the restored database",
        details="\n".join(lines[-LOG_LINES:]),
    )


def _ask(client: httpx.Client, method: str, path: str, **more: object) -> httpx.Response:
    response = client.request(method, path, **more)  # type: ignore[arg-type] # httpx's own options
    if response.status_code >= httpx.codes.BAD_REQUEST:
        raise _refused(response)
    return response


def _refused(response: httpx.Response) -> GavanError:
    request = response.request
    return GavanError(
        "GV436",
        f"{request.method} {request.url.path} answered {response.status_code}",
        details=response.text[:ANSWER_CHARACTERS],
    )
