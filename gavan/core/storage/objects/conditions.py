"""What a reader already has, and which part he asks for (RFC 9110, chapters 13 and 14).

Pure; ``serving`` asks here before it opens a blob.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from gavan.core.storage.errors import StorageError, precondition_failed

_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)
_MOST_DIGITS = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What is there now: ``etag`` quoted, empty when unknown; ``modified`` in whole seconds."""

    etag: str
    modified: datetime


def is_known(headers: Mapping[str, str], state: State) -> bool:
    """Say whether the reader has just this, so that 304 is the answer."""
    tags = headers.get("if-none-match")
    if tags is not None:
        return _names(tags, state.etag)
    since = _date(headers.get("if-modified-since"))
    return since is not None and state.modified <= since


def check_preconditions(headers: Mapping[str, str], state: State) -> None:
    """Raise StorageError 412 when the reader wants another state than there is."""
    tags = headers.get("if-match")
    until = _date(headers.get("if-unmodified-since"))
    is_other = until is not None and state.modified > until
    if tags is not None:
        is_other = not _names(tags, state.etag)
    if is_other:
        raise precondition_failed()


def wanted_range(headers: Mapping[str, str], state: State, size: int) -> tuple[int, int] | None:
    """Return the first and the last byte, both included; None for all.

    A unit other than bytes does not count, nor a range of a state that is gone (``If-Range``).

    Raises:
        StorageError: 416 when nothing is there, or for more than one range.
    """
    asked = headers.get("range")
    if asked is None or not asked.startswith("bytes") or _is_gone(headers, state):
        return None
    found = _RANGE.fullmatch(asked.replace(" ", ""))
    first, last = (found[1], found[2]) if found else ("", "")
    if len(first) > _MOST_DIGITS or len(last) > _MOST_DIGITS or not first + last:
        raise _unsatisfiable(size)
    begin, end = int(first or 0), min(int(last), size - 1) if last and first else size - 1
    if not first:
        begin = max(size - int(last), 0)
    is_backwards = bool(first and last) and int(last) < begin
    if is_backwards or begin >= size:
        raise _unsatisfiable(size)
    return begin, end


def read_moment(text: object) -> datetime | None:
    """Return the whole second that a row tells; None for what tells none."""
    try:
        moment = datetime.fromisoformat(str(text))
        moment = moment.replace(tzinfo=moment.tzinfo or UTC)
        return moment.astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError):
        return None


def http_date(moment: datetime) -> str:
    """Return a moment as headers carry it."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def _is_gone(headers: Mapping[str, str], state: State) -> bool:
    asked = headers.get("if-range")
    if asked is None:
        return False
    if asked.startswith(('"', "W/")):
        return asked != state.etag
    return _date(asked) != state.modified


def _names(tags: str, etag: str) -> bool:
    listed = {tag.strip().removeprefix("W/") for tag in tags.split(",")}
    return "*" in listed or (bool(etag) and etag in listed)


def _date(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _unsatisfiable(size: int) -> StorageError:
    error = StorageError(
        416, "InvalidRange", "invalid range provided", error="invalid_range", http_status=416
    )
    error.headers["content-range"] = f"bytes */{size}"
    return error
