"""Ask the catalogue and build the snapshot; the only place that knows its rows.

The connection is the listener's (``schema_watch.py``); no request ever waits for this.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

import orjson
from psycopg import AsyncConnection, AsyncRawCursor, Error, OperationalError

from gavan.core.rest.config import RestConfig, overlay
from gavan.core.rest.options import IN_DATABASE
from gavan.core.rest.plan.build import Snapshot
from gavan.core.rest.relationships import ForeignKey, build_relationships
from gavan.core.rest.schema_cache import (
    Column,
    ComputedRelationship,
    Media,
    Name,
    Parameter,
    Returns,
    Routine,
    SchemaCache,
    Table,
)
from gavan.core.rest.view_keys import shown_columns, view_columns, view_primary_keys

# Voids the search path so that every type and default comes with its schema; one transaction, so
# that the parts fit together.
BEGIN = "begin isolation level repeatable read, read only"
SEARCH_PATH = "set local search_path = ''"

logger = logging.getLogger(__name__)


async def load_snapshot(connection: AsyncConnection[Any], base: RestConfig) -> Snapshot:
    """Return configuration and schema cache as the database has them now.

    Raises psycopg.Error; the connection is in autocommit mode and left without a transaction.
    """
    await connection.execute(BEGIN)
    try:
        settings = orjson.loads(await _ask(connection, "settings"))
        config = await _config(connection, base, settings)
        await connection.execute(SEARCH_PATH)
        exposed = list(config.schemas)
        found = {
            "tables": await _ask(connection, "tables", exposed),
            "keys": await _ask(connection, "keys"),
            "routines": await _ask(connection, "routines", exposed, list(config.hoisted_settings)),
            "computed": await _ask(connection, "computed"),
            "keyed": await _ask(connection, "keyed"),
            "views": await _ask(connection, "views", [*exposed, *config.extra_search_path]),
        }
    finally:
        await connection.execute("rollback")
    # The rules of many views are megabytes of text: requests go on while a thread reads them.
    cache = await asyncio.to_thread(build_cache, found, config.schemas, settings["comments"])
    return Snapshot(config, cache)


def build_cache(
    found: Mapping[str, str], schemas: Sequence[str], comments: Mapping[str, str | None]
) -> SchemaCache:
    """Return the cache of what the catalogue queries found; keys are their names."""
    rows = {name: orjson.loads(text) for name, text in found.items()}
    tables = _tables(rows["tables"])
    shown = shown_columns(view_columns(rows["views"]), rows["keyed"])
    for name, primary_key in view_primary_keys(shown, rows["keyed"]).items():
        if name in tables:
            tables[name] = replace(tables[name], primary_key=primary_key)
    keys = [_key(row) for row in rows["keys"]]
    computed = [_computed(row) for row in rows["computed"]]
    return SchemaCache(
        tables=tables,
        relationships=build_relationships(tables, keys, computed, shown, schemas),
        routines=_routines(rows["routines"]),
        comments=comments,
    )


async def _ask(connection: AsyncConnection[Any], name: str, *values: Sequence[str]) -> str:
    async with AsyncRawCursor(connection) as cursor:
        await cursor.execute(_query(name), values)
        row = await cursor.fetchone()
    return row[0] if row else "[]"


@cache
def _query(name: str) -> bytes:
    return files("gavan.core.rest.sql").joinpath(f"catalogue/{name}.sql").read_bytes()


async def _config(
    connection: AsyncConnection[Any], base: RestConfig, settings: Mapping[str, Any]
) -> RestConfig:
    by_role: dict[str, list[tuple[str, str]]] = {}
    for role, name, value in settings["roles"]:
        by_role.setdefault(role, []).append((name, value))
    config = base
    if base.in_database:
        own: Mapping[str, str] = settings["own"]
        config = overlay(base, own)
        if config.pre_config is not None:
            config = overlay(base, {**await _pre_configured(connection, config.pre_config), **own})
    return replace(config, role_settings={role: tuple(found) for role, found in by_role.items()})


async def _pre_configured(connection: AsyncConnection[Any], call: str) -> dict[str, str]:
    """Return the settings that a function of the user's makes; none of a function that fails."""
    await connection.execute("savepoint pre_config")
    try:
        await connection.execute(call.encode())
        found: dict[str, str] = orjson.loads(
            await _ask(connection, "pre_config", sorted(IN_DATABASE))
        )
    except OperationalError:
        raise
    except Error as error:
        await connection.execute("rollback to savepoint pre_config")
        logger.warning("db-pre-config failed: %s", error, extra={"event": "config.ignored"})
        return {}
    return found


def _tables(rows: Sequence[Mapping[str, Any]]) -> dict[Name, Table]:
    return {table.name: table for table in map(_table, rows)}


def _table(row: Mapping[str, Any]) -> Table:
    columns = [_column(item) for item in row["columns"]]
    return Table(
        name=Name(row["schema"], row["name"]),
        columns={column.name: column for column in columns},
        primary_key=tuple(row["primary_key"]),
        is_view=row["is_view"],
        insertable=row["insertable"],
        updatable=row["updatable"],
        deletable=row["deletable"],
        comment=row["comment"],
    )


def _column(row: Mapping[str, Any]) -> Column:
    return Column(
        name=row["name"],
        type=row["type"],
        base_type=row["base_type"],
        nullable=row["nullable"],
        default=row["default"],
        max_length=row["max_length"],
        enum=tuple(row["enum"] or ()),
        comment=row["comment"],
    )


def _key(row: Mapping[str, Any]) -> ForeignKey:
    return ForeignKey(
        constraint=row["constraint"],
        table=Name(row["schema"], row["table"]),
        foreign=Name(row["foreign_schema"], row["foreign_table"]),
        columns=tuple((near, far) for near, far in row["columns"]),
        one_to_one=row["one_to_one"],
    )


def _computed(row: Mapping[str, Any]) -> ComputedRelationship:
    return ComputedRelationship(
        table=Name(row["schema"], row["table"]),
        foreign=Name(row["foreign_schema"], row["foreign_table"]),
        function=Name(row["function_schema"], row["function"]),
        to_one=row["to_one"],
    )


def _routines(rows: Sequence[Mapping[str, Any]]) -> dict[Name, tuple[Routine, ...]]:
    found: dict[Name, list[Routine]] = {}
    for row in rows:
        routine = _routine(row)
        found.setdefault(routine.name, []).append(routine)
    return {
        name: tuple(sorted(items, key=lambda item: len(item.parameters)))
        for name, items in found.items()
    }


def _routine(row: Mapping[str, Any]) -> Routine:
    settings = tuple((name, value) for name, value in row["settings"])
    isolation = dict(settings).get("default_transaction_isolation")
    return Routine(
        name=Name(row["schema"], row["name"]),
        parameters=tuple(Parameter(**item) for item in row["parameters"]),
        returns=Returns(row["returns"]),
        returns_set=row["returns_set"],
        return_type=row["return_type"],
        relation=Name(row["relation_schema"], row["relation"]) if row["relation"] else None,
        volatility=row["volatility"],
        isolation=isolation,
        settings=tuple(pair for pair in settings if pair[0] != "default_transaction_isolation"),
        media=Media(row["media_type"], row["is_binary"]) if row["media_type"] else None,
        comment=row["comment"],
    )
