"""``POST /object/list/{bucket}`` and ``/object/list-v2/{bucket}``.

Source: supabase/storage:src/http/routes/object/listObjects.ts and listObjectsV2.ts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gavan.core.storage.body import read_object
from gavan.core.storage.commons import Commons
from gavan.core.storage.errors import invalid_body
from gavan.core.storage.listing.cursor import COLUMNS, ORDERS
from gavan.core.storage.listing.pages import MOST_ENTRIES, Asked, Entry, list_page, queries

MOST_SEARCHED = 1500
DEFAULT_SEARCHED = 100
MOST_OFFSET = 2**31 - 1
SEARCH_COLUMNS = (*COLUMNS, "last_accessed_at")
Body = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingEdge:
    """What lists the objects of a bucket; policies decide which."""

    commons: Commons

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/object/list/{bucket}", self.search, methods=["POST"]),
            Route("/object/list-v2/{bucket}", self.page, methods=["POST"]),
        ]

    async def search(self, request: Request) -> Response:
        """Answer the entries of a folder, whatever the case, by offset."""
        caller = self.commons.caller(request)
        body = await read_object(request)
        if "prefix" not in body:
            raise invalid_body("body must have required property 'prefix'")
        prefix = _text(body, "prefix")
        column, order = _sorting(body, SEARCH_COLUMNS)
        limit = _whole(body, "limit", default=DEFAULT_SEARCHED, least=1)
        statement = queries(
            "search",
            *(prefix if prefix.endswith("/") or not prefix else f"{prefix}/",),
            *(request.path_params["bucket"], min(limit, MOST_SEARCHED)),
            min(_whole(body, "offset", default=0, least=0), MOST_OFFSET),
            *(_text(body, "search"), column, order),
        )
        rows = await self.commons.store.read_as_caller(caller, "storage.object.list", statement)
        return Response(rows.values[0][0], media_type="application/json")

    async def page(self, request: Request) -> Response:
        """Answer a page of names that begin alike, and the token of the next page."""
        caller = self.commons.caller(request)
        body = await read_object(request)
        column, order = _sorting(body, COLUMNS)
        asked = Asked(
            bucket_id=request.path_params["bucket"],
            prefix=_text(body, "prefix"),
            delimiter="/" if _truth(body, "with_delimiter") else "",
            limit=_whole(body, "limit", default=MOST_ENTRIES, least=1),
            token=_text(body, "cursor"),
            column=column,
            order=order,
        )
        page = await list_page(self.commons.store, caller, "storage.object.list_v2", asked)
        level = asked.prefix.count("/")
        for entry in (*page.folders, *page.objects):
            entry["metadata"] = orjson.Fragment(entry["metadata"] or "null")
            if asked.delimiter:
                entry["key"] = _segment(entry, level)
        answer: dict[str, Any] = {"hasNext": page.next_token is not None}
        if page.next_token is not None:
            answer |= {"nextCursor": page.next_token, "nextCursorKey": page.next_name}
        answer |= {"folders": page.folders, "objects": page.objects}
        return Response(orjson.dumps(answer), media_type="application/json")


def _segment(entry: Entry, level: int) -> str:
    segments = str(entry["name"]).split("/")
    return segments[level]


def _sorting(body: Body, columns: tuple[str, ...]) -> tuple[str, str]:
    """Return the column and the order of ``sortBy``."""
    asked = body.get("sortBy")
    if asked is None:
        return "name", "asc"
    if not isinstance(asked, dict):
        raise invalid_body("body/sortBy must be object")
    if "column" not in asked:
        raise invalid_body("body/sortBy must have required property 'column'")
    for name, allowed in (("column", columns), ("order", ORDERS)):
        if asked.get(name, allowed[0]) not in allowed:
            raise invalid_body(f"body/sortBy/{name} must be equal to one of the allowed values")
    return asked["column"], asked.get("order", "asc")


def _text(body: Body, name: str) -> str:
    value = body.get(name, "")
    if not isinstance(value, str):
        raise invalid_body(f"body/{name} must be string")
    return value


def _truth(body: Body, name: str) -> bool:
    value = body.get(name, False)
    if value in ("true", "false"):
        return bool(value == "true")
    if not isinstance(value, bool):
        raise invalid_body(f"body/{name} must be boolean")
    return value


def _whole(body: Body, name: str, *, default: int, least: int) -> int:
    value = body.get(name, default)
    try:
        number = float(value) if isinstance(value, int | float | str) else None
    except ValueError:
        number = None
    if number is None or isinstance(value, bool) or not number.is_integer():
        raise invalid_body(f"body/{name} must be integer")
    if number < least:
        raise invalid_body(f"body/{name} must be >= {least}")
    return int(number)
