"""A server that takes mails; the client that speaks to it is in smtp_client.py, which is heavy."""

from __future__ import annotations

from dataclasses import dataclass

from gavan.kit.secret import Secret


class SmtpError(Exception):
    """The mail was not taken; the message says why and holds no secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpServer:
    """A server that takes mails.

    ``security`` is starttls, tls or none; ``auto`` means tls on port 465, elsewhere starttls when
    the server offers it, and a password is then never sent without it.
    """

    host: str
    port: int = 587
    user: str = ""
    password: Secret | None = None
    security: str = "auto"
    timeout_s: float = 8.0
