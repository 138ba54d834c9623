"""Mails after the fact: your password, your address, your factors have changed.

They are off unless ``config.mail.notices`` names them, go to the address of the account, and never
undo what they tell of.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from uuid import UUID

import psycopg

from gavan.core.auth.errors import AuthError
from gavan.core.auth.flows import accounts
from gavan.core.auth.mail.mailer import Mailer
from gavan.core.auth.mail.message import Mail
from gavan.core.auth.store import Connection

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What happened; ``kind`` is one of gavan.core.auth.config.mail.NOTICES.

    ``to`` is empty for the address that the account has now.
    """

    kind: str
    user_id: UUID
    to: str = ""
    old_email: str = ""
    old_phone: str = ""
    provider: str = ""
    factor_type: str = ""


@dataclass(frozen=True, slots=True)
class Notices:
    """Sends those that are switched on."""

    mailer: Mailer

    async def send(self, connection: Connection, notice: Notice) -> None:
        """Mail a notice; what goes wrong is logged, the caller's transaction goes on."""
        if not self.mailer.wants(notice.kind):
            return
        try:
            async with connection.transaction():
                await self._send(connection, notice)
        except (AuthError, psycopg.Error) as error:
            logger.warning(
                "a notice could not be mailed: %s", error, extra={"event": "auth.notice_failed"}
            )

    async def _send(self, connection: Connection, notice: Notice) -> None:
        user = await accounts.lock(connection, notice.user_id)
        to = notice.to or user["email"]
        if not to:
            return
        await self.mailer.send(
            connection,
            Mail(
                kind=notice.kind,
                to=to,
                user=user,
                old_email=notice.old_email,
                phone=user["phone"] or "",
                old_phone=notice.old_phone,
                provider=notice.provider,
                factor_type=notice.factor_type,
            ),
        )
