"""The mails and text messages that carry a one-time token.

Stands between the flows and the mailer: makes the code, stores its hash, sends it, all in the
caller's transaction, so that a message which could not be sent leaves nothing behind
(supabase/auth:internal/api/mail.go, phone.go). The user's row must be locked by the caller: the
frequency limit then holds for parallel requests as well.
"""

from __future__ import annotations

from dataclasses import dataclass

from gavan.core.auth.config.auth import AuthConfig
from gavan.core.auth.flows import accounts, one_time
from gavan.core.auth.flows.flow_state import IMPLICIT, Challenge
from gavan.core.auth.guard.frequency import check_frequency
from gavan.core.auth.mail.mailer import Mailer
from gavan.core.auth.mail.message import Mail
from gavan.core.auth.model import Row
from gavan.core.auth.sms.texter import Sms, Texter
from gavan.core.auth.store import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class _Purpose:
    """One kind of mail: its template, its link, its token and the query that notes it."""

    kind: str
    link_type: str
    token_type: str
    noted_by: str


_CONFIRMATION = _Purpose(
    kind="confirmation",
    link_type="signup",
    token_type=one_time.CONFIRMATION,
    noted_by="sent_confirmation",
)
_INVITE = _Purpose(
    kind="invite",
    link_type="invite",
    token_type=one_time.CONFIRMATION,
    noted_by="sent_invite",
)
_RECOVERY = _Purpose(
    kind="recovery",
    link_type="recovery",
    token_type=one_time.RECOVERY,
    noted_by="sent_recovery",
)
_MAGIC_LINK = _Purpose(
    kind="magic_link",
    link_type="magiclink",
    token_type=one_time.RECOVERY,
    noted_by="sent_recovery",
)
_REAUTHENTICATION = _Purpose(
    kind="reauthentication",
    link_type="",
    token_type=one_time.REAUTHENTICATION,
    noted_by="sent_reauthentication",
)

