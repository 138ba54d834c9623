"""Sign-in without a password, and what is asked for by mail or text: /otp, /magiclink, /recover,
/resend, /reauthenticate.

Where addresses have to stay secret, an unknown one is answered as a known one (supabase/auth:
internal/api/otp.go, magic_link.go, recover.go, resend.go, reauthenticate.go).
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gavan.core.auth.errors import AuthError, validation_failed
from gavan.core.auth.flows import accounts
from gavan.core.auth.flows.addresses import email_of, phone_of
from gavan.core.auth.flows.flow_state import IMPLICIT, Challenge, NewFlow, begin_flow
from gavan.core.auth.flows.room import Asked, Room
from gavan.core.auth.flows.sign_up import SignUp, SignUps
from gavan.core.auth.model import Row
from gavan.core.auth.store import Connection

PASSWORD_LENGTH = 33
_ALPHABET = string.ascii_letters + string.digits
RESENDS = frozenset({"signup", "email_change", "sms", "phone_change"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The input of /otp, /magiclink, /recover and /resend; absent texts are empty.

    ``type`` is what to send again, one of RESENDS.
    """

    email: str = ""
    phone: str = ""
    create_user: bool = True
    data: Mapping[str, Any] = field(default_factory=dict)
    channel: str = ""
    challenge: Challenge = IMPLICIT
    type: str = ""


