"""Stage 6: a result becomes status, headers and body. Sees no database."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

import orjson

from gavan.core.rest.config import RestConfig
from gavan.core.rest.errors import (
    JSON_TYPE,
    Header,
    RestError,
    bad_headers_guc,
    bad_status_guc,
    offset_out_of_bounds,
)
from gavan.core.rest.plan.model import Body, CallPlan, Format, InfoPlan, MutatePlan, ReadPlan
from gavan.core.rest.prepared import PATH_SAFE, Prepared
from gavan.core.rest.prepared_headers import content_headers
from gavan.core.rest.request import Action, ApiRequest
from gavan.core.rest.result import Result
from gavan.core.rest.schema_cache import Returns

VARY: Header = (b"vary", b"Accept, Prefer, Range")


@dataclass(slots=True)
class Response:
    """What goes onto the wire."""

    status: int
    headers: tuple[Header, ...]
    body: bytes = b""


def respond_read(prepared: Prepared, plan: ReadPlan, result: Result) -> Response:
    """GET and HEAD on a relation."""
    status, content_range = _page(plan.node.offset, result)
    headers = [
        (b"content-range", content_range),
        (b"content-location", prepared.location.encode()),
        *prepared.content,
        *prepared.applied,
    ]
    return _finish(status, headers, result, None if plan.head else _bytes_of(plan.format, result))


def respond_call(prepared: Prepared, plan: CallPlan, result: Result) -> Response:
    """A function call."""
    status, content_range = _page(plan.node.offset, result)
    headers = [(b"content-range", content_range), *prepared.applied]
    if plan.returns is Returns.VOID:
        return _finish(204, headers, result, None)
    headers += prepared.content
    return _finish(status, headers, result, None if plan.head else _bytes_of(plan.format, result))


def respond_mutation(prepared: Prepared, plan: MutatePlan, result: Result) -> Response:
    """POST, PUT, PATCH and DELETE on a relation."""
    request = prepared.request
    headers = []
    if request.action is not Action.UPSERT:
        headers.append((b"content-range", _affected_range(request, result)))
    if location := _location(request, plan, result):
        headers.append((b"location", location))
    headers += prepared.applied
    if plan.represents:
        headers += prepared.content
    body: bytes | None = _bytes_of(plan.format, result) if plan.represents else None
    if body is None and request.action is Action.INSERT:
        body = b""
    return _finish(_mutation_status(request, plan, result), headers, result, body)


def respond_explained(prepared: Prepared, result: Result) -> Response:
    """The plan of any statement."""
    return _finish(200, list(prepared.content), result, result.body)


def respond_info(plan: InfoPlan) -> Response:
    """OPTIONS."""
    headers = (
        (b"allow", plan.allow.encode()),
        (b"access-control-allow-origin", b"*"),
        (b"content-length", b"0"),
    )
    return Response(200, headers)


def respond_document(request: ApiRequest, body: bytes, config: RestConfig) -> Response:
    """The root document."""
    content = content_headers(request, "application/openapi+json; charset=utf-8", config)
    if request.method == "HEAD":
        return Response(200, content)
    return Response(200, (*content, (b"content-length", b"%d" % len(body))), body)


def respond_error(error: RestError, *, brief: bool = False) -> Response:
    """Any failure: JSON whatever was accepted; ``brief`` keeps details and hint back."""
    body = error.body(brief=brief)
    # A code may come from SQL of the user's: no line break of it may end the header block.
    code = "".join(char for char in error.code if char.isalnum())
    headers = (
        (b"content-type", JSON_TYPE),
        (b"content-length", b"%d" % len(body)),
        (b"proxy-status", f"PostgREST; error={code}".encode("ascii", "replace")),
    )
    own = {name.lower() for name, _ in error.headers}
    kept = tuple(header for header in headers if header[0] not in own)
    return Response(error.status, (*kept, *error.headers), body)


def _bytes_of(wanted: Format, result: Result) -> bytes:
    """Return the body as it goes out: binary ones come from Postgres as hexadecimal digits."""
    if wanted.body is Body.BYTES:
        return bytes.fromhex(result.body.decode("ascii"))
    return result.body


def _page(offset: int, result: Result) -> tuple[int, bytes]:
    """Return status and Content-Range of a page; raise PGRST103 beyond the last row."""
    total, page = result.total, result.page
    if total is not None and offset > total:
        raise offset_out_of_bounds(offset, total)
    shown = b"*" if total is None else b"%d" % total
    rows = b"%d-%d" % (offset, offset + page - 1) if page and total != 0 else b"*"
    partial = total is not None and page < total
    return 206 if partial else 200, rows + b"/" + shown


def _affected_range(request: ApiRequest, result: Result) -> bytes:
    shown = b"%d" % result.page if request.prefer.count in {"exact", "estimated"} else b"*"
    if request.action is Action.UPDATE and result.page:
        return b"0-%d/%s" % (result.page - 1, shown)
    return b"*/" + shown


def _mutation_status(request: ApiRequest, plan: MutatePlan, result: Result) -> int:
    inserted = result.inserted or 0
    if request.action is Action.INSERT:
        return 200 if plan.counts_inserted and inserted <= 0 else 201
    if not plan.represents:
        return 204
    return 201 if request.action is Action.UPSERT and inserted > 0 else 200


def _location(request: ApiRequest, plan: MutatePlan, result: Result) -> bytes | None:
    if not plan.location or result.location is None or result.page != 1:
        return None
    values = orjson.loads(result.location)
    pairs = (
        f"{quote(name, safe='')}=" + ("is.null" if value is None else f"eq.{quote(value, safe='')}")
        for name, value in zip(plan.location, values, strict=True)
    )
    return f"/{quote(request.target, safe=PATH_SAFE)}?{'&'.join(pairs)}".encode()


def _finish(status: int, headers: list[Header], result: Result, body: bytes | None) -> Response:
    """Return the response with what the database wanted otherwise; no body means no length."""
    if body is not None:
        headers.append((b"content-length", b"%d" % len(body)))
    headers.append(VARY)
    if result.status is not None:
        status = _status_guc(result.status)
    if result.headers is not None:
        own = _headers_guc(result.headers)
        names = {name for name, _ in own}
        headers = [header for header in headers if header[0] not in names] + own
    return Response(status, tuple(headers), body or b"")


def _status_guc(value: bytes) -> int:
    digits = value.split(b" ")[0]
    if not digits.isdigit() or not 100 <= int(digits) <= 999:
        raise bad_status_guc()
    return int(digits)


def _headers_guc(value: bytes) -> list[Header]:
    try:
        items = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise bad_headers_guc() from error
    if not isinstance(items, list):
        raise bad_headers_guc()
    headers = []
    for item in items:
        if not isinstance(item, dict) or len(item) != 1:
            raise bad_headers_guc()
        ((name, text),) = item.items()
        # A line break would let the database's text end the header block.
        if not isinstance(text, str) or not text.isprintable() or not name.isprintable():
            raise bad_headers_guc()
        headers.append((name.lower().encode("latin-1", "replace"), text.encode("utf-8")))
    return headers
