"""Read what a schema consists of, object by object, so that two databases can be compared.

Stands beside the runner; the query is catalogue.sql over objects.sql.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from gavan.database.migration.history import Connection

_HERE = Path(__file__).parent
OBJECTS = (_HERE / "objects.sql").read_text(encoding="utf-8")
_QUERY = OBJECTS + (_HERE / "catalogue.sql").read_text(encoding="utf-8")
# PostgreSQL 15: a publication may say which rows.
_ROW_FILTERS = 150_000

Schema = Mapping[tuple[str, str], str]
"""(kind, name) -> definition."""


class Change(StrEnum):
    EXTRA = "extra"
    GONE = "gone"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One object that is not as it should be; the definitions are None where it is not there."""

    change: Change
    kind: str
    name: str
    wanted: str | None
    found: str | None

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.change}"


def query_for(connection: Connection, query: str) -> bytes:
    """Return a query of the catalogue as the major of a server knows it."""
    has_rows = connection.info.server_version >= _ROW_FILTERS
    return (query if has_rows else query.replace("pr.prqual", "null::pg_node_tree")).encode()


def read_schema(connection: Connection) -> Schema:
    """Return every object of the schemas that are not Postgres' own."""
    with connection.transaction():
        # Without a search path every name in a definition carries its schema.
        connection.execute("set local search_path to ''")
        rows = connection.execute(query_for(connection, _QUERY)).fetchall()
    return {(str(kind), str(name)): str(definition or "") for kind, name, definition in rows}


def compare_schemas(wanted: Schema, found: Schema) -> list[Difference]:
    """Return what differs, by kind and name; empty when the schemas are equal."""
    return [
        Difference(
            change=_change(wanted.get(key), found.get(key)),
            kind=key[0],
            name=key[1],
            wanted=wanted.get(key),
            found=found.get(key),
        )
        for key in sorted({*wanted, *found})
        if wanted.get(key) != found.get(key)
    ]


def _change(wanted: str | None, found: str | None) -> Change:
    if wanted is None:
        return Change.EXTRA
    return Change.GONE if found is None else Change.DIFFERENT
