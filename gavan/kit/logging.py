"""One log line per record on stdout, JSON or text, with anything that looks like a secret masked.

Stands on the ground floor: the core, jobs and application services call ``configure`` once.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TextIO

import orjson

from gavan.kit.secret import MASK, Secret

LINE_BYTES = 32 * 1024
LEVEL_NAMES = {"WARNING": "WARN", "CRITICAL": "ERROR"}

# Three parts that begin like a base64url JSON object; opaque keys; bearer values; URL passwords.
_SECRETS = re.compile(
    r"eyJ[\w-]{5,}\.[\w-]+\.[\w-]*"
    r"|sb_(?:secret|publishable)_[\w-]+"
    r"|(?<=[Bb]earer )\S+"
    r"|(?<=://)(?P<user>[^\s:/@]*):\S+(?=@)"
    r"|(?<=password=)\S+"
)
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}


def mask(text: str) -> str:
    """Return ``text`` with tokens, keys and passwords replaced by asterisks."""
    return _SECRETS.sub(_masked, text)


def _masked(match: re.Match[str]) -> str:
    user = match.group("user")
    return MASK if user is None else f"{user}:{MASK}"


def timestamp(seconds: float) -> str:
    """Return RFC 3339 UTC with milliseconds."""
    whole = int(seconds)
    return f"{_second(whole)}.{int((seconds - whole) * 1000):03}Z"


@lru_cache(maxsize=2)
def _second(whole: int) -> str:
    return datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def render_json(fields: Mapping[str, Any]) -> str:
    """Return one JSON line, without its line end, of at most 32 KiB."""
    line = orjson.dumps(fields, default=_plain, option=orjson.OPT_NON_STR_KEYS)
    if len(line) <= LINE_BYTES:
        return line.decode()
    kept = {name: fields[name] for name in ("ts", "level", "service") if name in fields}
    message = str(fields.get("msg", ""))[: LINE_BYTES // 8]
    return orjson.dumps({**kept, "msg": message, "truncated": True}).decode()


def render_text(fields: Mapping[str, Any]) -> str:
    """Return one aligned line for people: level, message, then name=value pairs.

    Without the time: whoever keeps the line stamps it, and two stamps help nobody.
    """
    rest = " ".join(
        f"{name}={_one_line(value)}"
        for name, value in fields.items()
        if name not in {"ts", "level", "msg", "service", "error"}
    )
    line = f"{fields['level']:<5} {fields['msg']} {rest}".rstrip()
    error = fields.get("error")
    return f"{line}\n{error['stack']}" if isinstance(error, dict) and "stack" in error else line


def _one_line(value: object) -> str:
    return str(value).replace("\n", "\\n").replace("\r", "\\r")


def _plain(value: object) -> str:
    return str(value)


class LineFormatter(logging.Formatter):
    """Render a record with its ``extra`` fields as one line."""

    def __init__(self, service: str, log_format: str) -> None:
        super().__init__()
        self._service = service
        self._render = render_text if log_format == "text" else render_json

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        fields: dict[str, Any] = {
            "ts": timestamp(record.created),
            "level": LEVEL_NAMES.get(record.levelname, record.levelname),
            "msg": mask(record.getMessage()),
            "service": self._service,
        }
        for name, value in record.__dict__.items():
            if name not in _STANDARD:
                fields[name] = mask(value) if isinstance(value, str) else _unsecret(value)
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            fields["error"] = {
                "type": type(error).__name__,
                "message": mask(str(error)),
                "stack": mask("".join(traceback.format_exception(error))),
            }
        return self._render(fields)


def _unsecret(value: object) -> object:
    return str(value) if isinstance(value, Secret) else value


def configure(
    service: str, *, log_format: str = "json", level: str = "INFO", stream: TextIO | None = None
) -> None:
    """Send every logger of this process to ``stream`` (default stdout) as lines of one form.

    Args:
        service: name put into every line.
        log_format: ``json`` or ``text``.
        level: lowest level that is written, e.g. ``INFO``.
    """
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(LineFormatter(service, log_format))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
