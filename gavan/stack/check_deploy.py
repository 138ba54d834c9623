"""What of [deploy] has to stand together; beside check.py, findings only."""

from __future__ import annotations

import re

from gavan.kit.web_address import is_web_address
from gavan.stack.model import KeyPath, Smoke, Stack
from gavan.stack.source import Report, Source

_WEB = re.compile(r"ws(?=s?://)")
WAYS = ("url", "tcp", "sql", "exec")


def check_deploy(stack: Stack, source: Source, report: Report) -> None:
    """Note questions that ask nothing, or two things."""
    for index, smoke in enumerate(stack.deploy.smoke):
        here: KeyPath = ("deploy", "smoke", index)
        given = [way for way, text in zip(WAYS, _ways(smoke), strict=True) if text]
        if len(given) != 1:
            report.add(
                source.value(here),
                "GV168",
                f'"{smoke.name}" has {" and ".join(given) or "no question"}',
                why="one question has one way: url, tcp, sql or exec",
                mend="write one of them",
            )
        elif smoke.url and _is_socket(smoke.url) and (smoke.status or smoke.contains):
            report.add(
                source.value(here),
                "GV168",
                f'"{smoke.name}" wants more of a websocket than that it opens',
                why="it is opened and a ping is answered; there is no status and no text",
                mend="take out status and contains, or ask by exec",
            )
        elif smoke.url and not is_web_address(_WEB.sub("http", smoke.url)):
            report.add(
                source.value((*here, "url")),
                "GV168",
                f'the url of "{smoke.name}" is none',
                why="it begins with https:// or wss:// and names a host",
                mend="write it as a browser would open it",
            )


def _is_socket(url: str) -> bool:
    return _WEB.match(url) is not None


def _ways(smoke: Smoke) -> tuple[str | None, ...]:
    return smoke.url, smoke.tcp, smoke.sql, smoke.command
