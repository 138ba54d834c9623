"""Issue access tokens: the claims of a session, as the stack's own hook wants them, signed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from gavan.core.auth.config.auth import AuthConfig
from gavan.core.auth.errors import AuthError
from gavan.core.auth.hooks.hooks import Hooks
from gavan.core.auth.show import show_user
from gavan.core.auth.store import Connection, many, one
from gavan.core.auth.tokens import access_claims, token_response


class Issuer:
    """Makes the answer of every sign-in and refresh."""

    def __init__(
        self, config: AuthConfig, hooks: Hooks, clock: Callable[[], float] = time.time
    ) -> None:
        self._config = config
        self._hooks = hooks
        self._clock = clock

    async def issue(
        self,
        connection: Connection,
        *,
        user_id: UUID,
        session_id: UUID,
        refresh_token: str,
        method: str,
    ) -> dict[str, Any]:
        """Return the token response of a session, inside the transaction that changed it.

        Args:
            method: how the user proved who they are just now, ``token_refresh`` for a refresh.

        Raises:
            AuthError: what the hook answers, 500 when its claims make no token.
        """
        user = await one(connection, "user_by_id", id=user_id)
        if user is None:
            raise AuthError(500, "unexpected_failure", "Database error finding user")
        if user["is_banned"]:  # flows say so before; none shall forget
            raise AuthError(403, "user_banned", "User is banned")
        amr = await many(connection, "amr_of", session_id=session_id)
        claims = access_claims(self._config, user, session_id, amr, int(self._clock()))
        body = token_response(
            self._config, claims, refresh_token, await show_user(connection, user)
        )
        wanted = await self._hooks.custom_access_token(connection, user_id, claims, method)
        return {"access_token": self._config.tokens.keys.sign(wanted), **body}
