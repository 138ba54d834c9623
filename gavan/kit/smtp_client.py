"""Hand a mail to an SMTP server, by aiosmtplib; encrypted wherever a password is sent."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from email.message import EmailMessage

import aiosmtplib

from gavan.kit.smtp import SmtpError, SmtpServer
from gavan.kit.web_address import LOCAL_HOSTS

TLS_PORT = 465


class SmtpClient:
    """One server; a connection per mail, so that nothing has to be kept alive."""

    def __init__(self, server: SmtpServer, tls: ssl.SSLContext | None = None) -> None:
        """``tls`` is for servers with a certificate of a private authority."""
        self._server = server
        self._tls = tls

    async def send(self, message: EmailMessage, sender: str, to: Sequence[str]) -> None:
        """Send; raise SmtpError when the server does not take it in time."""
        try:
            async with asyncio.timeout(self._server.timeout_s):
                await self._send(message, sender, to)
        except TimeoutError as error:
            raise SmtpError(f"no answer within {self._server.timeout_s:g} s") from error
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise SmtpError(_reason(error)) from error

    async def _send(self, message: EmailMessage, sender: str, to: Sequence[str]) -> None:
        server = self._server
        is_tls = server.security == "tls" or (server.security == "auto" and server.port == TLS_PORT)
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=is_tls,
            start_tls=False,
            timeout=server.timeout_s,
            tls_context=self._tls or ssl.create_default_context(),
        )
        async with client:
            if not is_tls:
                is_tls = await self._start_tls(client)
            if server.user and server.password is not None:
                if not is_tls and server.host not in LOCAL_HOSTS:
                    raise SmtpError("the server offers no TLS, so the password was not sent")
                await client.login(server.user, server.password.reveal())
            await client.send_message(message, sender=sender, recipients=list(to))

    async def _start_tls(self, client: aiosmtplib.SMTP) -> bool:
        if self._server.security == "none":
            return False
        await client.ehlo()
        offered = client.supports_extension("starttls")
        if not offered and self._server.security == "auto":
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
