"""How letters leave; the inbox is one way, gavan.core.auth.mail.smtp another."""

from __future__ import annotations

from typing import Protocol

from gavan.core.auth.mail.letter import Letter
from gavan.kit.smtp import SmtpError


class Transport(Protocol):
    """Takes a letter."""

    async def send(self, letter: Letter) -> None:
        """Send, or raise SmtpError."""


class Nowhere:
    """The transport of a stack that has neither a server nor an inbox."""

    async def send(self, letter: Letter) -> None:
        """Raise SmtpError, so that nobody waits for a mail that cannot come."""
        del letter
        raise SmtpError("no SMTP server is configured: [core.auth.email.smtp]")
