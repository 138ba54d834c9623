"""A rendered mail in its envelope: headers that cannot be forged from what users type.

Python's EmailMessage with the SMTP policy writes the message; a line break in any header value is
an error there, and every text of ours is one line before it gets that far.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid

from gavan.core.auth.config.mail import MailConfig
from gavan.core.auth.mail.templates import Rendered

_OURS = frozenset({"to", "cc", "bcc", "from", "subject", "date", "message-id", "mime-version"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message and what it is about; ``code`` and ``link`` are what a test wants of it."""

    message: EmailMessage
    to: str
    sender: str
    kind: str
    code: str = ""
    link: str = ""


def compose(config: MailConfig, to: str, kind: str, rendered: Rendered) -> EmailMessage:
    """Return the message, its text first and its HTML second.

    Raises:
        ValueError: an address that no header can hold.
    """
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(_one_line(config.sender_name), addr_spec=config.sender)
    message["To"] = Address(addr_spec=to)
    message["Subject"] = _one_line(rendered.subject)
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = make_msgid(domain=config.sender.rpartition("@")[2] or "localhost")
    # No holiday note and no other machine shall answer this (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    _add_headers(message, config.headers, kind)
    message.set_content(rendered.text)
    message.add_alternative(rendered.html, subtype="html")
    return message


def _add_headers(message: EmailMessage, headers: Mapping[str, tuple[str, ...]], kind: str) -> None:
    """Add what the operator wants in every mail, as ids that mail services count by."""
    said = "reauthenticate" if kind == "reauthentication" else kind
    for name, values in headers.items():
        lowered = name.lower()
        if lowered in _OURS or lowered.startswith("content-"):
            continue
        for value in values:
            message[name] = _one_line(value.replace("$messageType", said))


def _one_line(text: str) -> str:
    """Return a text without anything that could end a header."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
