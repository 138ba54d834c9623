"""Keys and passwords of one stack: made once at its first start, kept in `.gavan/secrets/`.

Stands on the second floor; the engine and the database read them, nothing else does. What the
variables of the stack set (JWT_SECRET, ANON_KEY, ...) stands above what was made.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from gavan.kit.jwt import sign
from gavan.kit.secret import Secret
from gavan.secrets.files import damaged, locked, write_private
from gavan.secrets.signing import signing_list
from gavan.stack.model import Stack
from gavan.stack.scope import DEFAULT_PASSWORD

FILE_NAME = "keys.json"
ISSUER = "supabase-demo"
HARM = "new ones would lock everyone out of the database that is there"
_TEN_YEARS_S = 10 * 365 * 24 * 3600
_PASSWORDS = (
    "authenticator_password",
    "auth_admin_password",
    "admin_password",
    "storage_admin_password",
    "realtime_admin_password",
    "minio_root_password",
    "rabbitmq_password",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StackKeys:
    """Everything that proves who someone is in this stack."""

    jwt_secret: Secret
    signing_keys: Secret | None
    """A JSON list of JWKs, None while the shared secret signs."""
    anon_key: Secret
    service_role_key: Secret
    publishable_key: Secret
    secret_key: Secret
    s3_access_key_id: Secret
    s3_secret_access_key: Secret
    """With the id: what S3 clients of the stack sign with; they act as the service role."""
    postgres_password: Secret
    authenticator_password: Secret
    auth_admin_password: Secret
    admin_password: Secret
    storage_admin_password: Secret
    realtime_admin_password: Secret
    minio_root_password: Secret
    rabbitmq_password: Secret
    """The last two: of servers that run in containers only."""


def load_or_create_keys(stack: Stack) -> StackKeys:
    """Return the keys of the stack; make and store those that are missing.

    Two processes may ask at once: one makes them, both get the same. A stop half way leaves the
    old file or the new one, never a part.

    Raises:
        GavanError: GV612, the file is damaged; new passwords would lock the database out.
    """
    directory = stack.state_dir / "secrets"
    with locked(directory):
        stored = _read(directory / FILE_NAME)
        complete = _completed(stored)
        if complete != stored:
            content = orjson.dumps(complete, option=orjson.OPT_INDENT_2) + b"\n"
            write_private(directory / FILE_NAME, content)
    return _with_overrides(stack, complete)


def fresh_keys() -> StackKeys:
    """Return keys that nobody has yet, for a server; nothing is stored here."""
    made = _completed({})
    jwt_secret = Secret(made["jwt_secret"])
    expires_at = int(made["expires_at"])
    random = ("publishable_key", "secret_key", "s3_access_key_id", "s3_secret_access_key")
    return StackKeys(
        jwt_secret=jwt_secret,
        signing_keys=None,
        anon_key=_role_key("anon", jwt_secret, expires_at),
        service_role_key=_role_key("service_role", jwt_secret, expires_at),
        postgres_password=Secret(secrets.token_urlsafe(24)),
        **{name: Secret(made[name]) for name in (*random, *_PASSWORDS)},
    )


def _read(file: Path) -> dict[str, str]:
    try:
        raw = file.read_bytes()
    except FileNotFoundError:
        return {}
    try:
        stored = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise damaged(file, "it is not JSON", HARM) from error
    if not isinstance(stored, dict) or not all(isinstance(v, str) for v in stored.values()):
        raise damaged(file, "it is not an object of texts", HARM)
    return stored


def _completed(stored: Mapping[str, str]) -> dict[str, str]:
    """Return what is stored, with fresh values for what is not."""
    fresh = {
        "jwt_secret": secrets.token_urlsafe(40),
        "expires_at": str(int(time.time()) + _TEN_YEARS_S),
        "publishable_key": f"sb_publishable_{secrets.token_urlsafe(24)}",
        "secret_key": f"sb_secret_{secrets.token_urlsafe(24)}",
        "s3_access_key_id": secrets.token_hex(16),
        "s3_secret_access_key": secrets.token_hex(32),
        **{name: secrets.token_urlsafe(24) for name in _PASSWORDS},
    }
    return fresh | dict(stored)


def _with_overrides(stack: Stack, stored: Mapping[str, str]) -> StackKeys:
    jwt_secret = _variable(stack, "JWT_SECRET") or Secret(stored["jwt_secret"])
    expires_at = int(stored["expires_at"])
    names = {name: name.upper() for name in _PASSWORDS}
    names |= {name: f"SUPABASE_{name.upper()}" for name in ("publishable_key", "secret_key")}
    made = {
        name: _variable(stack, variable) or Secret(stored[name]) for name, variable in names.items()
    }
    return StackKeys(
        jwt_secret=jwt_secret,
        signing_keys=signing_list(stack, jwt_secret),
        anon_key=_variable(stack, "ANON_KEY") or _role_key("anon", jwt_secret, expires_at),
        service_role_key=_variable(stack, "SERVICE_ROLE_KEY")
        or _role_key("service_role", jwt_secret, expires_at),
        s3_access_key_id=_variable(stack, "S3_PROTOCOL_ACCESS_KEY_ID")
        or Secret(stored["s3_access_key_id"]),
        s3_secret_access_key=_variable(stack, "S3_PROTOCOL_ACCESS_KEY_SECRET")
        or Secret(stored["s3_secret_access_key"]),
        postgres_password=_variable(stack, "POSTGRES_PASSWORD") or Secret(DEFAULT_PASSWORD),
        **made,
    )


def _variable(stack: Stack, name: str) -> Secret | None:
    value = stack.env.get(name)
    if not value:
        return None
    return value if isinstance(value, Secret) else Secret(value)


def _role_key(role: str, secret: Secret, expires_at: int) -> Secret:
    # No time of issue: the same secret gives the same key at every start.
    return Secret(sign({"iss": ISSUER, "role": role, "exp": expires_at}, secret))
