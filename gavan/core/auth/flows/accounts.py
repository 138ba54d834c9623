"""Rows of accounts: find and lock them, make them, confirm and change them.

Stands under the flows, the administrator's endpoints and sign-in by a provider; every function
runs inside the caller's transaction (supabase/auth:internal/models/user.go, identity.go).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg

from gavan.core.auth.errors import AuthError, database_error
from gavan.core.auth.flows import one_time
from gavan.core.auth.flows.addresses import email_exists, phone_exists
from gavan.core.auth.model import Row
from gavan.core.auth.store import Connection, Queries, change

queries = Queries(Path(__file__).parent / "sql" / "accounts.sql")

DEFAULT_DOMAIN = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """An account to make; ``password_hash`` is empty for one without a password."""

    aud: str
    id: UUID = field(default_factory=uuid4)
    role: str = "authenticated"
    email: str = ""
    phone: str = ""
    password_hash: str = ""
    user_metadata: Mapping[str, Any] = field(default_factory=dict)
    app_metadata: Mapping[str, Any] = field(default_factory=dict)
    is_anonymous: bool = False
    is_sso_user: bool = False
    """Set apart from accounts with the same address, because it is of another linking domain."""


def providers_metadata(*providers: str) -> dict[str, Any]:
    """Return the app_metadata that says how somebody signs in."""
    return {"provider": providers[0], "providers": list(providers)}


def identity_data(
    user_id: UUID,
    *,
    email: str = "",
    phone: str = "",
    email_verified: bool = False,
    phone_verified: bool = False,
) -> dict[str, Any]:
    """Return the claims of an identity by e-mail or phone; what is empty is left out."""
    data: dict[str, Any] = {"sub": str(user_id)}
    if email:
        data["email"] = email
    data["email_verified"] = email_verified
    if phone:
        data["phone"] = phone
    data["phone_verified"] = phone_verified
    return data


async def insert(connection: Connection, new: NewUser) -> Row:
    """Make an account and return its row as the triggers of the stack left it."""
    await queries.change(
        connection,
        "insert_user",
        id=new.id,
        aud=new.aud,
        role=new.role,
        email=new.email or None,
        phone=new.phone or None,
        encrypted_password=new.password_hash,
        app_meta=dict(new.app_metadata),
        user_meta=dict(new.user_metadata),
        is_anonymous=new.is_anonymous,
        is_sso_user=new.is_sso_user,
    )
    return await lock(connection, new.id)


async def add_identity(
    connection: Connection, user_id: UUID, provider: str, data: dict[str, Any]
) -> None:
    """Give an account a way to sign in; ``sub`` of the claims is its id at the provider."""
    if isinstance(data.get("email"), str):
        data = data | {"email": data["email"].lower()}
    await queries.change(
        connection,
        "insert_identity",
        provider_id=data["sub"],
        user_id=user_id,
        provider=provider,
        data=data,
    )


async def lock(connection: Connection, user_id: UUID) -> Row:
    """Return the row of an account, with ``is_banned``, and keep other changes away from it.

    Raises:
        AuthError: 403 ``user_not_found`` when it is gone.
    """
    user = await queries.one(connection, "lock_by_id", id=user_id)
    if user is None:
        raise AuthError(403, "user_not_found", "User from sub claim in JWT does not exist")
    return user


async def find_by_email(connection: Connection, email: str, aud: str) -> Row | None:
    """Return the account of an address in small letters, to look at only."""
    return await queries.one(connection, "find_by_email", email=email, aud=aud)


async def find_by_phone(connection: Connection, phone: str, aud: str) -> Row | None:
    """Return the account of a number without ``+``, to look at only."""
    return await queries.one(connection, "find_by_phone", phone=phone, aud=aud)


async def lock_by_email(connection: Connection, email: str, aud: str) -> Row | None:
    """Return the account of an address in small letters, locked."""
    return await queries.one(connection, "lock_by_email", email=email, aud=aud)


async def lock_by_phone(connection: Connection, phone: str, aud: str) -> Row | None:
    """Return the account of a number without ``+``, locked."""
    return await queries.one(connection, "lock_by_phone", phone=phone, aud=aud)


async def lock_by_new_phone(connection: Connection, phone: str, aud: str) -> Row | None:
    """Return the account that asked last to have a number, locked."""
    return await queries.one(connection, "lock_by_new_phone", phone=phone, aud=aud)


async def lock_by_claim(
    connection: Connection,
    email: str,
    aud: str,
    *,
    linking_domains: Mapping[str, str],
    except_id: UUID | None = None,
) -> Row | None:
    """Return the account that an address belongs to, through an identity or as its own; locked.

    Identities of providers in another linking domain, SSO above all, do not count.
    """
    claims = await queries.many(
        connection, "identities_by_email", email=email, aud=aud, except_id=except_id
    )
    for claim in claims:
        if linking_domain(claim["provider"], linking_domains) == DEFAULT_DOMAIN:
            return await lock(connection, claim["user_id"])
    user = await lock_by_email(connection, email, aud)
    return None if user is None or user["id"] == except_id else user


def linking_domain(provider: str, linking_domains: Mapping[str, str]) -> str:
    """Return the domain within which identities with one address are one person's."""
    if provider.startswith("sso:"):
        return provider
    return linking_domains.get(provider, DEFAULT_DOMAIN)


