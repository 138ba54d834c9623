"""What of [core.auth] has to stand together; what is missing would stop the core at its start.

Stands beside check.py; findings only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gavan.stack.findings import Level
from gavan.stack.model import KeyPath
from gavan.stack.schema.auth import CAPTCHA, EXTERNAL, HOOK, SMTP, TWILIO
from gavan.stack.schema.key import Section
from gavan.stack.source import Report, Source

Values = dict[str, Any]
_NEEDED: dict[str, tuple[str, ...]] = {
    SMTP.title: ("host", "admin_email"),
    TWILIO.title: ("account_sid", "message_service_sid", "auth_token"),
    CAPTCHA.title: ("secret",),
    HOOK.title: ("uri",),
    EXTERNAL.title: ("client_id",),
}


def check_auth(values: Values | None, source: Source, report: Report, *, protected: bool) -> None:
    """Note what a table that is switched on lacks, and mails that could not leave.

    Args:
        protected: whether the profile holds real data, and so has no inbox.
    """
    if protected and values is not None:
        _check_mail(values, source, report)
    for section, path, table in _tables(values or {}):
        if not table["enabled"]:
            continue
        for name in _NEEDED[section.title]:
            if table[name] or name in source.table(path):
                continue  # what is written and wrong was told where it is read
            key = section.by_name[name]
            report.add(
                source.key(path),
                "GV103",
                f'"{name}" is missing in [{".".join(map(str, path))}]',
                why=key.meaning,
                mend=f"add: {name} = {key.example}, or switch it off: enabled = false",
            )


def _check_mail(values: Values, source: Source, report: Report) -> None:
    email = values["email"]
    if email is None or not email["enable_signup"] or not email["enable_confirmations"]:
        return
    by_smtp = email["smtp"] is not None and email["smtp"]["enabled"]
    by_hook = "send_email" in values["hook"] and values["hook"]["send_email"]["enabled"]
    if by_smtp or by_hook:
        return
    report.add(
        source.value(("core", "auth", "email", "enable_confirmations")),
        "GV157",
        "addresses are confirmed by mail, and no mail can leave",
        why="a protected profile has no inbox: every sign-up would fail",
        mend="write [core.auth.email.smtp], or [core.auth.hook.send_email]",
        level=Level.WARNING,
    )


def _tables(values: Values) -> Iterator[tuple[Section, KeyPath, Values]]:
    """Yield the tables that were written and can be switched off."""
    single = (
        (SMTP, ("email", "smtp")),
        (TWILIO, ("sms", "twilio")),
        (CAPTCHA, ("captcha",)),
    )
    for section, path in single:
        table: Values | None = values
        for name in path:
            table = table.get(name) if table else None
        if table is not None:
            yield section, ("core", "auth", *path), table
    for section, kind in ((HOOK, "hook"), (EXTERNAL, "external")):
        for name, table in values.get(kind, {}).items():
            yield section, ("core", "auth", kind, name), table
