"""The routes of one domain: list, read, write, change, remove."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from botmox.caller import Token
from botmox.domains import Domain
from botmox.repository import Repository, Row

Limit = Annotated[int, Query(ge=1, le=200)]
Offset = Annotated[int, Query(ge=0)]


def domain_router(domain: Domain, rows: Repository) -> APIRouter:
    """Return the routes below ``/api/v1/<domain>``."""
    router = APIRouter(prefix=f"/api/v1/{domain.name}", tags=[domain.name])

    @router.get("")
    async def read_all(token: Token, limit: Limit = 50, offset: Offset = 0) -> list[Row]:
        return await rows.page(token, limit=limit, offset=offset)

    @router.post("", status_code=201)
    async def create(token: Token, body: dict[str, Any]) -> Row:
        return await rows.create(token, _checked(domain, body, partly=False))

    @router.get("/{row_id}")
    async def read(token: Token, row_id: UUID) -> Row:
        return await rows.get(token, row_id)

    @router.patch("/{row_id}")
    async def change(token: Token, row_id: UUID, body: dict[str, Any]) -> Row:
        return await rows.change(token, row_id, _checked(domain, body, partly=True))

    @router.delete("/{row_id}", status_code=204)
    async def remove(token: Token, row_id: UUID) -> None:
        await rows.remove(token, row_id)

    return router


def _checked(domain: Domain, body: dict[str, Any], *, partly: bool) -> Row:
    try:
        return domain.values(body, partly=partly)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error
