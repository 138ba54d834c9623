"""What each type of channel is sent: a target and an event to a request, or to a mail; pure.

Stands above event.py. The forms are those of the services' own pages: Slack's incoming webhooks,
Discord's webhooks, Telegram's sendMessage, ntfy's publishing as JSON.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from urllib.parse import SplitResult, parse_qs, unquote, urlencode, urlsplit, urlunsplit

from gavan.kit.outbound import Call
from gavan.kit.secret import Secret
from gavan.kit.smtp import SmtpServer
from gavan.notify.event import Event

TLS_PORT, SUBMISSION_PORT = 465, 587
DISCORD_MOST = 2000
_URGENT, _USUAL = 4, 3
"""Priorities of ntfy, of 1 to 5"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is told of which stack."""

    stack: str
    profile: str
    event: Event
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    server: SmtpServer
    message: EmailMessage
    sender: str
    to: tuple[str, ...]


def call_of(kind: str, target: Secret, subject: Subject) -> Call:
    """Return the request that tells ``subject`` to a channel of a type that HTTP reaches."""
    url, headers = _login(urlsplit(target.reveal()))
    address, body = _BODIES[kind](url, subject)
    return Call(
        method="POST",
        url=urlunsplit(address),
        headers={"content-type": "application/json", "user-agent": "gavan", **headers},
        body=json.dumps(body).encode(),
    )


def _login(url: SplitResult) -> tuple[SplitResult, dict[str, str]]:
    """Return the URL without its user, and the header that logs in; a token has no user."""
    if not (url.username or url.password):
        return url, {}
    user, password = unquote(url.username or ""), unquote(url.password or "")
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    bare = url._replace(netloc=url.netloc.rpartition("@")[2])
    return bare, {"authorization": f"Basic {pair}" if user else f"Bearer {password}"}


Body = tuple[SplitResult, object]


def _webhook(url: SplitResult, subject: Subject) -> Body:
    event = subject.event
    return url, {
        "event": event.name,
        "stack": subject.stack,
        "profile": subject.profile,
        "title": event.title,
        "text": event.text,
        "about": event.about,
        "at": subject.at.isoformat(timespec="seconds"),
        "data": dict(event.data),
    }


def _slack(url: SplitResult, subject: Subject) -> Body:
    text = words(subject)
    for character, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(character, name)
    return url, {"text": text}


def _discord(url: SplitResult, subject: Subject) -> Body:
    # Nobody is called by what a log line happens to say.
    return url, {"content": words(subject)[:DISCORD_MOST], "allowed_mentions": {"parse": []}}


def _telegram(url: SplitResult, subject: Subject) -> Body:
    asked = {name: values[-1] for name, values in parse_qs(url.query).items()}
    rest = urlencode({name: value for name, value in asked.items() if name != "chat_id"})
    return url._replace(query=rest), {"chat_id": asked["chat_id"], "text": words(subject)}


def _ntfy(url: SplitResult, subject: Subject) -> Body:
    before, _, topic = url.path.rstrip("/").rpartition("/")
    is_bad = subject.event.name.is_bad
    return url._replace(path=before or "/"), {
        "topic": topic,
        "title": subject.event.title,
        "message": subject.event.text or subject.event.title,
        "priority": _URGENT if is_bad else _USUAL,
        "tags": ["warning" if is_bad else "white_check_mark"],
    }


_BODIES: dict[str, Callable[[SplitResult, Subject], Body]] = {
    "webhook": _webhook,
    "slack": _slack,
    "discord": _discord,
    "telegram": _telegram,
    "ntfy": _ntfy,
}


def words(subject: Subject) -> str:
    """Return an event as people read it."""
    event = subject.event
    return f"{event.title}\n{event.text}".strip()


def mail_of(target: Secret, subject: Subject) -> Mail:
    """Return the mail that tells ``subject``; its target names server, sender and receivers."""
    url = urlsplit(target.reveal())
    asked = parse_qs(url.query)
    is_tls = url.scheme == "smtps"
    sender = asked["from"][-1]
    to = tuple(asked["to"])
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"] = sender, ", ".join(to)
    message["Subject"] = " ".join(subject.event.title.split())
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2] or "localhost")
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(f"{words(subject)}\n")
    server = SmtpServer(
        host=url.hostname or "",
        port=url.port or (TLS_PORT if is_tls else SUBMISSION_PORT),
        user=unquote(url.username or ""),
        password=Secret(unquote(url.password)) if url.password else None,
        security="tls" if is_tls else "auto",
    )
    return Mail(server=server, message=message, sender=sender, to=to)
