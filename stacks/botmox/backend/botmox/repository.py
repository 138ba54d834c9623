"""Rows of one table, as the caller may see them: the data API judges every call by its policies."""

from __future__ import annotations

from typing import Any, Protocol
from uuid import UUID

import httpx

from botmox.errors import ApiError

Row = dict[str, Any]
_REFUSALS = {
    "23505": (409, "conflict", "this exists already"),
    "23503": (422, "invalid", "it points to something that is not there"),
    "23514": (422, "invalid", "a value is outside what is allowed"),
    "42501": (403, "forbidden", "not yours to write"),
}


class Repository(Protocol):
    """One table. ``token`` is the caller's own; every method may raise ApiError."""

    async def page(self, token: str, *, limit: int, offset: int, **equal: str) -> list[Row]: ...

    async def get(self, token: str, row_id: UUID) -> Row: ...

    async def create(self, token: str, values: Row) -> Row: ...

    async def change(self, token: str, row_id: UUID, values: Row) -> Row: ...

    async def remove(self, token: str, row_id: UUID) -> Row: ...


class SupabaseRepository:
    """A table behind the data API of the core."""

    def __init__(self, core: httpx.AsyncClient, table: str) -> None:
        self._core = core
        self._path = f"/rest/v1/{table}"

    async def page(self, token: str, *, limit: int, offset: int, **equal: str) -> list[Row]:
        """Return rows, the newest first; ``equal`` are columns and what they must hold."""
        where = {name: f"eq.{value}" for name, value in equal.items()}
        page = {"order": "created_at.desc,id", "limit": str(limit), "offset": str(offset)}
        return await self._ask("GET", token, {**page, **where})

    async def get(self, token: str, row_id: UUID) -> Row:
        """Return a row; 404 when it is not there or not the caller's."""
        return _one(await self._ask("GET", token, {"id": f"eq.{row_id}"}))

    async def create(self, token: str, values: Row) -> Row:
        """Write a new row and return it."""
        return _one(await self._ask("POST", token, {}, values))

    async def change(self, token: str, row_id: UUID, values: Row) -> Row:
        """Change a row and return it; 404 as ``get``."""
        return _one(await self._ask("PATCH", token, {"id": f"eq.{row_id}"}, values))

    async def remove(self, token: str, row_id: UUID) -> Row:
        """Remove a row and return it; 404 as ``get``."""
        return _one(await self._ask("DELETE", token, {"id": f"eq.{row_id}"}))

    async def _ask(
        self, method: str, token: str, params: dict[str, str], values: Row | None = None
    ) -> list[Row]:
        headers = {"authorization": f"Bearer {token}", "prefer": "return=representation"}
        try:
            answer = await self._core.request(
                method, self._path, params=params, json=values, headers=headers
            )
        except httpx.HTTPError as error:
            raise ApiError(503, "unavailable", "the data API does not answer") from error
        if answer.is_success:
            rows: list[Row] = answer.json()
            return rows
        raise _refusal(answer)


def _one(rows: list[Row]) -> Row:
    if not rows:
        raise ApiError(404, "not_found", "there is nothing of this id")
    return rows[0]


def _refusal(answer: httpx.Response) -> ApiError:
    """Return the error of ours for one of the data API; what it says of tables stays here."""
    if answer.status_code == 401:
        return ApiError(401, "unauthorized", "the token is not valid, or no longer")
    try:
        code = answer.json().get("code")
    except ValueError:
        code = None
    if code in _REFUSALS:
        return ApiError(*_REFUSALS[code])
    return ApiError(502, "upstream", "the data API refused", {"status": answer.status_code})
