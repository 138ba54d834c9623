"""The door through which every flow sends mail: hook, rate, template, envelope, transport."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from typing import Any

from gavan.core.auth.asked import external_url
from gavan.core.auth.config.auth import AuthConfig
from gavan.core.auth.config.mail import NOTICES
from gavan.core.auth.errors import AuthError
from gavan.core.auth.guard.buckets import Buckets
from gavan.core.auth.hooks.hooks import Hooks
from gavan.core.auth.hooks.payloads import send_email
from gavan.core.auth.mail.letter import Letter, compose
from gavan.core.auth.mail.links import confirmation_url
from gavan.core.auth.mail.message import Mail
from gavan.core.auth.mail.templates import Templates
from gavan.core.auth.mail.transport import Transport
from gavan.core.auth.show import show_user
from gavan.core.auth.store import Connection
from gavan.kit.smtp import SmtpError

_LABEL = re.compile(r"\+[^@]*@")

logger = logging.getLogger(__name__)


class Mailer:
    """Sends through the hook, by SMTP or to the inbox."""

    def __init__(self, config: AuthConfig, hooks: Hooks, transport: Transport) -> None:
        self._config = config
        self._hooks = hooks
        self._transport = transport
        self._templates = Templates(config.mail)
        self._rate = Buckets(config.rates.mail_sent)
        self._last_s = 0.0

    def wants(self, kind: str) -> bool:
        """Return whether a notice is switched on; other kinds always are."""
        return kind not in NOTICES or kind in self._config.mail.notices

    async def send(self, connection: Connection, *mails: Mail) -> None:
        """Send mails inside the caller's transaction, so that a failure undoes what it did.

        The two mails of a secure e-mail change are given together, the new address first. Notices
        that are switched off are left out.

        Raises:
            AuthError: 429 ``over_email_send_rate_limit``, 400 ``email_address_not_authorized``,
                500 when the mail could not be handed over, or what the hook answered.
        """
        wanted = [mail for mail in mails if self.wants(mail.kind)]
        if not wanted:
            return
        for mail in wanted:
            self._check_address(mail.to)
        self._check_rate()
        began = time.monotonic()
        if self._hooks.has("send_email"):
            await self._call_hook(connection, wanted)
        else:
            for mail in wanted:
                await self._send(mail)
        self._last_s = time.monotonic() - began

    async def pretend(self) -> None:
        """Take as long as the last mail took: whoever asks for an unknown address shall not see
        by the clock that nothing was sent.
        """
        await asyncio.sleep(self._last_s)

    async def _call_hook(self, connection: Connection, mails: list[Mail]) -> None:
        user = mails[0].user
        root = external_url(self._config.urls.external_url)
        payload = send_email(await show_user(connection, user), root, *mails)
        await self._hooks.call("send_email", payload, connection)

    def _check_address(self, to: str) -> None:
        allowed = self._config.external.authorized_addresses
        plain = _LABEL.sub("@", to).lower()
        if allowed and plain not in {address.lower() for address in allowed}:
            raise AuthError(
                400,
                "email_address_not_authorized",
                f'Email address "{to}" cannot be used as it is not authorized',
            )

    def _check_rate(self) -> None:
        # Upstream does not count where addresses are confirmed by themselves, but zero is zero.
        if self._config.mail.autoconfirm and self._config.rates.mail_sent.events:
            return
        wait_s = self._rate.take()
        if wait_s is not None:
            raise AuthError(
                429,
                "over_email_send_rate_limit",
                "email rate limit exceeded",
                retry_after_s=wait_s,
            )

    async def _send(self, mail: Mail) -> None:
        link = self._link(mail)
        rendered = await self._templates.render(mail.kind, self._variables(mail, link))
        try:
            message = compose(self._config.mail, mail.to, mail.kind, rendered)
            letter = Letter(
                message=message,
                to=mail.to,
                sender=self._config.mail.sender,
                kind=mail.kind,
                code=mail.token,
                link=link,
            )
            await self._transport.send(letter)
        except (SmtpError, ValueError) as error:
            logger.warning(
                "a %s mail was not sent: %s",
                mail.kind,
                error,
                extra={"event": "mail.failed", "kind": mail.kind},
            )
            raise _not_sent(mail.kind) from error
        logger.info("mail sent", extra={"event": "mail.sent", "kind": mail.kind})

    def _link(self, mail: Mail) -> str:
        if not mail.link_type or not mail.token_hash:
            return ""
        return confirmation_url(
            self._config.mail,
            external_url(self._config.urls.external_url),
            mail.link_type,
            mail.token_hash,
            mail.redirect_to,
        )

    def _variables(self, mail: Mail, link: str) -> dict[str, Any]:
        return {
            "SiteURL": self._config.urls.site_url,
            "ConfirmationURL": link,
            "Email": mail.to if mail.kind == "identity_unlinked" else _email(mail),
            "NewEmail": mail.new_email,
            "SendingTo": mail.to,
            "Token": mail.token,
            "TokenHash": mail.token_hash,
            "Data": mail.user["raw_user_meta_data"] or {},
            "RedirectTo": mail.redirect_to,
            "OldEmail": mail.old_email,
            "Phone": mail.phone or mail.user["phone"] or "",
            "OldPhone": mail.old_phone,
            "Provider": mail.provider,
            "FactorType": mail.factor_type,
        }


def _email(mail: Mail) -> str:
    return mail.user["email"] or mail.to


def _not_sent(kind: str) -> AuthError:
    name = kind.replace("_", " ").replace("mfa", "MFA")
    suffix = " notification" if kind in NOTICES else ""
    return AuthError(500, "unexpected_failure", f"Error sending {name}{suffix} email")
