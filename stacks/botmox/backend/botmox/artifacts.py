"""Artifacts and installers: a row says whose they are, a signed URL carries the bytes."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from botmox.caller import Token
from botmox.domains import Input
from botmox.errors import ApiError
from botmox.repository import Repository, Row
from botmox.routes import Limit, Offset
from botmox.storage import StorageProvider

MOST_BYTES = 1024**3


class NewArtifact(Input):
    kind: Literal["artifacts", "installers"]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    size: Annotated[int, Field(ge=0, le=MOST_BYTES)]
    content_type: Annotated[str, Field(pattern=r"^[\w.+-]+/[\w.+-]+$", max_length=100)] = (
        "application/octet-stream"
    )


class Upload(BaseModel):
    """A new row, and where to PUT its bytes with this content type."""

    artifact: Row
    url: str
    content_type: str


class Download(BaseModel):
    url: str


def artifact_router(rows: Repository, storage: StorageProvider) -> APIRouter:
    """Return the routes below ``/api/v1/artifacts``."""
    router = APIRouter(prefix="/api/v1/artifacts", tags=["artifacts"])

    @router.get("")
    async def read_all(token: Token, limit: Limit = 50, offset: Offset = 0) -> list[Row]:
        return await rows.page(token, limit=limit, offset=offset, ready="true")

    @router.post("", status_code=201)
    async def begin(token: Token, new: NewArtifact) -> Upload:
        row = await rows.create(token, new.model_dump())
        url = storage.upload_url(row["object_key"], new.content_type)
        return Upload(artifact=row, url=url, content_type=new.content_type)

    @router.post("/{row_id}/complete")
    async def complete(token: Token, row_id: UUID) -> Row:
        row = await rows.get(token, row_id)
        found = await storage.size(row["object_key"])
        if found != row["size"]:
            details = {"expected": row["size"], "found": found}
            raise ApiError(409, "incomplete", "the bytes are not all there", details)
        return await rows.change(token, row_id, {"ready": True})

    @router.get("/{row_id}/download")
    async def download(token: Token, row_id: UUID) -> Download:
        row = await rows.get(token, row_id)
        return Download(url=storage.download_url(row["object_key"], row["name"]))

    @router.delete("/{row_id}", status_code=204)
    async def remove(token: Token, row_id: UUID) -> None:
        row = await rows.get(token, row_id)
        await storage.remove(row["object_key"])
        await rows.remove(token, row_id)

    return router
