"""Keys and passwords of one stack: made once at its first start, kept in `.gavan/secrets/`.

Stands on the second floor; the engine and the database read them, nothing else does. What the
variables of the stack set (JWT_SECRET, ANON_KEY, ...) stands above what was made.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from gavan.kit.jwt import sign
from gavan.kit.secret import Secret
from gavan.secrets.passwords import DatabasePasswords, passwords_of
from gavan.secrets.signing import signing_list
from gavan.secrets.stored import OF_CONTAINERS, PASSWORDS, completed, load_or_make, variable
from gavan.stack.model import Stack

ISSUER = "supabase-demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class StackKeys(DatabasePasswords):
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
    minio_root_password: Secret
    rabbitmq_password: Secret
    realtime_db_enc_key: Secret
    realtime_secret_key_base: Secret
    pg_meta_crypto_key: Secret
    """The last five: of servers that run in containers only."""


def load_or_create_keys(stack: Stack) -> StackKeys:
    """Return the keys of the stack; make and store those that are missing.

    Raises:
        GavanError: GV612, the file is damaged; new passwords would lock the database out.
    """
    return _with_overrides(stack, load_or_make(stack))


def fresh_keys() -> StackKeys:
    """Return keys that nobody has yet, for a server; nothing is stored here."""
    made = completed({})
    jwt_secret = Secret(made["jwt_secret"])
    expires_at = int(made["expires_at"])
    random = ("publishable_key", "secret_key", "s3_access_key_id", "s3_secret_access_key")
    return StackKeys(
        jwt_secret=jwt_secret,
        signing_keys=None,
        anon_key=_role_key("anon", jwt_secret, expires_at),
        service_role_key=_role_key("service_role", jwt_secret, expires_at),
        postgres_password=Secret(secrets.token_urlsafe(24)),
        **{name: Secret(made[name]) for name in (*random, *PASSWORDS, *OF_CONTAINERS)},
    )


def _with_overrides(stack: Stack, stored: dict[str, str]) -> StackKeys:
    jwt_secret = variable(stack, "JWT_SECRET") or Secret(stored["jwt_secret"])
    expires_at = int(stored["expires_at"])
    names = {name: f"SUPABASE_{name.upper()}" for name in ("publishable_key", "secret_key")}
    names |= {name: name.upper() for name in OF_CONTAINERS}
    made = {name: variable(stack, env) or Secret(stored[name]) for name, env in names.items()}
    return StackKeys(
        jwt_secret=jwt_secret,
        signing_keys=signing_list(stack, jwt_secret),
        anon_key=variable(stack, "ANON_KEY") or _role_key("anon", jwt_secret, expires_at),
        service_role_key=variable(stack, "SERVICE_ROLE_KEY")
        or _role_key("service_role", jwt_secret, expires_at),
        s3_access_key_id=variable(stack, "S3_PROTOCOL_ACCESS_KEY_ID")
        or Secret(stored["s3_access_key_id"]),
        s3_secret_access_key=variable(stack, "S3_PROTOCOL_ACCESS_KEY_SECRET")
        or Secret(stored["s3_secret_access_key"]),
        **passwords_of(stack, stored),
        **made,
    )


def _role_key(role: str, secret: Secret, expires_at: int) -> Secret:
    # No time of issue: the same secret gives the same key at every start.
    return Secret(sign({"iss": ISSUER, "role": role, "exp": expires_at}, secret))
