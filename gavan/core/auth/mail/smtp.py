"""Hand a mail to an SMTP server, by aiosmtplib; encrypted wherever a password is sent."""

from __future__ import annotations

import asyncio
import ssl
from email.message import EmailMessage

import aiosmtplib

from gavan.core.auth.config.hooks import LOCAL_HOSTS
from gavan.core.auth.config.mail import SmtpConfig
from gavan.core.auth.mail.letter import Letter
from gavan.core.auth.mail.transport import SmtpError

TLS_PORT = 465


class SmtpTransport:
    """One server; a connection per mail, so that nothing has to be kept alive."""

    def __init__(self, config: SmtpConfig, tls: ssl.SSLContext | None = None) -> None:
        """``tls`` is for servers with a certificate of a private authority."""
        self._config = config
        self._tls = tls

    async def send(self, letter: Letter) -> None:
        """Send; raise SmtpError when the server does not take it in time."""
        try:
            async with asyncio.timeout(self._config.timeout_s):
                await self._send(letter.message, letter.sender, letter.to)
        except TimeoutError as error:
            raise SmtpError(f"no answer within {self._config.timeout_s:g} s") from error
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise SmtpError(_reason(error)) from error

    async def _send(self, message: EmailMessage, sender: str, to: str) -> None:
        config = self._config
        is_tls = config.security == "tls" or (config.security == "auto" and config.port == TLS_PORT)
        client = aiosmtplib.SMTP(
            hostname=config.host,
            port=config.port,
            use_tls=is_tls,
            start_tls=False,
            timeout=config.timeout_s,
            tls_context=self._tls or ssl.create_default_context(),
        )
        async with client:
            if not is_tls:
                is_tls = await self._start_tls(client)
            if config.user and config.password is not None:
                if not is_tls and config.host not in LOCAL_HOSTS:
                    raise SmtpError("the server offers no TLS, so the password was not sent")
                await client.login(config.user, config.password.reveal())
            await client.send_message(message, sender=sender, recipients=[to])

    async def _start_tls(self, client: aiosmtplib.SMTP) -> bool:
        if self._config.security == "none":
            return False
        await client.ehlo()
        offered = client.supports_extension("starttls")
        if not offered and self._config.security == "auto":
            return False
        await client.starttls()
        return True


def _reason(error: Exception) -> str:
    # What a server says to a wrong login may repeat the name; the reply code is enough.
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return f"the server refused the login ({error.code})"
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"{error.code} {error.message}"
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return "; ".join(f"{refused.code} {refused.message}" for refused in error.recipients)
    return str(error) or type(error).__name__
