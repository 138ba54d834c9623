"""Begin, refresh and end sessions: their refresh tokens, their access tokens."""

from __future__ import annotations

import asyncio
import secrets
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from gavan.core.auth.config.auth import AuthConfig
from gavan.core.auth.errors import AuthError, validation_failed
from gavan.core.auth.flows.audit import Audit
from gavan.core.auth.issuing import Issuer
from gavan.core.auth.model import Caller, Client, Row
from gavan.core.auth.session_rules import ending, newer_login
from gavan.core.auth.store import Connection, Store, change, many, one
from gavan.core.auth.tokens import (
    assurance,
    check_refresh_token,
    new_refresh_token,
)

REFRESH_DEADLINE_S = 5.0
LOGOUT_SCOPES = frozenset({"global", "local", "others"})


class Sessions:
    """What can be done with sessions; every method is one or more whole transactions."""

    def __init__(
        self,
        config: AuthConfig,
        store: Store,
        audit: Audit,
        issuer: Issuer,
    ) -> None:
        self._config = config
        self._store = store
        self._audit = audit
        self._issuer = issuer

    async def begin(
        self, connection: Connection, user_id: UUID, method: str, client: Client
    ) -> dict[str, Any]:
        """Open a session inside the caller's transaction and return the token response."""
        session_id, token = uuid4(), new_refresh_token()
        await change(
            connection,
            "insert_session",
            id=session_id,
            user_id=user_id,
            user_agent=client.user_agent,
            ip=client.ip,
        )
        await change(connection, "insert_amr", session_id=session_id, method=method)
        await change(connection, "touch_sign_in", id=user_id)
        await self._insert_token(connection, user_id, session_id, token, parent=None)
        return await self._issuer.issue(
            connection,
            user_id=user_id,
            session_id=session_id,
            refresh_token=token,
            method=method,
        )

    async def lift(
        self, connection: Connection, caller: Caller, *, method: str, factor_id: UUID
    ) -> dict[str, Any]:
        """Add a second factor to the caller's session and return its new token response.

        Upstream counts the refresh token on by two, so that one from before the factor cannot
        give a session with it; here those tokens are deleted, for the same reason
        (supabase/auth:internal/api/token.go).

        Raises:
            AuthError: 403 ``session_not_found`` when it was ended meanwhile.
        """
        session = await one(connection, "hold_session", id=caller.session_id)
        if session is None:
            raise AuthError(
                403, "session_not_found", "Session from session_id claim in JWT does not exist"
            )
        session_id = session["id"]
        await change(connection, "insert_amr", session_id=session_id, method=method)
        amr = await many(connection, "amr_of", session_id=session_id)
        aal = assurance(item["method"] for item in amr)
        await change(connection, "lift_session", id=session_id, aal=aal, factor_id=factor_id)
        await change(connection, "delete_session_tokens", session_id=session_id)
        token = new_refresh_token()
        await self._insert_token(connection, session["user_id"], session_id, token, parent=None)
        return await self._issuer.issue(
            connection,
            user_id=session["user_id"],
            session_id=session_id,
            refresh_token=token,
            method=method,
        )

    async def refresh(self, token: str, client: Client) -> dict[str, Any]:
        """Return a new session response for a refresh token, by GoTrue's rules of reuse.

        Raises:
            AuthError: 400 for a token that is unknown, used or of no session; 409 when other
                refreshes of this session kept it busy for five seconds.
        """
        check_refresh_token(token)
        deadline = time.monotonic() + REFRESH_DEADLINE_S
        while time.monotonic() < deadline:
            answer = await self._try_refresh(token, client)
            if isinstance(answer, AuthError):
                raise answer
            if answer is not None:
                return answer
            await asyncio.sleep(0.01 + secrets.randbelow(20) / 1000)
        raise AuthError(409, "conflict", "Too many concurrent token refreshes of one session")

    async def _try_refresh(self, token: str, client: Client) -> dict[str, Any] | AuthError | None:
        """Return the response, or a refusal as a value so that its revocations are committed.

        None means that another refresh of this session is under way.
        """
        async with self._store.transaction() as connection:
            known = await one(connection, "refresh_token", token=token)
            if known is None:
                return _refused("refresh_token_not_found", "Refresh Token Not Found")
            user = await one(connection, "user_by_id", id=known["user_id"])
            session = await one(connection, "lock_session", id=known["session_id"])
            if session is None:
                exists = await one(connection, "session_exists", id=known["session_id"])
                if exists and exists["found"]:
                    return None
                return _refused("session_not_found", "No Valid Session Found")
            if user is None:
                return _refused("session_not_found", "No Valid Session Found")
            if user["is_banned"]:
                return _refused("user_banned", "User Banned")
            ended = await self._ending(connection, known, session)
            if ended is not None:
                return _refused("session_expired", ended)
            current = await self._rotate(connection, token, session, user)
            if current is None:
                return _refused("refresh_token_already_used", "Already Used")
            await change(
                connection,
                "touch_session",
                id=session["id"],
                user_agent=client.user_agent,
                ip=client.ip,
            )
            return await self._issuer.issue(
                connection,
                user_id=user["id"],
                session_id=session["id"],
                refresh_token=current,
                method="token_refresh",
            )

    async def _ending(self, connection: Connection, known: Row, session: Row) -> str | None:
        """Return why a session may not go on, None when it may."""
        rules, now = self._config.sessions, datetime.now(UTC)
        found = await one(connection, "has_factor", user_id=session["user_id"])
        has_factor = bool(found and found["found"])
        token_time = known["updated_at"]
        ended = ending(session, rules, now, has_factor=has_factor, token_time=token_time)
        if ended is not None or not rules.single_per_user:
            return ended
        others = await many(connection, "sessions_of", user_id=session["user_id"])
        if newer_login(session, others, rules, now, has_factor=has_factor, token_time=token_time):
            return "Session Expired (Revoked by Newer Login)"
        return None

    async def _rotate(
        self, connection: Connection, token: str, session: Row, user: Row
    ) -> str | None:
        """Return the token to hand out, or None after a reuse that looks like theft."""
        state = await one(
            connection, "refresh_state", token=token, reuse_s=self._config.security.reuse_interval_s
        )
        if state is None:
            return None
        if state["revoked"]:
            if state["active_token"] and state["active_parent"] == token:
                return str(state["active_token"])  # the answer to the first refresh got lost
            if not state["is_recent"]:
                if self._config.security.rotates_refresh_tokens:
                    await change(connection, "revoke_session_tokens", session_id=session["id"])
                return None
        elif not self._config.security.rotates_refresh_tokens:
            return token
        await self._audit.record(connection, "token_refreshed", user)
        await self._audit.record(connection, "token_revoked", user)
        await change(connection, "revoke_token", token=token)
        fresh = new_refresh_token()
        await self._insert_token(connection, session["user_id"], session["id"], fresh, parent=token)
        return fresh

    async def log_out(self, caller: Caller, scope: str) -> None:
        """Delete the caller's sessions: all, this one or the others."""
        if scope not in LOGOUT_SCOPES:
            raise validation_failed(f"Unsupported logout scope {scope!r}")
        async with self._store.transaction() as connection:
            user_id = caller.user["id"]
            await self._audit.record(connection, "logout", caller.user)
            if caller.session_id is None or scope == "global":
                await change(connection, "delete_sessions_of", user_id=user_id)
            elif scope == "local":
                await change(connection, "delete_session", id=caller.session_id)
            else:
                await change(
                    connection, "delete_other_sessions", user_id=user_id, id=caller.session_id
                )

    async def _insert_token(
        self,
        connection: Connection,
        user_id: UUID,
        session_id: UUID,
        token: str,
        *,
        parent: str | None,
    ) -> None:
        await change(
            connection,
            "insert_refresh_token",
            token=token,
            user_id=user_id,
            parent=parent,
            session_id=session_id,
        )


def _refused(code: str, text: str) -> AuthError:
    return AuthError(400, code, f"Invalid Refresh Token: {text}")
