"""Where a listing goes on: tokens in upstream's form (supabase/storage:src/storage/object.ts).

Base64 of the lines ``l:`` last name, ``o:`` order, ``c:`` column and ``a:`` time of the last entry.
A folder's name ends with the delimiter, so that it is not taken for an object of the same name.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime

from gavan.core.storage.errors import invalid_parameter

COLUMNS = ("name", "created_at", "updated_at")
ORDERS = ("asc", "desc")
_PARTS = "loca"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """What the last entry of a page was, and in which order the page stood."""

    after: str = ""
    order: str = "asc"
    column: str = "name"
    time: str = ""

    def __str__(self) -> str:
        column = "" if self.column == "name" else self.column
        values = zip(_PARTS, (self.after, self.order, column, self.time), strict=True)
        lines = "\n".join(f"{part}:{value}" for part, value in values if value)
        return base64.b64encode(lines.encode()).decode()


def read_cursor(token: str) -> Cursor:
    """Return what a token says; raise StorageError ``InvalidParameter`` for anything else."""
    try:
        text = base64.b64decode(token, validate=True).decode()
        parts = dict(line.split(":", 1) for line in text.split("\n"))
    except (binascii.Error, ValueError) as error:
        raise invalid_parameter("continuation token") from error
    cursor = Cursor(
        after=parts.get("l", ""),
        order=parts.get("o", "asc"),
        column=parts.get("c", "name"),
        time=parts.get("a", ""),
    )
    is_known = set(parts) <= set(_PARTS) and cursor.order in ORDERS and cursor.column in COLUMNS
    if not is_known or not _is_time(cursor.time):
        raise invalid_parameter("continuation token")
    return cursor


def _is_time(text: str) -> bool:
    try:
        return not text or datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