class Passwordless:
    """What leads to a mail or a text message."""

    def __init__(self, room: Room, sign_ups: SignUps) -> None:
        self._room = room
        self._sign_ups = sign_ups

    async def otp(self, wanted: Wanted, asked: Asked) -> dict[str, Any]:
        """Send a code by mail or text; return what the answer holds.

        Raises:
            AuthError: 422 ``otp_disabled`` for an unknown address when no user shall be made.
        """
        if wanted.email and wanted.phone:
            raise validation_failed("Only an email address or phone number should be provided")
        if wanted.email and wanted.channel:
            raise validation_failed("Channel should only be specified with Phone OTP")
        wanted.challenge.check()
        if not wanted.create_user and not await self._is_known(wanted, asked):
            raise AuthError(422, "otp_disabled", "Signups not allowed for otp")
        if wanted.email:
            return await self.magic_link(wanted, asked)
        if wanted.phone:
            return await self._text(wanted, asked)
        raise validation_failed("One of email or phone must be set")

    async def magic_link(self, wanted: Wanted, asked: Asked) -> dict[str, Any]:
        """Mail a link and a code; somebody new is signed up first."""
        external = self._room.config.external
        if not external.email_enabled:
            raise _email_disabled()
        if not external.magic_link_enabled:
            raise AuthError(422, "email_provider_disabled", "Login with magic link is disabled")
        if not wanted.email:
            raise validation_failed("Password recovery requires an email", status=422)
        email = email_of(wanted.email)
        wanted.challenge.check()
        if await self._is_confirmed("email", email, asked):
            await self._hash_for_nobody()
        else:
            await self._sign_up(
                SignUp(email=email, data=wanted.data, challenge=wanted.challenge), asked
            )
            if not self._room.config.mail.autoconfirm:
                return {}  # the confirmation holds a link and a code already
        async with self._room.store.transaction() as connection:
            user = await accounts.lock_by_email(connection, email, asked.audience)
            if user is None:
                return {}
            await self._begin(connection, user, "magiclink", wanted.challenge)
            await self._room.audit.record(connection, "user_recovery_requested", user)
            await self._room.letters.magic_link(
                connection, user, asked.redirect_to, wanted.challenge
            )
        return {}

    async def recover(self, wanted: Wanted, asked: Asked) -> dict[str, Any]:
        """Mail the way back to an account; an address that has none gets the same answer."""
        if not self._room.config.external.email_enabled:
            raise _email_disabled()
        if not wanted.email:
            raise validation_failed("Password recovery requires an email")
        email = email_of(wanted.email)
        wanted.challenge.check()
        async with self._room.store.transaction() as connection:
            user = await accounts.lock_by_email(connection, email, asked.audience)
            if user is not None:
                await self._begin(connection, user, "recovery", wanted.challenge)
                await self._room.audit.record(connection, "user_recovery_requested", user)
                await self._room.letters.recovery(
                    connection, user, asked.redirect_to, wanted.challenge
                )
                return {}
        await self._room.letters.mailer.pretend()
        return {}

    async def resend(self, wanted: Wanted, asked: Asked) -> dict[str, Any]:
        """Send again what is pending; when nothing is, the answer is the same."""
        wanted = self._checked_resend(wanted)
        async with self._room.store.transaction() as connection:
            if wanted.email:
                user = await accounts.lock_by_email(connection, wanted.email, asked.audience)
            else:
                user = await accounts.lock_by_phone(connection, wanted.phone, asked.audience)
            if user is not None and _is_pending(wanted.type, user):
                return await self._send_again(connection, user, wanted, asked)
        await self._room.letters.mailer.pretend()
        return {}

    async def reauthenticate(self, user: Row, asked: Asked) -> dict[str, Any]:
        """Send the caller a nonce for a change of password."""
        email, phone = user["email"], user["phone"]
        if not email and not phone:
            raise validation_failed(
                "Reauthentication requires the user to have an email or a phone number"
            )
        if email and user["email_confirmed_at"] is None:
            raise AuthError(422, "email_not_confirmed", "Please verify your email first.")
        if not email and user["phone_confirmed_at"] is None:
            raise AuthError(422, "phone_not_confirmed", "Please verify your phone first.")
        room = self._room
        async with room.store.transaction() as connection:
            user = await accounts.lock(connection, user["id"])
            await room.audit.record(connection, "user_reauthenticate_requested", user)
            if email:
                await room.letters.reauthentication(connection, user, asked.redirect_to)
                return {}
            sent = await room.letters.text(connection, user, phone, "reauthentication")
        return _answer(sent)

    async def _text(self, wanted: Wanted, asked: Asked) -> dict[str, Any]:
        room = self._room
        if not room.config.external.phone_enabled:
            raise AuthError(400, "phone_provider_disabled", "Unsupported phone provider")
        phone = phone_of(wanted.phone)
        channel = room.letters.texter.channel_of(wanted.channel)
        if await self._is_confirmed("phone", phone, asked):
            await self._hash_for_nobody()
        else:
            await self._sign_up(SignUp(phone=phone, data=wanted.data, channel=channel), asked)
            if not room.config.sms.autoconfirm:
                return {}
        async with room.store.transaction() as connection:
            user = await accounts.lock_by_phone(connection, phone, asked.audience)
            if user is None:
                return {}
            await room.audit.record(
                connection, "user_recovery_requested", user, {"channel": channel}
            )
            sent = await room.letters.text(connection, user, phone, "confirmation", channel)
        return _answer(sent)

    async def _sign_up(self, new: SignUp, asked: Asked) -> None:
        await self._sign_ups.sign_up(
            SignUp(
                email=new.email,
                phone=new.phone,
                password=random_password(self._room.config.passwords.required_characters),
                data=new.data,
                channel=new.channel,
                challenge=new.challenge,
            ),
            asked,
        )

    async def _is_known(self, wanted: Wanted, asked: Asked) -> bool:
        async with self._room.store.transaction() as connection:
            if wanted.email:
                email = email_of(wanted.email)
                return await accounts.find_by_email(connection, email, asked.audience) is not None
            if wanted.phone:
                phone = phone_of(wanted.phone)
                return await accounts.find_by_phone(connection, phone, asked.audience) is not None
        return True

    async def _is_confirmed(self, provider: str, address: str, asked: Asked) -> bool:
        find = accounts.find_by_email if provider == "email" else accounts.find_by_phone
        async with self._room.store.transaction() as connection:
            user = await find(connection, address, asked.audience)
        return user is not None and user[f"{provider}_confirmed_at"] is not None

    async def _hash_for_nobody(self) -> None:
        # Somebody new gets a password: without this, the answer for a known address comes sooner.
        await self._room.passwords.verify("", None)

    async def _begin(
        self, connection: Connection, user: Row, method: str, challenge: Challenge
    ) -> None:
        if challenge.is_pkce:
            flow = NewFlow(
                provider_type=method,
                authentication_method=method,
                challenge=challenge,
                user_id=user["id"],
            )
            await begin_flow(connection, flow)

    def _checked_resend(self, wanted: Wanted) -> Wanted:
        if wanted.type not in RESENDS:
            raise validation_failed(
                "Missing one of these types: signup, email_change, sms, phone_change"
            )
        if wanted.type in {"signup", "email_change"}:
            wanted.challenge.check()
        if not wanted.email and wanted.type == "signup":
            raise validation_failed("Type provided requires an email address")
        if not wanted.phone and wanted.type == "sms":
            raise validation_failed("Type provided requires a phone number")
        if wanted.email and wanted.phone:
            raise validation_failed("Only an email address or phone number should be provided.")
        if not wanted.email and not wanted.phone:
            raise validation_failed("Missing email address or phone number")
        external = self._room.config.external
        if wanted.email and not external.email_enabled:
            raise AuthError(400, "email_provider_disabled", "Email logins are disabled")
        if wanted.phone and not external.phone_enabled:
            raise AuthError(400, "phone_provider_disabled", "Phone logins are disabled")
        return Wanted(
            type=wanted.type,
            email=email_of(wanted.email) if wanted.email else "",
            phone=phone_of(wanted.phone) if wanted.phone else "",
            challenge=wanted.challenge,
        )

    async def _send_again(
        self, connection: Connection, user: Row, wanted: Wanted, asked: Asked
    ) -> dict[str, Any]:
        letters, audit = self._room.letters, self._room.audit
        challenge = wanted.challenge
        match wanted.type:
            case "signup":
                await audit.record(connection, "user_confirmation_requested", user)
                await self._begin(connection, user, "email/signup", challenge)
                await letters.confirmation(connection, user, asked.redirect_to, challenge)
                return {}
            case "email_change":
                await self._begin(connection, user, "email_change", challenge)
                new_email = user["email_change"]
                await letters.email_change(
                    connection, user, new_email, asked.redirect_to, challenge
                )
                return {}
            case "sms":
                await audit.record(connection, "user_recovery_requested", user)
                return _answer(await letters.text(connection, user, wanted.phone, "confirmation"))
            case _:
                phone = user["phone_change"]
                return _answer(await letters.text(connection, user, phone, "phone_change"))


def random_password(required: tuple[str, ...], length: int = PASSWORD_LENGTH) -> str:
    """Return a password nobody knows, with one character of each required set."""
    made = [secrets.choice(group) for group in required if group]
    made += [secrets.choice(_ALPHABET) for _ in range(length - len(made))]
    secrets.SystemRandom().shuffle(made)
    return "".join(made)


def _email_disabled() -> AuthError:
    return AuthError(422, "email_provider_disabled", "Email logins are disabled")


def _is_pending(wanted_type: str, user: Row) -> bool:
    match wanted_type:
        case "signup":
            return user["email_confirmed_at"] is None
        case "sms":
            return user["phone_confirmed_at"] is None
        case "email_change":
            return bool(user["email_change"])
        case _:
            return bool(user["phone_change"])


def _answer(message_id: str) -> dict[str, Any]:
    return {"message_id": message_id} if message_id else {}
