"""Tell the channels of a stack that something happened.

Stands on top of notify. At most half a minute passes, whatever the other ends do; nothing is
raised, since news must never break what it is about: what did not arrive is in the answer and in
the log, without its target.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from gavan.kit.event import EventName
from gavan.kit.logging import mask
from gavan.kit.outbound import AnswerTooLarge, Outbound, Unreachable
from gavan.kit.secret import MASK, Secret
from gavan.kit.smtp import SmtpError
from gavan.notify import memory
from gavan.notify.event import LONGEST_TEXT, Event
from gavan.notify.forms import Subject, call_of, mail_of
from gavan.stack.check_notify import flaw
from gavan.stack.model import Channel, Stack

FILE = "notify.json"
TRIES = 3
PAUSE_S = 1.0
CALL_S = 8.0
MOST_BYTES = 64 * 1024
SHORTEST_SECRET = 6
_PASSING = (408, 425, 429)
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What became of an event at one channel; ``why`` is empty when it arrived."""

    channel: str
    why: str = ""


def tell(stack: Stack, event: Event, *, now: float | None = None) -> list[Told]:
    """Send an event to every channel that wants it, and return what became of it.

    For example, from a backup that failed::

        tell(stack, Event(name=EventName.BACKUP_FAILED, title=f"{stack.name}: backup failed",
                          text=str(error), about="logical"))

    Values of the stack's secrets are masked in what is sent. Not for a running event loop.

    Args:
        now: seconds since 1970, to judge what was told before; the clock's by default.
    """
    at = time.time() if now is None else now
    clean = _without_secrets(stack, event)
    with memory.remembered(stack.state_dir / FILE) as known:
        wanting = [one for one in stack.notify if _wants(one, clean, known, at)]
        if not wanting:
            return []
        subject = Subject(stack=stack.name, profile=stack.profile.name, event=clean,
                          at=datetime.fromtimestamp(at, UTC))  # fmt: skip
        told = _send(wanting, subject)
        for one in told:
            if one.why:
                logger.warning("notify %s: %s was not told: %s", one.channel, event.name, one.why)
            else:
                memory.keep(known, one.channel, clean, at)
    return told


def try_out(stack: Stack, channels: Sequence[Channel]) -> list[Told]:
    """Send a line to these channels, whatever they want and were told before."""
    event = Event(name=EventName.DEPLOY_RELEASED, title=f"{stack.name}: a test of gavan notify",
                  text="If you read this, news of the stack arrive here.")  # fmt: skip
    return _send(channels, Subject(stack=stack.name, profile=stack.profile.name, event=event,
                                   at=datetime.now(UTC)))  # fmt: skip


def _send(channels: Sequence[Channel], subject: Subject) -> list[Told]:
    async def all_of_them() -> list[Told]:
        outbound = Outbound()
        try:
            return await asyncio.gather(*(_one(outbound, one, subject) for one in channels))
        finally:
            await outbound.close()

    return asyncio.run(all_of_them())


def _wants(channel: Channel, event: Event, known: memory.Known, now: float) -> bool:
    name = event.name
    asked = name in channel.events or f"{name.family}.*" in channel.events
    if not asked and not memory.is_end(known, channel.name, event):
        return False
    if not name.is_bad and _is_quiet(channel.quiet_hours, now):
        return False
    return memory.is_news(known, channel.name, event, now)


def _is_quiet(hours: str, now: float) -> bool:
    if not hours:
        return False
    begin, _, end = hours.partition("-")
    clock = datetime.fromtimestamp(now, UTC).strftime("%H:%M")
    return begin <= clock < end if begin <= end else clock >= begin or clock < end


def _without_secrets(stack: Stack, event: Event) -> Event:
    values = [value.reveal() for value in stack.env.values() if isinstance(value, Secret)]
    values += [channel.target.reveal() for channel in stack.notify]

    def clean(text: str) -> str:
        for value in values:
            if len(value) >= SHORTEST_SECRET:
                text = text.replace(value, MASK)
        return mask(text)

    return replace(event, title=clean(" ".join(event.title.split())),
                   text=clean(event.text)[:LONGEST_TEXT])  # fmt: skip


async def _one(outbound: Outbound, channel: Channel, subject: Subject) -> Told:
    why = flaw(channel)
    if why:
        return Told(channel=channel.name, why=f"its target is none: {why}")
    for number in range(1, TRIES + 1):
        is_mail = channel.type == "email"
        sent = _mail(channel, subject) if is_mail else _call(outbound, channel, subject)
        why, may_pass = await sent
        if not why or not may_pass or number == TRIES:
            break
        await asyncio.sleep(PAUSE_S * number)
    return Told(channel=channel.name, why=why)


async def _call(outbound: Outbound, channel: Channel, subject: Subject) -> tuple[str, bool]:
    """Return why it was not taken, and whether another try may help."""
    call = call_of(channel.type, channel.target, subject)
    try:
        answer = await outbound.send(call, timeout_s=CALL_S, most_bytes=MOST_BYTES)
        status = answer.status
    except TimeoutError:
        return f"no answer within {CALL_S:g} s", True
    except Unreachable:
        # What the client says about it may have the address in it, and that is the secret.
        return "it cannot be reached", True
    except AnswerTooLarge as error:
        status = error.status
    if 200 <= status < 300:
        return "", False
    return f"it answered {status}", status >= 500 or status in _PASSING


async def _mail(channel: Channel, subject: Subject) -> tuple[str, bool]:
    try:
        mail = mail_of(channel.target, subject)
    except ValueError:
        return "an address in its target is none", False
    client = importlib.import_module("gavan.kit.smtp_client").SmtpClient(mail.server)
    try:
        await client.send(mail.message, mail.sender, mail.to)
    except SmtpError as error:
        return str(error), True
    return "", False
