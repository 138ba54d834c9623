"""``Range`` together with ``limit`` and ``offset`` of the root."""

from __future__ import annotations

import re

from gavan.core.rest.errors import invalid_range
from gavan.core.rest.parse.model import ALL_ROWS, RowRange

NO_ROWS = RowRange(0, 0)

_RANGE = re.compile(r"(\d{1,18})-(\d{0,18})")


def root_range(query: RowRange, header: str | None) -> RowRange:
    """Return the rows of the answer: the header intersected with the query string.

    Raises PGRST103 for a negative limit and for a range that ends before it begins. Anything in
    the header but ``lo-hi`` is ignored. ``limit=0`` is no rows, whatever else was asked.
    """
    if query.limit is not None and query.limit < 0:
        raise invalid_range("Limit should be greater than or equal to zero.")
    if query.limit == 0:
        return NO_ROWS
    asked = _header_range(header) if header else ALL_ROWS
    if asked == ALL_ROWS:
        return query
    offset = max(query.offset, asked.offset)
    ends = [r.offset + r.limit for r in (query, asked) if r.limit is not None]
    if not ends:
        return RowRange(None, offset)
    limit = min(ends) - offset
    if limit <= 0:
        raise _reversed()
    return RowRange(limit, offset)


def _header_range(header: str) -> RowRange:
    found = _RANGE.fullmatch(header)
    if found is None:
        return ALL_ROWS
    low = int(found[1])
    if not found[2]:
        return RowRange(None, low)
    high = int(found[2])
    if high < low:
        raise _reversed()
    return RowRange(high - low + 1, low)


def _reversed() -> Exception:
    return invalid_range(
        "The lower boundary must be lower than or equal to the upper boundary in the Range header."
    )
