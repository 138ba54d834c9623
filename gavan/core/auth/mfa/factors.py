"""Enrol, show and remove second factors (supabase/auth:internal/api/mfa.go)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import psycopg

from gavan.core.auth.config.auth import AuthConfig
from gavan.core.auth.config.mfa import FactorConfig
from gavan.core.auth.errors import AuthError, validation_failed
from gavan.core.auth.flows import accounts
from gavan.core.auth.flows.notices import Notice
from gavan.core.auth.flows.room import Room
from gavan.core.auth.mfa.queries import QUERIES
from gavan.core.auth.mfa.totp import new_secret
from gavan.core.auth.model import Caller, Row, factor_json
from gavan.core.auth.store import Connection, many, one

AMR_METHODS = {"totp": "totp", "phone": "mfa/phone", "webauthn": "mfa/webauthn"}
"""How a session that was lifted by a factor says so, by type of factor."""
_NAMES = {"totp": "TOTP", "phone": "Phone", "webauthn": "WebAuthn"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """The input of POST /factors; absent texts are empty."""

    factor_type: str
    friendly_name: str
    issuer: str
    phone: str
    """Digits, already checked."""


class Factors:
    """What can be done with the factors of a user; every method is one transaction."""

    def __init__(self, room: Room) -> None:
        self._config = room.config
        self._store = room.store
        self._audit = room.audit
        self._notices = room.notices

    async def enroll(self, caller: Caller, wanted: Enrolment) -> dict[str, Any]:
        """Add an unverified factor and return it, with the secret of a TOTP factor.

        Raises:
            AuthError: 400 for an unknown type, 403 ``insufficient_aal`` when a verified factor
                exists and the session is not lifted, 422 for a type that is off, a name that is
                taken and too many factors.
        """
        self._check_type(wanted.factor_type, "enroll")
        if wanted.factor_type == "phone" and not wanted.phone:
            raise validation_failed("Phone number required to enroll Phone factor")
        factor_id, user_id = uuid4(), caller.user["id"]
        answer: dict[str, Any] = {
            "id": str(factor_id),
            "type": wanted.factor_type,
            "friendly_name": wanted.friendly_name,
        }
        secret = None
        if wanted.factor_type == "totp":
            made = new_secret(self._issuer(wanted), caller.user["email"] or str(user_id))
            secret = made.secret
            answer["totp"] = {"qr_code": made.qr_code, "secret": secret, "uri": made.uri}
        if wanted.factor_type == "phone":
            answer["phone"] = wanted.phone
        async with self._store.transaction() as connection:
            # One enrolment at a time: the number and the names of factors are counted first.
            await accounts.lock(connection, user_id)
            await self._check_factors(connection, caller, wanted)
            await QUERIES.change(
                connection,
                "insert_factor",
                id=factor_id,
                user_id=user_id,
                friendly_name=wanted.friendly_name,
                factor_type=wanted.factor_type,
                secret=secret,
                phone=wanted.phone or None,
            )
            traits = {"factor_id": str(factor_id), "factor_type": wanted.factor_type}
            await self._audit.record(connection, "factor_in_progress", caller.user, traits)
        return answer

    async def unenroll(self, caller: Caller, factor_id: UUID) -> dict[str, Any]:
        """Remove a factor of the caller; sessions that it had lifted fall back to aal1.

        Raises:
            AuthError: 404 for a factor of nobody or somebody else, 422 ``insufficient_aal`` for a
                verified one while the session is not lifted.
        """
        async with self._store.transaction() as connection:
            factor = await find_factor(connection, caller.user["id"], factor_id)
            if factor["status"] == "verified" and caller.aal != "aal2":
                raise AuthError(
                    422, "insufficient_aal", "AAL2 required to unenroll verified factor"
                )
            await _remove(connection, factor)
            traits = {
                "factor_id": str(factor_id),
                "factor_status": factor["status"],
                "session_id": str(caller.session_id),
            }
            await self._audit.record(connection, "factor_unenrolled", caller.user, traits)
            notice = Notice(
                kind="mfa_factor_unenrolled",
                user_id=caller.user["id"],
                factor_type=factor["factor_type"],
            )
            await self._notices.send(connection, notice)
        return {"id": str(factor_id)}

    async def list(self, user_id: UUID) -> list[dict[str, Any]]:
        """Return the factors of any user, for administrators; raise AuthError 404 for nobody."""
        async with self._store.transaction() as connection:
            if await one(connection, "user_by_id", id=user_id) is None:
                raise AuthError(404, "user_not_found", "User not found")
            return [
                factor_json(factor)
                for factor in await many(connection, "factors_of", user_id=user_id)
            ]

    async def rename(
        self, admin: Row, factor_id: UUID, *, user_id: UUID, name: str, phone: str
    ) -> dict[str, Any]:
        """Change the name of a factor, and the number of a phone factor; for administrators."""
        try:
            async with self._store.transaction() as connection:
                factor = await find_factor(connection, user_id, factor_id)
                number = phone if factor["factor_type"] == "phone" else ""
                await QUERIES.change(
                    connection, "rename_factor", id=factor_id, friendly_name=name, phone=number
                )
                traits = {
                    "user_id": str(user_id),
                    "factor_id": str(factor_id),
                    "factor_type": factor["factor_type"],
                }
                await self._audit.record(connection, "factor_updated", admin, traits)
                return factor_json(await find_factor(connection, user_id, factor_id))
        except psycopg.errors.UniqueViolation as error:
            raise _name_conflict(name) from error

    async def delete(self, admin: Row, factor_id: UUID, *, user_id: UUID) -> dict[str, Any]:
        """Remove a factor of any user and return it; for administrators."""
        async with self._store.transaction() as connection:
            factor = await find_factor(connection, user_id, factor_id)
            await _remove(connection, factor)
            traits = {"user_id": str(user_id), "factor_id": str(factor_id)}
            await self._audit.record(connection, "factor_deleted", admin, traits)
        return factor_json(factor)

    def _check_type(self, factor_type: str, action: str) -> None:
        check_switch(self._config, factor_type, action)

    async def _check_factors(
        self, connection: Connection, caller: Caller, wanted: Enrolment
    ) -> None:
        rules = self._config.mfa
        user_id = caller.user["id"]
        if wanted.factor_type == "phone":
            await self._replace_unverified_phone(connection, user_id, wanted.phone)
        await QUERIES.change(
            connection, "delete_expired_factors", lifetime_s=rules.factor_lifetime_s
        )
        factors = await many(connection, "factors_of", user_id=user_id)
        if any((factor["friendly_name"] or "") == wanted.friendly_name for factor in factors):
            raise _name_conflict(wanted.friendly_name)
        verified = sum(factor["status"] == "verified" for factor in factors)
        if len(factors) >= rules.most_factors:
            raise AuthError(
                422,
                "too_many_enrolled_mfa_factors",
                "Maximum number of verified factors reached, unenroll to continue",
            )
        if verified and caller.aal != "aal2":
            raise AuthError(403, "insufficient_aal", "AAL2 required to enroll a new factor")

    async def _replace_unverified_phone(
        self, connection: Connection, user_id: UUID, phone: str
    ) -> None:
        for factor in await many(connection, "factors_of", user_id=user_id):
            if factor["phone"] == phone and factor["status"] == "verified":
                raise AuthError(
                    422,
                    "mfa_verified_factor_exists",
                    "A verified phone factor already exists, unenroll the existing factor to"
                    " continue",
                )
        await QUERIES.change(connection, "delete_unverified_phone", user_id=user_id, phone=phone)

    def _issuer(self, wanted: Enrolment) -> str:
        return wanted.issuer or urlsplit(self._config.urls.site_url).netloc


async def find_factor(connection: Connection, user_id: UUID, factor_id: UUID) -> Row:
    """Return a factor of a user; raise AuthError 404 when it is not theirs."""
    factor = await QUERIES.one(connection, "factor_of", id=factor_id, user_id=user_id)
    if factor is None:
        raise AuthError(404, "mfa_factor_not_found", "Factor not found")
    return factor


def check_switch(config: AuthConfig, factor_type: str, action: str) -> None:
    """Raise AuthError for a type of factor that does not exist or whose ``action`` is off.

    Args:
        action: ``enroll`` or ``verify``.
    """
    if factor_type not in _NAMES:
        raise validation_failed("factor_type needs to be totp, phone, or webauthn")
    switch: FactorConfig = getattr(config.mfa, factor_type)
    enrolls = action == "enroll"
    if not (switch.enrolls if enrolls else switch.verifies):
        word = "enroll" if enrolls else "verification"
        raise AuthError(
            422,
            f"mfa_{factor_type}_{action}_not_enabled",
            f"MFA {word} is disabled for {_NAMES[factor_type]}",
        )


async def _remove(connection: Connection, factor: Row) -> None:
    await QUERIES.change(
        connection,
        "delete_amr_of_factor",
        factor_id=factor["id"],
        method=AMR_METHODS[factor["factor_type"]],
    )
    await QUERIES.change(connection, "downgrade_sessions", factor_id=factor["id"])
    await QUERIES.change(connection, "delete_factor", id=factor["id"])


def _name_conflict(name: str) -> AuthError:
    return AuthError(
        422,
        "mfa_factor_name_conflict",
        f'A factor with the friendly name "{name}" for this user already exists',
    )
