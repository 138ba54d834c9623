"""Values in a compose file: text that stands for itself, and variables that the env file has.

Stands at the bottom of the compose engine. A generated file never holds the value of a variable,
and never one that is secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gavan.engines.embedded.environment import (
    ADMIN,
    AUTH_ADMIN,
    AUTHENTICATOR,
    REALTIME_ADMIN,
    STORAGE_ADMIN,
)
from gavan.kit.secret import Secret
from gavan.stack.interpolate import Reference, Variable, parts
from gavan.stack.model import EnvValue

_MARK = "\x00"
_MARKED = re.compile(f"{_MARK}([^{_MARK}]*){_MARK}")
_PASSWORDS = {
    "postgres": "POSTGRES_PASSWORD",
    ADMIN: "ADMIN_PASSWORD",
    AUTHENTICATOR: "AUTHENTICATOR_PASSWORD",
    AUTH_ADMIN: "AUTH_ADMIN_PASSWORD",
    STORAGE_ADMIN: "STORAGE_ADMIN_PASSWORD",
    REALTIME_ADMIN: "REALTIME_ADMIN_PASSWORD",
}
PASSWORDS = tuple(_PASSWORDS.values())
DATABASE_HOST = "postgres"
DATABASE_PORT = 5432


def password_variables(passwords: Mapping[str, Secret]) -> dict[str, Secret]:
    """Return the passwords of roles by the names of their variables."""
    return {name: passwords[role] for role, name in _PASSWORDS.items()}


def required(name: str) -> str:
    """Return what stands for a variable that must be set; ``finished`` makes it compose's."""
    return f"{_MARK}{name}:?{_MARK}"


def optional(name: str, default: str = "") -> str:
    """Return what stands for a variable with a default."""
    return f"{_MARK}{name}:-{_dollars(default)}{_MARK}"


def finished(text: str) -> str:
    """Return text as a compose file has it: its own dollars doubled, variables as ``${...}``."""
    pieces = _MARKED.split(text)
    return "".join(
        f"${{{piece}}}" if index % 2 else _dollars(piece) for index, piece in enumerate(pieces)
    )


def _dollars(text: str) -> str:
    return text.replace("$", "$$")


class VariableKeys:
    """The keys of a stack as variables, in the shape that environments are made from."""

    jwt_secret = Secret(required("JWT_SECRET"))
    signing_keys: Secret | None = Secret(optional("GOTRUE_JWT_KEYS"))
    s3_access_key_id = Secret(required("S3_PROTOCOL_ACCESS_KEY_ID"))
    s3_secret_access_key = Secret(required("S3_PROTOCOL_ACCESS_KEY_SECRET"))
    anon_key = Secret(required("ANON_KEY"))
    service_role_key = Secret(required("SERVICE_ROLE_KEY"))
    publishable_key = Secret(required("SUPABASE_PUBLISHABLE_KEY"))
    secret_key = Secret(required("SUPABASE_SECRET_KEY"))
    minio_root_password = Secret(required("MINIO_ROOT_PASSWORD"))
    rabbitmq_password = Secret(required("RABBITMQ_PASSWORD"))
    realtime_db_enc_key = Secret(required("REALTIME_DB_ENC_KEY"))
    realtime_secret_key_base = Secret(required("REALTIME_SECRET_KEY_BASE"))
    pg_meta_crypto_key = Secret(required("PG_META_CRYPTO_KEY"))


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableUrls:
    """URLs of the roles with their passwords as variables; made passwords need no escaping."""

    database: str
    external: bool
    one_password: bool
    """Whether every role has that of postgres, as in Supabase's own image"""

    def url(self, role: str, *, socket: bool = False) -> Secret:
        """Return the URL of a role in the network of the stack."""
        del socket  # containers share no sockets
        if self.external:
            return Secret(required(f"{_PASSWORDS[role].removesuffix('_PASSWORD')}_DATABASE_URL"))
        password = _PASSWORDS["postgres" if self.one_password else role]
        login = f"{role}:{required(password)}"
        return Secret(f"postgresql://{login}@{DATABASE_HOST}:{DATABASE_PORT}/{self.database}")


def plain(values: Mapping[str, EnvValue], prefix: str) -> dict[str, EnvValue]:
    """Return options of the core: what is secret comes from the env file, by the name that the
    core knows it by, which is ``prefix`` and the name in capitals."""
    return {
        name: required(f"{prefix}{name.upper()}") if isinstance(value, Secret) else value
        for name, value in values.items()
    }


def written(name: str, text: str, addresses: Mapping[str, str]) -> str:
    """Return the value of a variable as the stack file writes it, for compose to resolve.

    A variable of the same name in the env file wins over what is written, as it does over the
    file on every engine. ``addresses`` are the values of references such as ``core.url``.
    """
    made_of = parts(text)
    value = "".join(_part(part, addresses) for part in made_of)
    if any(not isinstance(part, str) for part in made_of) or "}" in value:
        return value
    return optional(name, value)


def _part(part: str | Variable | Reference, addresses: Mapping[str, str]) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Reference):
        return addresses[part.path]
    if part.operator is None:
        return required(part.name)
    return f"{_MARK}{part.name}{part.operator}{_dollars(part.argument)}{_MARK}"
