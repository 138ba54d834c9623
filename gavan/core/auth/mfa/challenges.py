"""Ask for a second factor and check the answer (supabase/auth:internal/api/mfa.go).

A challenge is used once, from the address that asked for it. A right answer lifts the session to
aal2, ends the weaker sessions of the user and drops the factors of that type nobody finished.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from gavan.core.auth.errors import AuthError, validation_failed
from gavan.core.auth.flows import accounts, one_time
from gavan.core.auth.flows.notices import Notice
from gavan.core.auth.flows.room import Room
from gavan.core.auth.guard.frequency import check_frequency
from gavan.core.auth.guard.guesses import Guesses
from gavan.core.auth.mfa.answer import Answer
from gavan.core.auth.mfa.factors import AMR_METHODS, check_switch, find_factor
from gavan.core.auth.mfa.queries import QUERIES
from gavan.core.auth.mfa.totp import fits
from gavan.core.auth.model import Caller, Client, Row
from gavan.core.auth.relying_site import relying_site
from gavan.core.auth.sms.texter import Sms, Texter
from gavan.core.auth.store import Connection, change, many

if TYPE_CHECKING:
    from gavan.core.auth.mfa.webauthn import RelyingParty

NOWHERE = "0.0.0.0"  # noqa: S104  # what is written when the address of a client is not known


class Challenges:
    """What can be asked of a user who has factors."""

    def __init__(self, room: Room, texter: Texter) -> None:
        self._room = room
        self._config = room.config
        self._store = room.store
        self._texter = texter
        self._guesses = Guesses()

    async def challenge(
        self, caller: Caller, factor_id: UUID, *, channel: str, client: Client
    ) -> dict[str, Any]:
        """Begin a verification: send a code, or return what an authenticator is to sign.

        Raises:
            AuthError: 404 for a factor that is not the caller's, 422 for a type that is off, 429
                when a code was sent a moment ago.
        """
        challenge_id = uuid4()
        async with self._store.transaction() as connection:
            factor = await find_factor(connection, caller.user["id"], factor_id)
            check_switch(self._config, factor["factor_type"], "verify")
            otp_code, session_data, options = None, None, None
            if factor["factor_type"] == "phone":
                otp_code = await self._send_code(connection, caller, factor, channel)
            if factor["factor_type"] == "webauthn":
                options, session_data = await self._relying_party().ask(
                    connection, caller.user, factor
                )
            await QUERIES.change(
                connection,
                "insert_challenge",
                id=challenge_id,
                factor_id=factor_id,
                ip=client.ip or NOWHERE,
                otp_code=otp_code,
                session_data=session_data,
            )
            await QUERIES.change(connection, "touch_challenged", id=factor_id)
            traits = {"factor_id": str(factor_id), "factor_status": factor["status"]}
            await self._room.audit.record(connection, "challenge_created", caller.user, traits)
        expires = datetime.now(UTC) + timedelta(seconds=self._config.mfa.challenge_lifetime_s)
        body = {
            "id": str(challenge_id),
            "type": factor["factor_type"],
            "expires_at": int(expires.timestamp()),
        }
        return body if options is None else body | {"webauthn": options}

    async def verify(
        self, caller: Caller, factor_id: UUID, answer: Answer, client: Client
    ) -> dict[str, Any]:
        """Return the lifted session for a right answer.

        Raises:
            AuthError: 422 for a challenge that is used, expired, asked for from elsewhere or not
                of this factor, and for a wrong code.
        """
        async with self._store.transaction() as connection:
            factor = await find_factor(connection, caller.user["id"], factor_id)
            self._check_answer(factor, answer)
            challenge = await self._find_challenge(connection, factor, answer, client)
            credential = await self._credential(connection, caller, factor, challenge, answer)
        if challenge["is_expired"]:
            await self._drop(challenge["id"])
            raise AuthError(
                422,
                "mfa_challenge_expired",
                f"MFA challenge {challenge['id']} has expired, verify against another challenge"
                " or create a new challenge.",
            )
        if credential is None:
            await self._judge_code(caller, factor, challenge, answer.code)
        async with self._store.transaction() as connection:
            return await self._lift(connection, caller, factor, challenge, credential)

    def _check_answer(self, factor: Row, answer: Answer) -> None:
        if factor["factor_type"] != "webauthn" and not answer.code:
            raise validation_failed("Code needs to be non-empty")
        check_switch(self._config, factor["factor_type"], "verify")

    async def _find_challenge(
        self, connection: Connection, factor: Row, answer: Answer, client: Client
    ) -> Row:
        challenge = await QUERIES.one(
            connection,
            "challenge_of",
            id=answer.challenge_id,
            factor_id=factor["id"],
            ip=client.ip or NOWHERE,
            lifetime_s=self._config.mfa.challenge_lifetime_s,
        )
        if challenge is None:
            raise AuthError(
                422,
                "mfa_factor_not_found",
                "MFA factor with the provided challenge ID not found",
            )
        if challenge["verified_at"] is not None or not challenge["is_same_address"]:
            raise _used_or_elsewhere()
        return challenge

    async def _drop(self, challenge_id: UUID) -> None:
        async with self._store.transaction() as connection:
            await QUERIES.change(connection, "delete_challenge", id=challenge_id)

    async def _credential(
        self,
        connection: Connection,
        caller: Caller,
        factor: Row,
        challenge: Row,
        answer: Answer,
    ) -> dict[str, Any] | None:
        """Return the credential of an authenticator as it is to be stored, None for codes."""
        if factor["factor_type"] != "webauthn" or challenge["is_expired"]:
            return None
        return await self._relying_party().check(
            connection, caller.user, factor, challenge, answer.webauthn
        )

    async def _judge_code(self, caller: Caller, factor: Row, challenge: Row, code: str) -> None:
        """Refuse a wrong code; the stack's own hook is heard first, right or wrong.

        Its no ends every session of the user. No connection is held while it thinks.
        """
        self._guesses.take(str(factor["id"]))
        if factor["factor_type"] == "totp":
            is_right, refusal = fits(factor["secret"] or "", code), "Invalid TOTP code entered"
        else:
            sent = challenge["otp_code"] or ""
            is_right = bool(sent) and compare_digest(sent.encode(), code.encode())
            refusal = "Invalid MFA Phone code entered"
        rejected = await self._room.hooks.mfa_attempt(
            caller.user["id"], factor["id"], factor["factor_type"], valid=is_right
        )
        if rejected is not None:
            async with self._store.transaction() as connection:
                await change(connection, "delete_sessions_of", user_id=caller.user["id"])
            raise AuthError(403, "mfa_verification_rejected", rejected.message)
        if not is_right:
            raise AuthError(422, "mfa_verification_failed", refusal)
        self._guesses.forget(str(factor["id"]))

    async def _lift(
        self,
        connection: Connection,
        caller: Caller,
        factor: Row,
        challenge: Row,
        credential: dict[str, Any] | None,
    ) -> dict[str, Any]:
        user_id = caller.user["id"]
        await accounts.lock(connection, user_id)
        await _check_may_verify(connection, caller, factor["id"], creates=_creates(challenge))
        if not await QUERIES.change(connection, "use_challenge", id=challenge["id"]):
            raise _used_or_elsewhere()
        traits = {
            "factor_id": str(factor["id"]),
            "challenge_id": str(challenge["id"]),
            "factor_type": factor["factor_type"],
        }
        await self._room.audit.record(connection, "verification_attempted", caller.user, traits)
        await QUERIES.change(
            connection,
            "verify_factor",
            id=factor["id"],
            credential=credential,
            aaguid=None if credential is None else self._relying_party().model_of(credential),
        )
        await QUERIES.change(
            connection,
            "delete_unverified_factors",
            user_id=user_id,
            factor_type=factor["factor_type"],
        )
        body = await self._room.sessions.lift(
            connection,
            caller,
            method=AMR_METHODS[factor["factor_type"]],
            factor_id=factor["id"],
        )
        await QUERIES.change(connection, "delete_weaker_sessions", user_id=user_id)
        if factor["status"] != "verified":
            notice = Notice(
                kind="mfa_factor_enrolled", user_id=user_id, factor_type=factor["factor_type"]
            )
            await self._room.notices.send(connection, notice)
        return body

    def _relying_party(self) -> RelyingParty:
        from gavan.core.auth.mfa.webauthn import RelyingParty  # noqa: PLC0415 - 7 MB, seldom needed

        return RelyingParty(relying_site(self._config))

    async def _send_code(
        self, connection: Connection, caller: Caller, factor: Row, channel: str
    ) -> str:
        rules = self._config.mfa
        check_frequency(
            factor["last_challenged_at"], rules.phone_max_frequency_s, "over_sms_send_rate_limit"
        )
        phone = factor["phone"]
        otp = self._texter.test_otp(phone) or one_time.new_code(rules.phone_otp_length)
        sms = Sms(
            phone=phone,
            otp=otp,
            user=caller.user,
            sms_type="mfa",
            channel=self._texter.channel_of(channel),
            template=rules.phone_template,
        )
        await self._texter.send(connection, sms)
        return otp


async def _check_may_verify(
    connection: Connection, caller: Caller, factor_id: UUID, *, creates: bool
) -> None:
    """Raise AuthError for a factor that must not lift this session; the user is held.

    A factor that was begun before another one was verified is no second proof: whoever knew the
    password alone could have begun it. Nor may an answer to an old challenge put a new credential
    into a factor that is verified by now.
    """
    factors = await many(connection, "factors_of", user_id=caller.user["id"])
    verified = {known["id"] for known in factors if known["status"] == "verified"}
    if factor_id in verified:
        if creates:
            raise _used_or_elsewhere()
        return
    if verified and caller.aal != "aal2":
        raise AuthError(403, "insufficient_aal", "AAL2 required to enroll a new factor")


def _creates(challenge: Row) -> bool:
    return (challenge["web_authn_session_data"] or {}).get("type") == "create"


def _used_or_elsewhere() -> AuthError:
    return AuthError(422, "mfa_ip_address_mismatch", "Challenge and verify IP addresses mismatch.")
