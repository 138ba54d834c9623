"""A small SMTP server of this machine that plays a mail server of the world: it records."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.ports import free_port


@dataclass(slots=True)
class Mailbox:
    """What a mail server of the world took."""

    port: int = 0
    taken: list[Envelope] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    was_tls: list[bool] = field(default_factory=list)
    refuses: str = ""
    hangs: bool = False

    async def handle_RCPT(
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.hangs:
            await asyncio.sleep(60)
        if self.refuses:
            return self.refuses
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.taken.append(envelope)
        assert server.transport is not None
        self.was_tls.append(server.transport.get_extra_info("sslcontext") is not None)
        return "250 OK"

    def authenticate(
        self, server: Any, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append(f"{data.login.decode()}:{data.password.decode()}")
        return AuthResult(success=data.password == b"right", handled=False)


@contextmanager
def smtp_server(
    certificate: Path | None = None, *, implicit: bool = False, logins: bool = False
) -> Iterator[Mailbox]:
    """A mail server of this machine; with a certificate it offers STARTTLS, or is TLS at once."""
    mailbox = Mailbox(port=free_port())
    tls = None
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
    options: dict[str, Any] = {"authenticator": mailbox.authenticate} if logins else {}
    if logins:
        options["auth_require_tls"] = False
    controller = Controller(
        mailbox,
        hostname="127.0.0.1",
        port=mailbox.port,
        ssl_context=tls if implicit else None,
        tls_context=None if implicit else tls,
        **options,
    )
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()
