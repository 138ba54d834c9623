"""Delete objects, one or many: the rows as the caller, COMMIT, then the bytes.

Upstream removes the bytes first (supabase/storage:src/storage/object.ts); a process that dies in
between leaves a row without bytes there, and bytes for the sweep here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gavan.core.storage.body import read_object
from gavan.core.storage.caller import Caller
from gavan.core.storage.commons import Commons
from gavan.core.storage.errors import access_denied, invalid_body, no_such_key
from gavan.core.storage.finish import carry_through
from gavan.core.storage.rules import check_bucket_name
from gavan.core.storage.store import Queries
from gavan.database.session import Rows

BATCH = 500
_queries = Queries(Path(__file__).parent / "objects.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletingEdge:
    """The endpoints by which objects go."""

    commons: Commons

    def routes(self) -> list[Route]:
        """Return the routes; the last one takes any path."""
        return [
            Route("/object/{bucket}", self.delete_many, methods=["DELETE"]),
            Route("/object/{bucket}/{name:path}", self.delete, methods=["DELETE"]),
        ]

    async def delete(self, request: Request) -> Response:
        """Delete one object: 404 when there is none, 403 when the policies keep it."""
        caller = self.commons.caller(request)
        bucket_id, name = request.path_params["bucket"], request.path_params["name"]
        check_bucket_name(bucket_id)
        deleted = await self._delete(caller, "storage.object.delete", bucket_id, [name])
        if not deleted:
            found = await self._is_there(bucket_id, name)
            raise access_denied() if found else no_such_key()
        return JSONResponse({"message": "Successfully deleted"})

    async def delete_many(self, request: Request) -> Response:
        """Delete what the policies let go of the named objects; answer their rows."""
        caller = self.commons.caller(request)
        bucket_id = request.path_params["bucket"]
        names = _names(await read_object(request))
        check_bucket_name(bucket_id)
        deleted = []
        for start in range(0, len(names), BATCH):
            batch = names[start : start + BATCH]
            operation = "storage.object.delete_many"
            deleted += await self._delete(caller, operation, bucket_id, batch)
        return Response(orjson.dumps(deleted), media_type="application/json")

    async def _delete(
        self, caller: Caller, operation: str, bucket_id: str, names: list[str]
    ) -> list[dict[str, Any]]:
        statement = _queries("delete", bucket_id, _possible(names))

        async def delete() -> list[dict[str, Any]]:
            rows = await self.commons.store.as_caller(caller, operation, statement)
            deleted = _documents(rows)
            await self.commons.uploads.forget([row["version"] for row in deleted])
            return deleted

        return await carry_through(delete())

    async def _is_there(self, bucket_id: str, name: str) -> bool:
        statement = _queries("is_there", bucket_id, _possible([name]))
        return bool((await self.commons.store.as_owner(statement)).values)


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


def _possible(names: list[str]) -> list[str]:
    return [name for name in names if "\0" not in name]  # Postgres has no such text


def _documents(rows: Rows) -> list[dict[str, Any]]:
    document: list[dict[str, Any]] = orjson.loads(rows.values[0][0] or b"[]")
    return document
