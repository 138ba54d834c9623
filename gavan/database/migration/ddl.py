"""Read how every object of a schema is made and removed, so that one database can become another.

Stands beside the catalogue, whose kinds and names it has; the query is ddl.sql over objects.sql.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gavan.database.migration.catalogue import OBJECTS, query_for
from gavan.database.migration.history import Connection

_QUERY = OBJECTS + (Path(__file__).parent / "ddl.sql").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A state of an object that statements lead to; ``ways`` are tried in their order."""

    key: str
    undo: str | None
    ways: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ddl:
    """How one object is made; ``create`` is None for what comes with another object."""

    parent: str | None
    create: str | None
    drop: str | None
    settings: Mapping[str, Setting]


def read_ddl(connection: Connection) -> Mapping[tuple[str, str], Ddl]:
    """Return (kind, name) -> how the object is made, for every object of the catalogue."""
    with connection.transaction():
        connection.execute("set local search_path to ''")
        rows = connection.execute(query_for(connection, _QUERY)).fetchall()
    return {
        (str(kind), str(name)): Ddl(
            parent=parent, create=create, drop=drop, settings=_settings(settings)
        )
        for kind, name, parent, create, drop, settings in rows
    }


def _settings(rows: Sequence[Sequence[str | None] | None] | None) -> Mapping[str, Setting]:
    found = [
        Setting(key=str(row[0]), undo=row[1], ways=[str(way) for way in row[2:]])
        for row in rows or ()
        if row is not None
    ]
    return {setting.key: setting for setting in found}
