"""Buckets with what they hold, read in the database; stands under the verb `storage buckets`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from psycopg import errors

from gavan.cli.context import Context
from gavan.cli.database import reach
from gavan.cli.storage.declared import declared_buckets
from gavan.database.access import OWNER
from gavan.database.migration.lock import connect
from gavan.database.queries import load_queries
from gavan.kit.errors import GavanError

_QUERY = load_queries(Path(__file__).parent / "buckets.sql")["buckets"]


def list_buckets(context: Context) -> list[dict[str, Any]]:
    """Return every bucket with its settings, count and bytes.

    Raises:
        GavanError: GV321, no server; GV322, no schema storage yet.
    """
    stack, access = reach(context)
    declared = declared_buckets(stack)
    with connect(access.url(OWNER), "buckets") as connection:
        try:
            rows = connection.execute(_QUERY.encode()).fetchall()
        except errors.UndefinedTable as error:
            raise GavanError(
                "GV322",
                "the database has no schema storage",
                hint="gavan up, or gavan migrate up",
            ) from error
    return [
        {
            "id": name,
            "public": public,
            "file_size_limit": limit,
            "allowed_mime_types": types,
            "objects": objects,
            "bytes": size,
            "declared": name in declared,
        }
        for name, public, limit, types, objects, size in rows
    ]
