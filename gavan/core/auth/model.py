"""The user object and its identities as GoTrue writes them; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

Row = Mapping[str, Any]

OPTIONAL_TIMES = (
    "email_confirmed_at",
    "invited_at",
    "phone_confirmed_at",
    "confirmation_sent_at",
    "confirmed_at",
    "recovery_sent_at",
    "email_change_sent_at",
    "phone_change_sent_at",
    "reauthentication_sent_at",
    "last_sign_in_at",
    "banned_until",
    "deleted_at",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who is asking, as remembered with a session."""

    ip: str | None
    user_agent: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The user of a verified bearer; ``session`` is None for tokens made without one."""

    user: Row
    session: Row | None
    is_admin: bool

    @property
    def session_id(self) -> UUID | None:
        """Return the key of the session."""
        return None if self.session is None else self.session["id"]

    @property
    def aal(self) -> str:
        """Return how sure the session is of its user: ``aal1``, or ``aal2`` after a factor."""
        return "aal1" if self.session is None else self.session["aal"] or "aal1"


def rfc3339(moment: datetime) -> str:
    """Return UTC with microseconds and Z."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def user_json(user: Row, identities: Sequence[Row], factors: Sequence[Row] = ()) -> dict[str, Any]:
    """Return the user object; what is null is left out, e-mail and phone are never null."""
    body: dict[str, Any] = {
        "id": str(user["id"]),
        "aud": user["aud"] or "authenticated",
        "role": user["role"] or "authenticated",
        "email": user["email"] or "",
        "phone": user["phone"] or "",
    }
    for name in OPTIONAL_TIMES:
        if user[name] is not None:
            body[name] = rfc3339(user[name])
    for name, column in (("new_email", "email_change"), ("new_phone", "phone_change")):
        if user[column]:
            body[name] = user[column]
    if factors:
        body["factors"] = [factor_json(factor) for factor in factors]
    return body | {
        "app_metadata": user["raw_app_meta_data"] or {},
        "user_metadata": user["raw_user_meta_data"] or {},
        "identities": [identity_json(identity) for identity in identities],
        "created_at": _time(user["created_at"]),
        "updated_at": _time(user["updated_at"]),
        "is_anonymous": user["is_anonymous"],
    }


def identity_json(identity: Row) -> dict[str, Any]:
    """Return one identity of the user object."""
    body = {
        "identity_id": str(identity["id"]),
        "id": identity["provider_id"],
        "user_id": str(identity["user_id"]),
        "identity_data": identity["identity_data"] or {},
        "provider": identity["provider"],
        "last_sign_in_at": _time(identity["last_sign_in_at"]),
        "created_at": _time(identity["created_at"]),
        "updated_at": _time(identity["updated_at"]),
    }
    if identity["email"]:
        body["email"] = identity["email"]
    return body


def factor_json(factor: Row) -> dict[str, Any]:
    """Return one second factor; its secret never leaves the database."""
    body = {
        "id": str(factor["id"]),
        "created_at": _time(factor["created_at"]),
        "updated_at": _time(factor["updated_at"]),
        "status": factor["status"],
        "factor_type": factor["factor_type"],
    }
    for name in ("friendly_name", "phone"):
        if factor[name]:
            body[name] = factor[name]
    if factor["last_challenged_at"] is not None:
        body["last_challenged_at"] = rfc3339(factor["last_challenged_at"])
    return body


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
