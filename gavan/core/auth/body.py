"""Read a JSON body field by field; what does not fit is a refusal that names the field."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
from starlette.requests import Request

from gavan.core.auth.errors import AuthError

BODY_BYTES = 1024 * 1024
LEVELS = 100
"""Nesting that is taken: metadata is written as JSON again, by writers that are recursive."""


class Body:
    """A JSON object whose fields are asked for by type."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields

    def text(self, name: str) -> str:
        """Return a text, empty when absent or null."""
        return self.optional_text(name) or ""

    def optional_text(self, name: str) -> str | None:
        """Return a text, None when absent or null."""
        value = self._fields.get(name)
        if value is not None and not isinstance(value, str):
            raise _bad_json(f"{name} must be a string")
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return a switch, the default when absent or null."""
        value = self._fields.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise _bad_json(f"{name} must be true or false")
        return value

    def optional_flag(self, name: str) -> bool | None:
        """Return a switch, None when absent or null."""
        return None if self._fields.get(name) is None else self.flag(name)

    def texts(self, name: str) -> list[str] | None:
        """Return a list of texts, None when absent or null."""
        value = self._fields.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise _bad_json(f"{name} must be a list of strings")
        return value

    def mapping(self, name: str) -> dict[str, Any] | None:
        """Return an object, None when absent or null."""
        value = self._fields.get(name)
        if value is not None and not isinstance(value, dict):
            raise _bad_json(f"{name} must be an object")
        return value


async def read_body(request: Request) -> Body:
    """Return the JSON body whatever its content type says, as upstream does.

    Raises:
        AuthError: 400 ``bad_json``, 413 ``request_entity_too_large`` over 1 MiB.
    """
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > BODY_BYTES:
            raise AuthError(413, "request_entity_too_large", "Request body is over 1 MiB")
        chunks.append(chunk)
    try:
        fields = orjson.loads(b"".join(chunks) or b"{}")
    except orjson.JSONDecodeError as error:
        raise _bad_json(str(error)) from error
    if not isinstance(fields, dict):
        raise _bad_json("an object is expected")
    _check_storable(fields)
    return Body(fields)


def _check_storable(fields: dict[str, Any]) -> None:
    level: list[object] = [fields]
    for _ in range(LEVELS):
        if any(isinstance(item, str) and "\0" in item for item in level):
            raise _bad_json("the character NUL cannot be stored")
        level = [inner for item in level for inner in _contents(item)]
        if not level:
            return
    raise _bad_json(f"nested deeper than {LEVELS} levels")


def _contents(value: object) -> Iterable[object]:
    match value:
        case list():
            return value
        case dict():
            return (*value, *value.values())
        case _:
            return ()


def _bad_json(reason: str) -> AuthError:
    return AuthError(400, "bad_json", f"Could not parse request body as JSON: {reason}")
