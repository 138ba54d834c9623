"""The audit log: who did what to which account, in ``auth.audit_log_entries`` and in the log.

Stands under the flows; a row is written in the transaction of what it tells of (supabase/auth:
internal/models/audit_log_entry.go).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from gavan.core.auth.model import Row
from gavan.core.auth.store import Connection, Queries

LOG_TYPES = {
    "login": "account",
    "logout": "account",
    "invite_accepted": "account",
    "user_signedup": "team",
    "user_invited": "team",
    "user_deleted": "team",
    "token_revoked": "token",
    "token_refreshed": "token",
    "user_modified": "user",
    "user_recovery_requested": "user",
    "user_reauthenticate_requested": "user",
    "user_confirmation_requested": "user",
    "user_repeated_signup": "user",
    "user_updated_password": "user",
    "identity_linked": "user",
    "identity_unlinked": "user",
    "factor_in_progress": "factor",
    "factor_unenrolled": "factor",
    "challenge_created": "factor",
    "verification_attempted": "factor",
    "factor_deleted": "factor",
    "factor_updated": "factor",
    "passkey_created": "user",
    "passkey_updated": "user",
    "passkey_deleted": "user",
}
NOBODY = UUID(int=0)
queries = Queries(Path(__file__).parent / "sql" / "audit.sql")
logger = logging.getLogger(__name__)


def admin_actor(role: str) -> Row:
    """Return the actor of what an administrator's key does: it is no user of its own."""
    return {"id": NOBODY, "email": role, "phone": None, "is_sso_user": False}


@dataclass(frozen=True, slots=True)
class Audit:
    """Writes the log; ``to_postgres`` off leaves only the process's own log."""

    to_postgres: bool

    async def record(
        self,
        connection: Connection,
        action: str,
        actor: Row,
        traits: dict[str, Any] | None = None,
        *,
        ip: str | None = None,
    ) -> None:
        """Remember an action, one of LOG_TYPES, of a user row or ``admin_actor``."""
        payload = entry_of(action, actor, traits)
        logger.info(
            "%s",
            action,
            extra={"event": "auth.audit", "action": action, "user_id": payload["actor_id"]},
        )
        if self.to_postgres:
            await queries.change(
                connection, "insert_entry", id=uuid4(), payload=payload, ip=ip or ""
            )


def entry_of(action: str, actor: Row, traits: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the payload of an entry; pure."""
    payload: dict[str, Any] = {
        "actor_id": str(actor["id"]),
        "actor_via_sso": bool(actor["is_sso_user"]),
        "actor_username": actor["phone"] or actor["email"] or "",
        "action": action,
        "log_type": LOG_TYPES[action],
    }
    name = (actor.get("raw_user_meta_data") or {}).get("full_name")
    if name is not None:
        payload["actor_name"] = name
    if traits is not None:
        payload["traits"] = traits
    return payload
