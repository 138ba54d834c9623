"""What leads out of the auth service: mails, text messages, hooks and calls over HTTP."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from starlette.routing import Route

from gavan.core.auth.config.auth import AuthConfig
from gavan.core.auth.config.mail import MailConfig
from gavan.core.auth.hooks.hooks import Hooks
from gavan.core.auth.mail.inbox.routes import InboxEdge
from gavan.core.auth.mail.inbox.store import Inbox
from gavan.core.auth.mail.mailer import Mailer
from gavan.core.auth.mail.transport import Nowhere, Transport
from gavan.core.auth.oauth.registry import Registry
from gavan.core.auth.sms.texter import Texter
from gavan.core.auth.store import Store
from gavan.kit.outbound import Outbound


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlets:
    """``outbound`` calls addresses of the configuration; hooks have a stricter one of their own."""

    hooks: Hooks
    mailer: Mailer
    texter: Texter
    outbound: Outbound
    inbox: InboxEdge | None
    registry: Registry

    def routes(self) -> list[Route]:
        """Return the routes of the inbox, where there is one."""
        return self.inbox.routes() if self.inbox else []

    async def close(self) -> None:
        """Close every connection."""
        await self.hooks.close()
        await self.outbound.close()
        await self.registry.close()


def open_outlets(config: AuthConfig, store: Store) -> Outlets:
    """Return the outlets of one stack; nothing is connected before it is needed."""
    outbound = Outbound()
    hooks = Hooks(config.hooks, store)
    inbox = Inbox(Path(config.mail.inbox_dir)) if config.mail.inbox_dir else None
    transport = inbox or _transport(config.mail)
    host = urlsplit(config.urls.external_url).hostname or ""
    return Outlets(
        hooks=hooks,
        mailer=Mailer(config, hooks, transport),
        texter=Texter(config, hooks, outbound),
        outbound=outbound,
        inbox=InboxEdge(inbox=inbox, host=host) if inbox else None,
        registry=Registry(config, store, outbound),
    )


def _transport(config: MailConfig) -> Transport:
    if config.smtp is None:
        return Nowhere()
    # Only who sends mail pays for the library that does.
    smtp = importlib.import_module("gavan.core.auth.mail.smtp")
    transport: Transport = smtp.SmtpTransport(config.smtp)
    return transport
