"""Letters by SMTP. Stands on gavan.kit.smtp_client."""

from __future__ import annotations

import ssl

from gavan.core.auth.mail.letter import Letter
from gavan.kit.smtp import SmtpServer
from gavan.kit.smtp_client import SmtpClient


class SmtpTransport:
    """The transport of a stack that names a server."""

    def __init__(self, server: SmtpServer, tls: ssl.SSLContext | None = None) -> None:
        """``tls`` is for servers with a certificate of a private authority."""
        self._client = SmtpClient(server, tls)

    async def send(self, letter: Letter) -> None:
        """Send; raise SmtpError when the server does not take it in time."""
        await self._client.send(letter.message, letter.sender, [letter.to])
