"""Errors of the auth service and their two wire shapes, chosen by X-Supabase-Api-Version."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import psycopg
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gavan.kit.errors import GavanError

API_VERSION = "2024-01-01"
VERSION_HEADER = "X-Supabase-Api-Version"
PUBLIC_STATES = frozenset({"P0001", "23000", "23001", "23502", "23503", "23505", "23514", "23P01"})
_OWN_STATUS = re.compile(r"PT[2-5][0-9]{2}")
UNEXPECTED = "Unexpected failure, please check server logs for more information"


class AuthError(GavanError):
    """A refusal with GoTrue's code.

    ``extra`` is added to the body as it stands, ``retry_after_s`` becomes the Retry-After header.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        extra: dict[str, Any] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(code, message, status=status)
        self.extra = extra or {}
        self.retry_after_s = retry_after_s


class OAuthError(AuthError):
    """A refusal in the words of OAuth 2.0, whatever version of the API was asked for."""

    def __init__(self, word: str, description: str) -> None:
        super().__init__(400, word, description)


def invalid_credentials() -> AuthError:
    """Return the one answer for an unknown user and a wrong password."""
    return AuthError(400, "invalid_credentials", "Invalid login credentials")


def validation_failed(message: str, *, status: int = 400) -> AuthError:
    """Return a refusal of the input itself."""
    return AuthError(status, "validation_failed", message)


def no_authorization() -> AuthError:
    """Return the answer for a missing bearer."""
    return AuthError(401, "no_authorization", "This endpoint requires a valid Bearer token")


def bad_jwt(reason: str) -> AuthError:
    """Return the answer for a bearer that does not verify."""
    return AuthError(403, "bad_jwt", f"invalid JWT: unable to parse or verify signature, {reason}")


def database_error(action: str) -> AuthError:
    """Return the answer when Postgres, often a trigger of the user's, refused a change."""
    return AuthError(500, "unexpected_failure", f"Database error {action}")


def render(request: Request, error: AuthError) -> Response:
    """Return the response in the shape the client asked for."""
    if isinstance(error, OAuthError):
        words = {"error": error.code, "error_description": error.message}
        return JSONResponse(words, status_code=error.status)
    headers = {"x-sb-error-code": error.code}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    if _is_current(request.headers.get(VERSION_HEADER, "")):
        return JSONResponse(
            {"code": error.code, "message": error.message, **error.extra},
            status_code=error.status,
            headers=headers | {VERSION_HEADER: API_VERSION},
        )
    raised = _raised(error.__cause__)
    if raised is not None:
        status, told = raised
        return JSONResponse(told, status_code=status, headers=headers)
    body: dict[str, Any] = {"code": error.status, "error_code": error.code, "msg": error.message}
    if error.status >= 500:
        body["error_id"] = request.scope.get("gavan.request_id", "")
    return JSONResponse(body | error.extra, status_code=error.status, headers=headers)


def _raised(cause: BaseException | None) -> tuple[int, dict[str, Any]] | None:
    """Return what a trigger or a constraint of the stack says, for clients without a version.

    A SQLSTATE ``PTxyz`` names its HTTP status itself, as with the data API (supabase/auth:
    internal/utilities/postgres.go).
    """
    state = (cause.sqlstate or "") if isinstance(cause, psycopg.Error) else ""
    if not isinstance(cause, psycopg.Error) or not (
        state in PUBLIC_STATES or _OWN_STATUS.fullmatch(state)
    ):
        return None
    diag = cause.diag
    told = {"code": state, "message": diag.message_primary or ""}
    if diag.message_hint:
        told["hint"] = diag.message_hint
    if diag.message_detail:
        told["detail"] = diag.message_detail
    return (500 if state in PUBLIC_STATES else int(state[2:])), told


def _is_current(version: str) -> bool:
    try:
        return date.fromisoformat(version) >= date.fromisoformat(API_VERSION)
    except ValueError:
        return False