# Purpose of a text message -> its token and the query that notes it.
_TEXTS = {
    "confirmation": (one_time.CONFIRMATION, "sent_confirmation"),
    "reauthentication": (one_time.REAUTHENTICATION, "sent_reauthentication"),
    "phone_change": (one_time.PHONE_CHANGE, "sent_phone_change"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Letters:
    """Sends what carries a token."""

    config: AuthConfig
    mailer: Mailer
    texter: Texter
    hasher: one_time.Hasher

    async def confirmation(
        self, connection: Connection, user: Row, redirect_to: str, challenge: Challenge = IMPLICIT
    ) -> None:
        """Mail the proof of a sign-up's address."""
        await self._mail(connection, user, _CONFIRMATION, redirect_to, challenge)

    async def recovery(
        self, connection: Connection, user: Row, redirect_to: str, challenge: Challenge = IMPLICIT
    ) -> None:
        """Mail the way back for who forgot the password."""
        await self._mail(connection, user, _RECOVERY, redirect_to, challenge)

    async def magic_link(
        self, connection: Connection, user: Row, redirect_to: str, challenge: Challenge = IMPLICIT
    ) -> None:
        """Mail a link and a code that sign in."""
        await self._mail(connection, user, _MAGIC_LINK, redirect_to, challenge)

    async def reauthentication(self, connection: Connection, user: Row, redirect_to: str) -> None:
        """Mail the nonce that a change of password asks for."""
        await self._mail(connection, user, _REAUTHENTICATION, redirect_to, IMPLICIT)

    async def invite(self, connection: Connection, user: Row, redirect_to: str) -> None:
        """Mail an invitation; an administrator sends as often as they like."""
        await self._post(connection, user, _INVITE, redirect_to, IMPLICIT)

    async def email_change(
        self,
        connection: Connection,
        user: Row,
        new_email: str,
        redirect_to: str,
        challenge: Challenge = IMPLICIT,
    ) -> None:
        """Mail the proof of a new address, and to the old one its consent when that is wanted."""
        self._check_mail_frequency(user, one_time.EMAIL_NEW)
        mail = self.config.mail
        code = one_time.new_code(mail.otp_length)
        hashed = challenge.prefixed(self.hasher.hash(new_email, code))
        asks_old = bool(mail.double_confirm_changes and user["email"])
        old_email = (user["email"] or "").lower()
        old_code = one_time.new_code(mail.otp_length)
        old_hash = challenge.prefixed(self.hasher.hash(old_email, old_code))
        await note_email_change(
            connection,
            user,
            new_email,
            new_hash=hashed,
            current_hash=old_hash if asks_old else None,
        )
        changed = await accounts.lock(connection, user["id"])
        mails = [(new_email, code, hashed), (old_email, old_code, old_hash)]
        await self.mailer.send(
            connection,
            *(
                Mail(
                    kind="email_change",
                    to=to,
                    user=changed,
                    link_type="email_change",
                    token=token,
                    token_hash=token_hash,
                    redirect_to=redirect_to,
                    new_email=new_email,
                )
                for to, token, token_hash in mails[: 2 if asks_old else 1]
            ),
        )

    async def text(
        self, connection: Connection, user: Row, phone: str, purpose: str, channel: str = "sms"
    ) -> str:
        """Text a code, purpose one of confirmation, reauthentication, phone_change.

        Returns:
            The id of the message, ``test-otp`` for a number of the test map, or nothing.
        """
        token_type, noted_by = _TEXTS[purpose]
        sms = self.config.sms
        sent_at = user[one_time.SENT_AT[token_type]]
        check_frequency(sent_at, sms.max_frequency_s, "over_sms_send_rate_limit")
        code = self.texter.test_otp(phone) or one_time.new_code(sms.otp_length)
        hashed = self.hasher.hash(phone, code)
        more = {"phone": phone} if purpose == "phone_change" else {}
        await one_time.queries.change(
            connection, noted_by, id=user["id"], token_hash=hashed, **more
        )
        await one_time.put(connection, user["id"], token_type, relates_to=phone, hashed=hashed)
        changed = await accounts.lock(connection, user["id"])
        message = Sms(phone=phone, otp=code, user=changed, sms_type=purpose, channel=channel)
        return await self.texter.send(connection, message)

    async def _mail(
        self,
        connection: Connection,
        user: Row,
        purpose: _Purpose,
        redirect_to: str,
        challenge: Challenge,
    ) -> None:
        self._check_mail_frequency(user, purpose.token_type)
        await self._post(connection, user, purpose, redirect_to, challenge)

    async def _post(
        self,
        connection: Connection,
        user: Row,
        purpose: _Purpose,
        redirect_to: str,
        challenge: Challenge,
    ) -> None:
        code = one_time.new_code(self.config.mail.otp_length)
        email = (user["email"] or "").lower()
        hashed = challenge.prefixed(self.hasher.hash(email, code))
        await one_time.queries.change(
            connection, purpose.noted_by, id=user["id"], token_hash=hashed
        )
        await one_time.put(
            connection, user["id"], purpose.token_type, relates_to=email, hashed=hashed
        )
        await self.mailer.send(
            connection,
            Mail(
                kind=purpose.kind,
                to=email,
                user=await accounts.lock(connection, user["id"]),
                link_type=purpose.link_type,
                token=code,
                token_hash=hashed,
                redirect_to=redirect_to,
            ),
        )

    def _check_mail_frequency(self, user: Row, token_type: str) -> None:
        sent_at = user[one_time.SENT_AT[token_type]]
        check_frequency(sent_at, self.config.mail.max_frequency_s)


async def note_email_change(
    connection: Connection,
    user: Row,
    new_email: str,
    *,
    new_hash: str | None,
    current_hash: str | None,
) -> None:
    """Remember an e-mail change and the tokens of its one or two addresses."""
    user_id = user["id"]
    await one_time.queries.change(
        connection,
        "sent_email_change",
        id=user_id,
        email=new_email,
        new_hash=new_hash,
        current_hash=current_hash,
    )
    if new_hash is not None:
        await one_time.put(
            connection, user_id, one_time.EMAIL_NEW, relates_to=new_email, hashed=new_hash
        )
    if current_hash is not None:
        await one_time.put(
            connection,
            user_id,
            one_time.EMAIL_CURRENT,
            relates_to=user["email"],
            hashed=current_hash,
        )
