"""Whether a value of ``X-Robots-Tag`` is one (supabase/storage:src/storage/validators)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime

from gavan.core.storage.errors import StorageError

_SIMPLE = frozenset(
    {
        "all",
        "noindex",
        "nofollow",
        "none",
        "nosnippet",
        "indexifembedded",
        "notranslate",
        "noimageindex",
    }
)
_PREVIEWS = frozenset({"none", "standard", "large"})
_NUMBER = re.compile(r"-?\d+", re.ASCII)
_DATE = "unavailable_after"
# A date may have commas; it ends where the next rule begins.
_NEXT_RULE = re.compile(rf",\s*(?:(?:{'|'.join(sorted(_SIMPLE))})|[a-zA-Z0-9_-]+:)")
MOST_CHARS = 1024
MOST_AGENTS = 16


def check_robots(value: str) -> None:
    """Raise StorageError for a value that no crawler would understand."""
    if len(value) > MOST_CHARS:
        raise _refused("X-Robots-Tag header is too long")
    _check(value, MOST_AGENTS)


def _check(value: str, agents: int) -> None:
    if not value.strip():
        raise _refused("X-Robots-Tag header value must be a non-empty string")
    for rule in _rules(value.strip()):
        if not rule:
            raise _refused("X-Robots-Tag header contains empty rule")
        if rule in _SIMPLE:
            continue
        name, colon, rest = (part.strip() for part in rule.partition(":"))
        check = _PARAMETRIC.get(name)
        if check is not None and colon and rule.startswith(f"{name}:"):
            check(name, rest)
        elif not colon or not agents:
            raise _refused(f'Invalid X-Robots-Tag rule: "{rule}"')
        elif not rest:
            raise _refused(f'X-Robots-Tag user agent "{name}" has no rules specified')
        else:
            _check(rest, agents - 1)


def _rules(value: str) -> Iterator[str]:
    while value:
        if value.startswith(f"{_DATE}:"):
            following = _NEXT_RULE.search(value)
            end = following.start() if following else len(value)
        else:
            end = value.find(",")
            end = len(value) if end < 0 else end
        yield value[:end].strip()
        value = value[end + 1 :].strip()


def _check_number(name: str, value: str) -> None:
    _check_given(name, value)
    if not _NUMBER.fullmatch(value) or int(value) < -1:
        raise _refused(f'X-Robots-Tag "{name}" value must be an integer >= -1, got: "{value}"')


def _check_preview(name: str, value: str) -> None:
    _check_given(name, value)
    if value not in _PREVIEWS:
        raise _refused(
            f'X-Robots-Tag "{name}" value must be one of: none, standard, large, got: "{value}"'
        )


def _check_date(name: str, value: str) -> None:
    _check_given(name, value)
    for parse in (parsedate_to_datetime, datetime.fromisoformat, _worded_date):
        try:
            parse(value)
        except (ValueError, OverflowError):
            continue
        return
    raise _refused(f'X-Robots-Tag "{name}" value must be a valid date, got: "{value}"')


def _worded_date(value: str) -> datetime:
    zone = re.sub(r"\b(?:UTC|GMT|Z|[ECMP][SD]T)$", "+0000", value)
    for form in ("%d-%b-%Y %H:%M:%S %z", "%B %d, %Y", "%d %B %Y", "%Y/%m/%d"):
        try:
            return datetime.strptime(zone, form)  # noqa: DTZ007 - only whether it is a date
        except ValueError:
            continue
    raise ValueError(value)


def _check_given(name: str, value: str) -> None:
    if not value:
        raise _refused(f'X-Robots-Tag rule "{name}" requires a value')


_PARAMETRIC = {
    "max-snippet": _check_number,
    "max-video-preview": _check_number,
    "max-image-preview": _check_preview,
    _DATE: _check_date,
}


def _refused(message: str) -> StorageError:
    return StorageError(
        400,
        "InvalidRequest",
        f"Invalid X-Robots-Tag header: {message}",
        error="invalid_x_robots_tag",
    )
