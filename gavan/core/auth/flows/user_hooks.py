"""The stack's own code around a new account: it may refuse one, and hears of one.

Both hooks run outside the transaction that makes the account (supabase/auth:internal/api/hooks.go).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from gavan.core.auth.flows.accounts import NewUser
from gavan.core.auth.flows.room import Room
from gavan.core.auth.model import rfc3339


async def before_created(room: Room, new: NewUser) -> None:
    """Ask whether an account may be made; raise AuthError with the hook's answer if not."""
    await room.hooks.before_user_created(_unsaved(new))


async def after_created(room: Room, user: Mapping[str, Any]) -> None:
    """Tell that an account was made."""
    await room.hooks.after_user_created(dict(user))


def _unsaved(new: NewUser) -> dict[str, Any]:
    moment = rfc3339(datetime.now(UTC))
    return {
        "id": str(new.id),
        "aud": new.aud,
        "role": new.role,
        "email": new.email,
        "phone": new.phone,
        "app_metadata": dict(new.app_metadata),
        "user_metadata": dict(new.user_metadata),
        "identities": [],
        "created_at": moment,
        "updated_at": moment,
        "is_anonymous": new.is_anonymous,
    }
