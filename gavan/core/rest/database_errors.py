"""SQLSTATE to HTTP status, and the errors that SQL code raises for HTTP (contract 7.4)."""

from __future__ import annotations

from typing import Any

import orjson

from gavan.core.rest.errors import RestError
from gavan.database.session import CONNECTION_FAILURE, CONNECTION_REFUSED, DatabaseError

RAISED = "PGRST"
INSUFFICIENT_PRIVILEGE = "42501"
EXACT = {
    "23503": 409,
    "23505": 409,
    "25006": 405,
    "53400": 500,
    "57P01": 503,
    "P0001": 400,
    "42883": 404,
    "42P01": 404,
    "42P17": 500,
    "42501": 403,
}
BY_CLASS = {
    "08": 503,
    "09": 500,
    "0L": 403,
    "0P": 403,
    "25": 500,
    "28": 403,
    "2D": 500,
    "38": 500,
    "39": 500,
    "3B": 500,
    "40": 500,
    "53": 503,
    "54": 500,
    "55": 500,
    "57": 500,
    "58": 500,
    "F0": 500,
    "HV": 500,
    "P0": 500,
    "XX": 500,
}


def status_of(sqlstate: str, message: str) -> int:
    """Return the HTTP status of an error; 42501 as somebody who is known."""
    if sqlstate == "21000":
        return 400 if message.endswith("requires a WHERE clause") else 500
    if sqlstate == "22023":
        return 401 if message.startswith("role") and message.endswith("does not exist") else 400
    if sqlstate == "42883" and message.startswith("function xmlagg("):
        return 406
    if sqlstate.startswith("PT"):
        digits = sqlstate[2:]
        return int(digits) if digits.isdecimal() and 100 <= int(digits) <= 999 else 500
    return EXACT.get(sqlstate) or BY_CLASS.get(sqlstate[:2], 400)


def database_error(error: DatabaseError, retry_after: int, *, is_anonymous: bool) -> RestError:
    """Return the wire error.

    Args:
        retry_after: seconds, for the errors that pass by themselves.
        is_anonymous: a lack of privileges is then a lack of identity (401).
    """
    if error.sqlstate in {CONNECTION_FAILURE, CONNECTION_REFUSED}:
        return _unreachable(error, retry_after)
    if error.sqlstate == RAISED:
        return _raised(error)
    status = status_of(error.sqlstate, error.message)
    if error.sqlstate == INSUFFICIENT_PRIVILEGE and is_anonymous:
        status = 401
    headers: tuple[tuple[bytes, bytes], ...] = ()
    if status == 401:
        headers = ((b"www-authenticate", b"Bearer"),)
    elif status == 503:
        headers = ((b"retry-after", b"%d" % retry_after),)
    return RestError(
        error.sqlstate,
        error.message,
        status=status,
        details=error.details,
        hint=error.hint,
        headers=headers,
    )


def _unreachable(error: DatabaseError, retry_after: int) -> RestError:
    return RestError(
        "PGRST000",
        "Database connection error.",
        status=503,
        details=error.details,
        headers=((b"retry-after", b"%d" % retry_after),),
    )


def _raised(error: DatabaseError) -> RestError:
    """Return the answer that ``RAISE SQLSTATE 'PGRST'`` spells out in MESSAGE and DETAIL."""
    body = _object(error.message)
    if body is None or not all(isinstance(body.get(key), str) for key in ("code", "message")):
        return _malformed(f"Invalid JSON value for MESSAGE: '{error.message}'", _MESSAGE_RULE)
    if error.details is None:
        return _malformed("DETAIL is missing in the RAISE statement", _DETAIL_RULE)
    detail = _object(error.details)
    if detail is None or not _is_complete(detail):
        return _malformed(f"Invalid JSON value for DETAIL: '{error.details}'", _DETAIL_RULE)
    return RestError(
        body["code"],
        body["message"],
        status=detail["status"],
        details=body.get("details"),
        hint=body.get("hint"),
        headers=[
            (name.encode("latin-1", "replace"), value.encode("latin-1", "replace"))
            for name, value in detail["headers"].items()
        ],
    )


def _is_complete(detail: dict[str, Any]) -> bool:
    status, headers = detail.get("status"), detail.get("headers")
    if not isinstance(status, int) or not 100 <= status <= 999 or not isinstance(headers, dict):
        return False
    return all(
        isinstance(value, str) and name.isprintable() and value.isprintable()
        for name, value in headers.items()
    )


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


_MESSAGE_RULE = (
    "MESSAGE must be a JSON object with obligatory keys: 'code', 'message' and optional keys:"
    " 'details', 'hint'."
)
_DETAIL_RULE = (
    "DETAIL must be a JSON object with obligatory keys: 'status', 'headers' and optional key:"
    " 'status_text'."
)


def _malformed(details: str, hint: str) -> RestError:
    return RestError(
        "PGRST121",
        "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error",
        status=500,
        details=details,
        hint=hint,
    )
