"""Delete objects, one or many: the rows as the caller, COMMIT, then the bytes.

Upstream removes the bytes first (supabase/storage:src/storage/object.ts); a process that dies in
between leaves a row without bytes there, and bytes for the sweep here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gavan.core.storage.body import read_object
from gavan.core.storage.caller import Origin
from gavan.core.storage.commons import Commons
from gavan.core.storage.errors import access_denied, invalid_body, no_such_key
from gavan.core.storage.finish import carry_through
from gavan.core.storage.paths import OBJECT
from gavan.core.storage.rules import check_bucket_name
from gavan.core.storage.store import Queries
from gavan.core.storage.uploads.uploads import Judge
from gavan.core.storage.webhooks.events import Event, Subject, removed, told_metadata
from gavan.database.session import Rows

BATCH = 500
MOST_TOLD_BYTES = 8 * 1024 * 1024
_queries = Queries(Path(__file__).parent / "objects.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletingEdge:
    """The endpoints by which objects go."""

    commons: Commons

    def routes(self) -> list[Route]:
        """Return the routes; the last one takes any path."""
        return [
            Route("/object/{bucket}", self.delete_many, methods=["DELETE"]),
            Route(f"/object/{OBJECT}", self.delete, methods=["DELETE"]),
        ]

    async def delete(self, request: Request) -> Response:
        """Delete one object: 404 when there is none, 403 when the policies keep it."""
        caller = self.commons.caller(request)
        bucket_id, name = request.path_params["bucket"], request.path_params["name"]
        check_bucket_name(bucket_id)
        judge = Judge(caller=caller, operation="storage.object.delete")
        deleted, kept = await delete_settled(self.commons, judge, bucket_id, [name])
        if not deleted:
            raise access_denied() if kept else no_such_key()
        return JSONResponse({"message": "Successfully deleted"})

    async def delete_many(self, request: Request) -> Response:
        """Delete what the policies let go of the named objects; answer their rows."""
        caller = self.commons.caller(request)
        bucket_id = request.path_params["bucket"]
        names = _names(await read_object(request))
        check_bucket_name(bucket_id)
        judge = Judge(caller=caller, operation="storage.object.delete_many")
        deleted = await delete_objects(self.commons, judge, bucket_id, names)
        body = b"[" + b",".join(row.document for row in deleted) + b"]"
        return Response(body, media_type="application/json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """A row that went; ``document`` is all of it as JSON, as it is answered."""

    name: str
    version: str
    document: bytes


async def delete_objects(
    commons: Commons, judge: Judge, bucket_id: str, names: Sequence[str]
) -> list[Deleted]:
    """Delete what the policies let go of the named objects; return their rows.

    What users say of their objects may be a megabyte each: beyond ``MOST_TOLD_BYTES`` the rows come
    without their metadata.
    """
    deleted: list[Deleted] = []
    left = MOST_TOLD_BYTES
    for start in range(0, len(names), BATCH):
        batch = _possible(names[start : start + BATCH])
        gone = await carry_through(_delete(commons, judge, (bucket_id, batch, max(0, left))))
        left -= sum(len(row.document) for row in gone)
        deleted += gone
    return deleted


async def delete_settled(
    commons: Commons, judge: Judge, bucket_id: str, names: Sequence[str]
) -> tuple[list[Deleted], set[str]]:
    """Delete as ``delete_objects``; return the rows, and the names that the policies keep.

    A name that is there afterwards may have come just now: only what was there before and after,
    a policy keeps.
    """
    deleted: list[Deleted] = []
    kept: set[str] = set()
    former: dict[str, str] = {}
    left = list(names)
    while left:
        rows = await delete_objects(commons, judge, bucket_id, left)
        deleted += rows
        left = [name for name in left if name not in {row.name for row in rows}]
        there = await _versions(commons, bucket_id, left) if left else {}
        kept |= {name for name, version in there.items() if former.get(name) == version}
        left = [name for name in there if name not in kept]
        former = there
    return deleted, kept


async def _versions(commons: Commons, bucket_id: str, names: Sequence[str]) -> dict[str, str]:
    """Return the versions of the named objects that there are, whoever asks."""
    rows = await commons.store.as_owner(_queries("there", bucket_id, _possible(names)))
    return {(name or b"").decode(): (version or b"").decode() for name, version in rows.values}


async def _delete(
    commons: Commons, judge: Judge, wanted: tuple[str, list[str], int]
) -> list[Deleted]:
    statement = _queries("delete", *wanted)
    note = commons.webhooks.noting(
        lambda rows: [[_told(row, wanted[0], judge.caller.origin)] for row in _deleted(rows)]
    )
    rows = await commons.store.as_caller(judge.caller, judge.operation, statement, check=note)
    commons.webhooks.tell()
    deleted = _deleted(rows)
    await commons.uploads.forget([row.version for row in deleted])
    return deleted


def _deleted(rows: Rows) -> list[Deleted]:
    return [
        Deleted(name=(name or b"").decode(), version=(version or b"").decode(), document=row or b"")
        for name, version, row in rows.values
    ]


def _told(row: Deleted, bucket_id: str, origin: Origin) -> Event:
    """Return what a webhook is told of an object that went."""
    metadata = (told_metadata(row.document) or {}).get("metadata")
    subject = Subject(bucket_id=bucket_id, name=row.name, version=row.version, metadata=metadata)
    return removed("Delete", subject, origin)


def _names(body: dict[str, Any]) -> list[str]:
    names = body.get("prefixes")
    if names is None:
        raise invalid_body("body must have required property 'prefixes'")
    if not isinstance(names, list):
        raise invalid_body("body/prefixes must be array")
    if not names:
        raise invalid_body("body/prefixes must NOT have fewer than 1 items")
    for number, name in enumerate(names):
        if not isinstance(name, str):
            raise invalid_body(f"body/prefixes/{number} must be string")
    return names


def _possible(names: Sequence[str]) -> list[str]:
    return [name for name in names if "\0" not in name]  # Postgres has no such text
