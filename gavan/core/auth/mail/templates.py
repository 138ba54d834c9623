"""Which template a mail has, and what becomes of it: subject, HTML and plain text.

A stack's own template that is broken or gone never stops a mail: the built-in one is sent and the
log says why.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from urllib.parse import unquote, urlsplit

from gavan.core.auth.config.mail import MailConfig
from gavan.core.auth.mail.plain_text import plain_text
from gavan.core.auth.mail.template.evaluate import Plain, render
from gavan.core.auth.mail.template.html_place import Html
from gavan.core.auth.mail.template.nodes import Node, TemplateError
from gavan.core.auth.mail.template.parse import parse
from gavan.core.auth.mail.texts import TEXTS

LARGEST_BYTES = 1_000_000
FRESH_S = 1.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A mail ready to be put into an envelope."""

    subject: str
    html: str
    text: str


@dataclass(frozen=True, slots=True)
class _Read:
    nodes: tuple[Node, ...]
    changed: float
    looked_at: float


class Templates:
    """The templates of one stack; a changed file is seen within a second."""

    def __init__(self, config: MailConfig, clock: Callable[[], float] = monotonic) -> None:
        self._config = config
        self._clock = clock
        self._bodies: dict[str, _Read] = {}

    async def render(self, kind: str, data: Mapping[str, object]) -> Rendered:
        """Return a mail of a kind with its variables put in."""
        subject, body = TEXTS[kind].subject, TEXTS[kind].body
        page = await self._own_body(kind, data)
        if page is None:
            page = render(parse(body), data, Html())
        return Rendered(
            subject=_one_line(self._subject(kind, data, subject)), html=page, text=plain_text(page)
        )

    def _subject(self, kind: str, data: Mapping[str, object], default: str) -> str:
        own = self._config.subjects.get(kind, "")
        if own:
            try:
                return render(parse(own), data, Plain())
            except TemplateError as error:
                _complain(kind, "subject", error)
        return render(parse(default), data, Plain())

    async def _own_body(self, kind: str, data: Mapping[str, object]) -> str | None:
        address = self._config.templates.get(kind, "")
        if not address:
            return None
        try:
            return render(await self._read(kind, template_path(address)), data, Html())
        except (OSError, ValueError) as error:  # TemplateError and UnicodeError are ValueErrors
            _complain(kind, address, error)
            return None

    async def _read(self, kind: str, path: Path) -> tuple[Node, ...]:
        known = self._bodies.get(kind)
        now = self._clock()
        if known is not None and now - known.looked_at < FRESH_S:
            return known.nodes
        changed = (await asyncio.to_thread(path.stat)).st_mtime
        if known is None or known.changed != changed:
            nodes = parse(await asyncio.to_thread(_text, path))
        else:
            nodes = known.nodes
        self._bodies[kind] = _Read(nodes, changed, now)
        return nodes


def template_path(address: str) -> Path:
    """Return the file of a configured template; raise ValueError for what is no file."""
    parts = urlsplit(address)
    if parts.scheme not in {"", "file"}:
        raise ValueError("templates are read from files; this is an address")
    return Path(unquote(parts.path) if parts.scheme else address)


def _text(path: Path) -> str:
    with path.open("rb") as file:
        read = file.read(LARGEST_BYTES + 1)
    if len(read) > LARGEST_BYTES:
        raise ValueError(f"larger than {LARGEST_BYTES} bytes")
    return read.decode()


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _complain(kind: str, what: str, error: Exception) -> None:
    logger.warning(
        "the built-in %s mail is sent: %s cannot be used: %s",
        kind,
        what,
        error,
        extra={"event": "mail.template_failed", "kind": kind},
    )
