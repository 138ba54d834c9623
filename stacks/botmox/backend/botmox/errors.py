"""The one form of every error: code, message, details, request id, time (contract 12.6)."""

from __future__ import annotations

import logging
import re
import uuid
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)
_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_CODES = {401: "unauthorized", 403: "forbidden", 404: "not_found", 405: "method_not_allowed"}


class ApiError(Exception):
    """A failure that the caller may know: status, code, message, details."""

    def __init__(self, status: int, code: str, message: str, details: Any = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details


class RequestIds:
    """Give every request an id, the caller's own where it is one, and answer with it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"x-request-id", b"")
        request_id = given if _ID.fullmatch(given) else uuid.uuid4().hex.encode()
        scope["request_id"] = request_id.decode()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
            await send(message)

        await self._app(scope, receive, answer)


def add_error_form(app: FastAPI) -> None:
    """Make the app answer every failure in this form."""
    app.add_middleware(RequestIds)
    app.add_exception_handler(ApiError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unknown)


async def _known(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)  # noqa: S101 - registered for it
    return _answer(request, error)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    details = [{"where": ".".join(map(str, one["loc"])), "problem": one["msg"]}
               for one in error.errors()]  # fmt: skip
    return _answer(request, ApiError(422, "invalid", "the request is not valid", details))


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    code = _CODES.get(error.status_code, "http")
    return _answer(request, ApiError(error.status_code, code, str(error.detail)))


async def _unknown(request: Request, error: Exception) -> JSONResponse:
    log.error("request %s failed", request.scope.get("request_id"), exc_info=error)
    return _answer(request, ApiError(500, "internal", "something went wrong here"))


def _answer(request: Request, error: ApiError) -> JSONResponse:
    body = {
        "code": error.code,
        "message": error.message,
        "details": jsonable_encoder(error.details),
        "request_id": request.scope.get("request_id", ""),
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    return JSONResponse({"error": body}, error.status)
