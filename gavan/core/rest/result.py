"""What came back from the database, read once, and the checks made before COMMIT."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gavan.core.rest.errors import not_singular, put_key_mismatch, too_many_affected
from gavan.database.session import Rows

Check = Callable[[Rows], None]


@dataclass(slots=True, kw_only=True)
class Result:
    """The one row of a statement; ``explained`` bodies have no counts."""

    body: bytes
    page: int = 0
    total: int | None = None
    headers: bytes | None = None
    status: bytes | None = None
    inserted: int | None = None
    location: bytes | None = None


def read_result(rows: Rows) -> Result:
    """Return the columns of ``sql.answer.COLUMNS``."""
    total, page, body, headers, status, inserted, location = rows.values[0]
    return Result(
        body=body or b"",
        page=int(page or 0),
        total=int(total) if total is not None else None,
        headers=headers,
        status=status,
        inserted=int(inserted) if inserted is not None else None,
        location=location,
    )


def read_explained(rows: Rows) -> Result:
    """Return the lines of an EXPLAIN."""
    return Result(body=b"".join((row[0] or b"") + b"\n" for row in rows.values))


def page_size(rows: Rows) -> int:
    """Return how many rows the answer shows or the mutation touched."""
    return int(rows.values[0][1] or 0)


def check_singular(rows: Rows) -> None:
    """Raise PGRST116 unless there is exactly one row."""
    if (count := page_size(rows)) != 1:
        raise not_singular(count)


def check_put(rows: Rows) -> None:
    """Raise PGRST115 unless the row of the URL was stored."""
    if page_size(rows) != 1:
        raise put_key_mismatch()


def max_affected(limit: int) -> Check:
    """Return the check that raises PGRST124 beyond ``limit`` rows."""

    def check(rows: Rows) -> None:
        if (count := page_size(rows)) > limit:
            raise too_many_affected(count)

    return check
