"""The user object with everything that belongs to it, read inside the caller's transaction."""

from __future__ import annotations

from typing import Any

from gavan.core.auth.model import Row, user_json
from gavan.core.auth.store import Connection, many


async def show_user(connection: Connection, user: Row) -> dict[str, Any]:
    """Return the user object of a row of auth.users, with identities and factors."""
    identities = await many(connection, "identities_of", user_id=user["id"])
    factors = await many(connection, "factors_of", user_id=user["id"])
    return user_json(user, identities, factors)
