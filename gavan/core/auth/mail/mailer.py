"""The door through which every flow sends mail."""

from __future__ import annotations

from typing import Protocol

from gavan.core.auth.mail.message import Mail
from gavan.core.auth.store import Connection


class Mailer(Protocol):
    """Sends, through the hook, by SMTP or to the inbox of a development stack."""

    async def send(self, connection: Connection, *mails: Mail) -> None:
        """Send mails inside the caller's transaction, so that a failure undoes what it did.

        The two mails of a secure e-mail change are given together, the new address first.

        Raises:
            AuthError: 429 ``over_email_send_rate_limit``, 400 ``email_address_not_authorized``,
                500 when the mail could not be handed over, or what the hook answered.
        """
