"""What of [notify.<name>] has to stand together; beside check.py, findings only.

Warnings: nothing that a stack does shall stop because nobody would hear of it.

A target that a variable of the server holds is not known here; it is judged where it is used.
"""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from gavan.stack.findings import Level
from gavan.stack.interpolate import is_literal
from gavan.stack.model import Channel, Stack
from gavan.stack.source import Report, Source


def check_notify(stack: Stack, source: Source, report: Report) -> None:
    """Note targets that are none."""
    for channel in stack.notify:
        target = channel.target.reveal()
        # What is missing was noted when it was read.
        why = flaw(channel) if target and is_literal(target) else ""
        if why:
            report.add(
                source.value(("notify", channel.name, "target")),
                "GV167",
                f'the target of "{channel.name}" is none for {channel.type}',
                why=why,
                mend="docs/reference/gavan-toml.md shows one of each type",
                level=Level.WARNING,
            )


def flaw(channel: Channel) -> str:
    """Return what is wrong with the target of a channel, without a word of it; else empty."""
    is_mail = channel.type == "email"
    try:
        parts = urlsplit(channel.target.reveal())
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return "it is not a URL"
    schemes = ("smtp", "smtps") if is_mail else ("http", "https")
    if parts.scheme not in schemes or not has_host:
        return f"it begins with {' or '.join(f'{scheme}://' for scheme in schemes)} and a host"
    asked = parse_qs(parts.query)
    if is_mail and not ("to" in asked and "from" in asked):
        return "it lacks ?from=<address>&to=<address>"
    if channel.type == "telegram" and "chat_id" not in asked:
        return "it lacks ?chat_id=<id>"
    if channel.type == "ntfy" and not parts.path.strip("/"):
        return "it lacks the topic"
    return ""
