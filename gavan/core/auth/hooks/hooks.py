"""The door through which every flow asks the stack's own code."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from gavan.core.auth.config.hooks import HookConfig, Hooked
from gavan.core.auth.hooks import payloads
from gavan.core.auth.hooks.claims import check_claims
from gavan.core.auth.hooks.http import HttpHooks
from gavan.core.auth.hooks.postgres import PostgresHooks
from gavan.core.auth.hooks.refusal import Output
from gavan.core.auth.store import Connection, Store
from gavan.kit.outbound import Outbound, PublicOnly
from gavan.kit.web_address import LOCAL_HOSTS

PASSWORD_REJECTED = "Further password verification attempts will be rejected."  # noqa: S105
MFA_REJECTED = "Further MFA verification attempts will be rejected."

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A hook refused an attempt; ``logs_out`` asks for the end of all sessions of the user."""

    message: str
    logs_out: bool


class Hooks:
    """Functions of Postgres and HTTP endpoints, by the names of gavan.core.auth.config.hooks.

    Hooks of a token, a mail or a text message are called inside the caller's transaction, all
    others outside of any.
    """

    def __init__(self, hooked: Hooked, store: Store, outbound: Outbound | None = None) -> None:
        self._hooked = hooked
        self._postgres = PostgresHooks(store)
        self._outbound = outbound or Outbound(PublicOnly(exempt=LOCAL_HOSTS))
        self._http = HttpHooks(self._outbound)

    async def close(self) -> None:
        """Close every connection."""
        await self._outbound.close()

    def has(self, name: str) -> bool:
        """Return whether a hook is configured."""
        return name in self._hooked

    async def call(
        self, name: str, payload: dict[str, Any], connection: Connection | None = None
    ) -> Output | None:
        """Return what a hook answered, None when it is not configured.

        Args:
            payload: what it is told besides ``metadata``.
            connection: the transaction that a function of Postgres runs in; a new one without it.

        Raises:
            AuthError: when the hook refuses, fails or does not answer in time.
        """
        hook = self._hooked.get(name)
        if hook is None:
            return None
        began = time.monotonic()
        try:
            output = await self._dispatch(
                hook, {"metadata": payloads.metadata(name), **payload}, connection
            )
        except Exception as error:
            self._log(hook, began, error)
            raise
        self._log(hook, began, None)
        return output

    async def before_user_created(self, user: dict[str, Any]) -> None:
        """Ask whether a user may be made; raise AuthError when not."""
        await self.call("before_user_created", payloads.user_created(user))

    async def after_user_created(self, user: dict[str, Any]) -> None:
        """Tell that a user was made."""
        await self.call("after_user_created", payloads.user_created(user))

    async def custom_access_token(
        self, connection: Connection, user_id: UUID, claims: dict[str, Any], method: str
    ) -> dict[str, Any]:
        """Return the claims to sign: the given ones, or what the hook made of them."""
        payload = payloads.custom_access_token(user_id, claims, method)
        output = await self.call("custom_access_token", payload, connection)
        return claims if output is None else check_claims(output)

    async def password_attempt(self, user_id: UUID, *, valid: bool) -> Rejected | None:
        """Ask what follows from a password attempt; None lets it take its course."""
        payload = payloads.password_attempt(user_id, valid=valid)
        output = await self.call("password_verification_attempt", payload)
        return _rejected(output, PASSWORD_REJECTED)

    async def mfa_attempt(
        self, user_id: UUID, factor_id: UUID, factor_type: str, *, valid: bool
    ) -> Rejected | None:
        """Ask what follows from an attempt with a second factor; a refusal always logs out."""
        payload = payloads.mfa_attempt(user_id, factor_id, factor_type, valid=valid)
        output = await self.call("mfa_verification_attempt", payload)
        rejected = _rejected(output, MFA_REJECTED)
        return rejected and Rejected(message=rejected.message, logs_out=True)

    async def _dispatch(
        self, hook: HookConfig, payload: dict[str, Any], connection: Connection | None
    ) -> Output:
        if hook.function is not None:
            return await self._postgres.call(hook, payload, connection)
        return await self._http.call(hook, orjson.dumps(payload))

    @staticmethod
    def _log(hook: HookConfig, began: float, error: Exception | None) -> None:
        level = logging.WARNING if error else logging.INFO
        logger.log(
            level,
            "hook %s %s",
            hook.name,
            f"failed: {error.__cause__ or error}" if error else "answered",
            extra={
                "event": "hook",
                "hook": hook.name,
                "ms": round((time.monotonic() - began) * 1000, 1),
            },
        )


def _rejected(output: Output | None, default: str) -> Rejected | None:
    if output is None or output.get("decision") != "reject":
        return None
    message = output.get("message")
    return Rejected(
        message=message if isinstance(message, str) and message else default,
        logs_out=output.get("should_logout_user") is True,
    )
