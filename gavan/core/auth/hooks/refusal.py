"""How a hook says no, in either transport; pure."""

from __future__ import annotations

from typing import Any

import orjson

from gavan.core.auth.errors import AuthError

Output = dict[str, Any]


def unexpected(message: str) -> AuthError:
    """Return the answer for a hook that failed."""
    return AuthError(500, "unexpected_failure", message)


def output_of(body: bytes | str | None) -> Output:
    """Return what a hook answered.

    Raises:
        AuthError: the refusal ``{"error": {"http_code", "message"}}`` with its own status, 500
            for an answer that is no object.
    """
    if body is None or not body.strip():
        return {}
    try:
        output = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise unexpected("Error unmarshaling JSON output.") from error
    if output is None:
        return {}
    if not isinstance(output, dict):
        raise unexpected("Error unmarshaling JSON output.")
    _check(output.get("error"))
    return output


def _check(error: object) -> None:
    if not isinstance(error, dict):
        return
    message = error.get("message")
    if not isinstance(message, str) or not message:
        return
    status = error.get("http_code")
    if not isinstance(status, int) or isinstance(status, bool) or not 400 <= status < 600:
        status = 500
    raise AuthError(status, "unexpected_failure" if status == 500 else "unknown", message)