async def has_identity(connection: Connection, user_id: UUID, provider: str) -> bool:
    """Return whether an account has its own e-mail or phone identity."""
    found = await queries.one(
        connection, "identity_of", provider_id=str(user_id), provider=provider
    )
    return found is not None


async def put_identity(
    connection: Connection, user_id: UUID, provider: str, data: dict[str, Any]
) -> bool:
    """Change the claims of an account's own identity, or make it; return whether it was made."""
    if await has_identity(connection, user_id, provider):
        changed = {name: value for name, value in data.items() if name != "sub"}
        await queries.change(
            connection,
            "merge_identity",
            provider_id=str(user_id),
            provider=provider,
            data=changed,
        )
        return False
    await add_identity(connection, user_id, provider, data)
    return True


async def keep_only_identity(
    connection: Connection, user_id: UUID, provider: str, data: dict[str, Any]
) -> None:
    """Let an unconfirmed account be what this identity says: others proved nothing either."""
    await queries.change(
        connection,
        "delete_other_identities",
        user_id=user_id,
        provider_id=data["sub"],
        provider=provider,
    )
    await queries.change(connection, "set_user_meta", id=user_id, user_meta=data)
    await refresh_providers(connection, user_id)


async def refresh_providers(connection: Connection, user_id: UUID) -> None:
    """Write the providers of the identities into app_metadata."""
    await queries.change(connection, "refresh_providers", id=user_id)


async def confirm_email(connection: Connection, user_id: UUID) -> None:
    """Take the address as proved; what was sent before counts no more."""
    await queries.change(connection, "confirm_email", id=user_id)
    await one_time.drop_all(connection, user_id)


async def confirm_phone(connection: Connection, user_id: UUID) -> None:
    """Take the number as proved; what was sent before counts no more."""
    await queries.change(connection, "confirm_phone", id=user_id)
    await one_time.drop_all(connection, user_id)


async def verify_identity_email(connection: Connection, user_id: UUID) -> None:
    """Say in the identities with the account's address that it is proved."""
    await queries.change(connection, "verify_identity_email", id=user_id)


async def become_permanent(connection: Connection, user_id: UUID) -> None:
    """Let an anonymous account be one that can be signed in to again."""
    await queries.change(connection, "set_anonymous", id=user_id, value=False)


async def apply_email_change(connection: Connection, user_id: UUID) -> None:
    """Swap in the new address; what was sent before counts no more."""
    await queries.change(connection, "apply_email_change", id=user_id)
    await one_time.drop_all(connection, user_id)


async def apply_phone_change(connection: Connection, user_id: UUID) -> None:
    """Swap in the new number; what was sent before counts no more."""
    await queries.change(connection, "apply_phone_change", id=user_id)
    await one_time.drop_all(connection, user_id)


async def merge_metadata(
    connection: Connection,
    user_id: UUID,
    *,
    user: Mapping[str, Any] | None = None,
    app: Mapping[str, Any] | None = None,
) -> None:
    """Merge metadata key by key; a key whose new value is None goes."""
    user_set, user_removed = _split(user or {})
    app_set, app_removed = _split(app or {})
    await queries.change(
        connection,
        "merge_meta",
        id=user_id,
        user_meta=user_set,
        user_removed=user_removed,
        app_meta=app_set,
        app_removed=app_removed,
    )


async def set_password(
    connection: Connection, user_id: UUID, hashed: str, *, keeps_session: UUID | None
) -> None:
    """Store a hash, make every pending token worthless and end all sessions but one."""
    await queries.change(connection, "set_password", id=user_id, encrypted_password=hashed)
    await one_time.drop_all(connection, user_id)
    await change(connection, "delete_other_sessions", user_id=user_id, id=keeps_session)


@contextmanager
def saving(action: str) -> Iterator[None]:
    """Turn a refusal by Postgres, often by a trigger of the stack, into GoTrue's answer.

    Raises:
        AuthError: 422 for an address or a number that is taken, else 500 naming ``action``.
    """
    try:
        yield
    except psycopg.errors.UniqueViolation as error:
        raise taken(error) or database_error(action) from error
    except psycopg.OperationalError:
        raise  # the store answers for a database that is gone
    except psycopg.Error as error:
        raise database_error(action) from error


def taken(error: psycopg.errors.UniqueViolation) -> AuthError | None:
    """Return the refusal when a key of auth.users was violated, None for any other table's."""
    diag = error.diag
    if (diag.schema_name, diag.table_name) != ("auth", "users"):
        return None
    constraint = diag.constraint_name or ""
    if "phone" in constraint:
        return phone_exists()
    if "email" in constraint:
        return email_exists()
    return AuthError(422, "conflict", "A user with this id exists already")


def _split(metadata: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    kept = {name: value for name, value in metadata.items() if value is not None}
    return kept, [name for name in metadata if name not in kept]
