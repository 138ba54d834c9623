"""The inbox of a development stack: every mail is a file, and none ever leaves the machine.

Files of a folder under .gavan survive restarts, are seen by every process and by ``gavan inbox``,
and open in any mail program; the oldest go when there are too many.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

from gavan.core.auth.mail.letter import Letter

MOST = 500
MOST_BYTES = 64 * 1024 * 1024
POLL_S = 0.25
"""How soon a waiting client sees what another process caught; its own process tells at once."""
SUFFIX = ".eml"
_ID = re.compile(r"[0-9]{20}-[0-9a-f]{8}")
_STORED = SMTP.clone(max_line_length=None)  # a link is one word however long it is
_KIND, _CODE, _LINK = "X-Gavan-Kind", "X-Gavan-Code", "X-Gavan-Link"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """A mail in the inbox; ``at`` in seconds since the epoch, ids sort by it."""

    id: str
    at: float
    to: str
    sender: str
    subject: str
    kind: str
    code: str
    link: str
    text: str
    html: str
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which mails: of a recipient, of a kind, newer than an id; empty means any."""

    to: str = ""
    kind: str = ""
    after: str = ""

    def fits(self, mail: Caught) -> bool:
        """Return whether a mail is one of them."""
        return (
            (not self.to or mail.to == self.to.lower())
            and (not self.kind or mail.kind == self.kind)
            and mail.id > self.after
        )


class Inbox:
    """The folder, and who waits for what comes into it."""

    def __init__(self, folder: Path, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._folder = folder
        self._clock_ns = clock_ns
        self._read: dict[str, Caught] = {}
        self._arrived = asyncio.Condition()

    async def send(self, letter: Letter) -> None:
        """Catch a mail."""
        await asyncio.to_thread(self._write, letter)
        async with self._arrived:
            self._arrived.notify_all()

    async def find(self, wanted: Wanted) -> list[Caught]:
        """Return the mails that fit, the newest first."""
        return await asyncio.to_thread(self._find, wanted)

    async def get(self, mail_id: str) -> Caught | None:
        """Return a mail, None when there is none of this id."""
        return await asyncio.to_thread(self._get, mail_id)

    async def delete(self, mail_id: str) -> bool:
        """Delete a mail; return whether it was there."""
        return await asyncio.to_thread(self._delete, mail_id)

    async def clear(self, wanted: Wanted) -> int:
        """Delete the mails that fit; return how many there were."""
        found = await self.find(wanted)
        return sum([await self.delete(mail.id) for mail in found])

    async def wait(self, wanted: Wanted, timeout_s: float) -> Caught | None:
        """Return the oldest mail that fits, as soon as there is one; None when time is up."""
        deadline = time.monotonic() + timeout_s
        while True:
            async with self._arrived:
                found = await self.find(wanted)
                if found:
                    return found[-1]
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                try:
                    async with asyncio.timeout(min(left, POLL_S)):
                        await self._arrived.wait()
                except TimeoutError:
                    continue

    def _write(self, letter: Letter) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        message = letter.message
        for name, value in ((_KIND, letter.kind), (_CODE, letter.code), (_LINK, letter.link)):
            if value:
                message[name] = value
        mail_id = f"{self._clock_ns():020d}-{secrets.token_hex(4)}"
        # Under another name until it is whole: a reader never sees half a mail.
        draft = self._folder / f".{mail_id}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(message.as_bytes(policy=_STORED))
        draft.rename(self._folder / f"{mail_id}{SUFFIX}")
        self._prune()

    def _prune(self) -> None:
        kept_bytes = 0
        for number, path in enumerate(sorted(self._paths(), reverse=True)):
            try:
                kept_bytes += path.stat().st_size
            except FileNotFoundError:
                continue
            if number >= MOST or (number and kept_bytes > MOST_BYTES):
                path.unlink(missing_ok=True)

    def _paths(self) -> Iterator[Path]:
        if not self._folder.is_dir():
            return
        for path in self._folder.iterdir():
            if path.suffix == SUFFIX and _ID.fullmatch(path.stem):
                yield path

    def _find(self, wanted: Wanted) -> list[Caught]:
        ids = sorted((path.stem for path in self._paths()), reverse=True)
        # Several threads may be here: each fills a table of its own and leaves it whole.
        known, read = self._read, dict[str, Caught]()
        for mail_id in ids:
            mail = known.get(mail_id) or self._open(mail_id)
            if mail is not None:
                read[mail_id] = mail
        self._read = read
        return [mail for mail in read.values() if wanted.fits(mail)]

    def _get(self, mail_id: str) -> Caught | None:
        return self._open(mail_id) if _ID.fullmatch(mail_id) else None

    def _open(self, mail_id: str) -> Caught | None:
        try:
            read = (self._folder / f"{mail_id}{SUFFIX}").read_bytes()
        except OSError:
            return None
        return _caught(mail_id, message_from_bytes(read, policy=SMTP))

    def _delete(self, mail_id: str) -> bool:
        if not _ID.fullmatch(mail_id):
            return False
        try:
            (self._folder / f"{mail_id}{SUFFIX}").unlink()
        except FileNotFoundError:
            return False
        return True


def _caught(mail_id: str, message: EmailMessage) -> Caught:
    def header(name: str) -> str:
        return str(message.get(name, ""))

    return Caught(
        id=mail_id,
        at=int(mail_id.partition("-")[0]) / 1e9,
        to=header("To").lower(),
        sender=header("From"),
        subject=header("Subject"),
        kind=header(_KIND),
        code=header(_CODE),
        link=header(_LINK),
        text=_part(message, "plain"),
        html=_part(message, "html"),
        headers=tuple((name, str(value)) for name, value in message.items()),
    )


def _part(message: EmailMessage, subtype: str) -> str:
    part = message.get_body((subtype,))
    content = part.get_content() if part is not None else ""
    return content if isinstance(content, str) else ""
