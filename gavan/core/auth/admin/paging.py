"""Pages of the administrator's lists: which one is wanted, and the headers that lead on; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from gavan.core.auth.errors import validation_failed

PER_PAGE = 50
PER_PAGE_MOST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which rows to list; ``number`` counts from 1."""

    number: int
    size: int

    @property
    def offset(self) -> int:
        """How many rows come before."""
        return (self.number - 1) * self.size


def page_of(query: QueryParams) -> Page:
    """Return the page of a request; raise AuthError 400 for what is no number."""
    return Page(
        number=_number(query, "page", 1),
        size=min(_number(query, "per_page", PER_PAGE), PER_PAGE_MOST),
    )


def page_headers(path: str, query: QueryParams, page: Page, total: int) -> dict[str, str]:
    """Return ``X-Total-Count`` and ``Link``, which the clients read the pages from."""
    last = ceil(total / page.size)

    def link(number: int, relation: str) -> str:
        fields = dict(query) | {"page": str(number)}
        # page and per_page as they were asked for, whatever else the list was asked with
        return f'<{path}?{urlencode(sorted(fields.items()))}>; rel="{relation}"'

    found = [link(page.number + 1, "next")] if page.number < last else []
    return {"X-Total-Count": str(total), "Link": ", ".join([*found, link(last, "last")])}


def is_ascending(sorts: Sequence[str]) -> bool:
    """Return the direction of the last ``sort``; raise AuthError 400 for an unknown one."""
    ascending = False
    for sort in sorts:
        field, _, direction = sort.partition(" ")
        if field != "created_at":
            raise validation_failed(f"Bad Sort Parameters: bad field for sort '{field}'")
        if direction.upper() not in {"", "ASC", "DESC"}:
            raise validation_failed(
                f"Bad Sort Parameters: bad direction for sort '{direction}',"
                " only 'asc' and 'desc' allowed"
            )
        ascending = direction.upper() == "ASC"
    return ascending


def _number(query: QueryParams, name: str, default: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise validation_failed(f"Bad Pagination Parameters: {name} is no whole number")
    return int(text) or default
