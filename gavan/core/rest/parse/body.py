"""Request bodies: JSON is looked at for its keys only and goes to Postgres as it came."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from urllib.parse import parse_qsl

import orjson

from gavan.core.rest.errors import RestError, invalid_body
from gavan.core.rest.parse.accept import MediaType

CSV = "text/csv"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
RAW_ARGUMENTS = {
    "text/plain": "text",
    "text/xml": "xml",
    "application/octet-stream": "bytea",
}
"""Content types that feed a single unnamed parameter of that type"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """A body for Postgres.

    ``keys`` sorted; ``is_array`` tells json_to_record from json_to_recordset; ``is_empty`` is a
    body without rows; ``pairs`` are the fields of a form.
    """

    raw: bytes
    keys: tuple[str, ...] = ()
    is_array: bool = False
    is_empty: bool = False
    pairs: tuple[tuple[str, str], ...] = ()


def table_payload(raw: bytes, media: MediaType, columns: tuple[str, ...] | None) -> Payload:
    """Return the rows of a mutation; raise PGRST102.

    With ``columns`` a JSON body is not inspected: Postgres finds its faults.
    """
    if media.name == CSV:
        return _csv_payload(raw, columns)
    if media.name == FORM:
        fields = dict(_form(raw))
        keys = columns if columns is not None else tuple(sorted(fields))
        return Payload(raw=orjson.dumps(fields), keys=keys)
    if media.name != JSON:
        raise invalid_body(f"Content-Type not acceptable: {media}")
    if columns is not None:
        return Payload(raw=raw, keys=columns, is_array=_looks_like_array(raw))
    return _json_payload(raw)


def call_payload(raw: bytes, media: MediaType, columns: tuple[str, ...] | None) -> Payload:
    """Return the arguments of a function call; raise PGRST102."""
    if media.name in RAW_ARGUMENTS:
        return Payload(raw=raw)
    if media.name == FORM:
        pairs = tuple(_form(raw))
        return Payload(raw=raw, keys=tuple(sorted({key for key, _ in pairs})), pairs=pairs)
    if media.name == CSV:
        return _csv_payload(raw, columns)
    if media.name != JSON:
        raise invalid_body(f"Content-Type not acceptable: {media}")
    if not raw.strip():
        return Payload(raw=b"{}", keys=columns or ())
    if columns is not None:
        return Payload(raw=raw, keys=columns, is_array=_looks_like_array(raw))
    return _json_payload(raw)


def _looks_like_array(raw: bytes) -> bool:
    # As upstream: what does not begin like an object is for Postgres to refuse as an array.
    return raw.lstrip()[:1] != b"{"


def _json_payload(raw: bytes) -> Payload:
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise invalid_body("Empty or invalid json") from error
    if isinstance(value, dict):
        return Payload(raw=raw, keys=tuple(sorted(value)))
    if not isinstance(value, list) or not value:
        return Payload(raw=b"[]", is_array=True, is_empty=True)
    first = value[0]
    if not isinstance(first, dict):
        raise _keys_differ()
    keys = first.keys()
    if not all(isinstance(item, dict) and item.keys() == keys for item in value):
        raise _keys_differ()
    return Payload(raw=raw, keys=tuple(sorted(keys)), is_array=True)


def _keys_differ() -> RestError:
    return invalid_body("All object keys must match")


def _csv_payload(raw: bytes, columns: tuple[str, ...] | None) -> Payload:
    if not raw:
        raise invalid_body('parse error (not enough input) at ""')
    text = raw.decode("utf-8", "replace")
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error as error:
        raise invalid_body(str(error)) from error
    if len(rows) < 2:
        return Payload(raw=b"[]", is_array=True, is_empty=True)
    header = rows[0]
    if any(len(row) != len(header) for row in rows):
        raise invalid_body("All lines must have same number of fields")
    items = [
        {name: None if cell == "NULL" else cell for name, cell in zip(header, row, strict=True)}
        for row in rows[1:]
    ]
    keys = columns if columns is not None else tuple(sorted(set(header)))
    return Payload(raw=orjson.dumps(items), keys=keys, is_array=True)


def _form(raw: bytes) -> list[tuple[str, str]]:
    text = raw.decode("utf-8", "replace")
    return parse_qsl(text, keep_blank_values=True, errors="replace")
