"""Ask the catalogue and build the snapshot; the only place that knows its rows.

Asked for by ``schema_watch.py``; no request ever waits for this.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from importlib.resources import files
from sys import intern
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
    Representation,
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
# The thread that builds gives up its turn this often; by itself Python ends a turn after 5 ms, for
# which every request would wait.
ROWS_PER_TURN = 16
# PostgreSQL 14 cannot grant parameters yet, and does not know the function that would tell.
PARAMETER_PRIVILEGES = 150000
HAS_PARAMETER_PRIVILEGE = b"has_parameter_privilege(current_user, split_part(item, '=', 1), 'SET')"

logger = logging.getLogger(__name__)


async def load_snapshot(
    connection: AsyncConnection[Any], base: RestConfig, known: Snapshot | None = None
) -> Snapshot:
    """Return configuration and schema cache as the database has them now; ``known`` if unchanged.

    Raises psycopg.Error; the connection is in autocommit mode and left without a transaction.
    """
    await connection.execute(BEGIN)
    try:
        own = await _ask(connection, "settings")
        settings = orjson.loads(own[0])
        config = await _config(connection, base, settings)
        await connection.execute(SEARCH_PATH)
        exposed = list(config.schemas)
        found = {
            "tables": await _ask(connection, "tables", exposed),
            "keys": await _ask(connection, "keys"),
            "routines": await _ask(connection, "routines", exposed, list(config.hoisted_settings)),
            "representations": await _ask(connection, "representations"),
            "media": await _ask(connection, "media", exposed),
            "computed": await _ask(connection, "computed"),
            "keyed": await _ask(connection, "keyed"),
            "views": await _ask(connection, "views", [*exposed, *config.extra_search_path]),
        }
    finally:
        await connection.execute("rollback")
    source = hash((*own, *(tuple(texts) for texts in found.values())))
    if known is not None and known.source == source:
        return known if known.config == config else replace(known, config=config)
    with _undisturbed():
        cache = await asyncio.to_thread(build_cache, found, config.schemas, settings["comments"])
    return Snapshot(config, cache, source)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep the garbage collector from walking a hundred thousand new objects, now and later.

    Each walk stops every request for 20 to 50 ms in a database of a thousand tables. What is loaded
    has no cycles: counting references is enough to be rid of it.
    """
    gc.collect(1)
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


def build_cache(
    found: Mapping[str, list[str]], schemas: Sequence[str], comments: Mapping[str, str | None]
) -> SchemaCache:
    """Return the cache of what the catalogue queries found; keys are their names.

    Runs in a thread while requests go on. Takes the rows away as it reads them, so that text and
    cache are never both in memory whole.
    """
    tables = {table.name: table for table in map(_table, _taken(found["tables"]))}
    if looks := _representations(_taken(found["representations"])):
        tables = {name: _represented(table, looks) for name, table in tables.items()}
    keyed = list(_taken(found["keyed"]))
    shown = shown_columns(view_columns(_taken(found["views"])), keyed)
    for name, primary_key in view_primary_keys(shown, keyed).items():
        if name in tables:
            tables[name] = replace(tables[name], primary_key=primary_key)
    keys = list(map(_key, _taken(found["keys"])))
    computed = list(map(_computed, _taken(found["computed"])))
    return SchemaCache(
        tables=tables,
        relationships=build_relationships(tables, keys, computed, shown, schemas),
        routines=_routines(_taken(found["routines"])),
        medias=_medias(_taken(found["media"])),
        comments=comments,
    )


def _taken(texts: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows in their order and let go of their texts."""
    texts.reverse()
    while texts:
        for _ in range(min(len(texts), ROWS_PER_TURN)):
            yield orjson.loads(texts.pop())
        time.sleep(0)


async def _ask(connection: AsyncConnection[Any], name: str, *values: Sequence[str]) -> list[str]:
    query = _query(name)
    if connection.info.server_version < PARAMETER_PRIVILEGES:
        query = query.replace(HAS_PARAMETER_PRIVILEGE, b"false")
    async with AsyncRawCursor(connection) as cursor:
        await cursor.execute(query, values)
        return [row[0] for row in await cursor.fetchall()]


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
        (text,) = await _ask(connection, "pre_config", sorted(IN_DATABASE))
    except OperationalError:
        raise
    except Error as error:
        await connection.execute("rollback to savepoint pre_config")
        logger.warning("db-pre-config failed: %s", error, extra={"event": "config.ignored"})
        return {}
    found: dict[str, str] = orjson.loads(text)
    return found


def _table(row: Mapping[str, Any]) -> Table:
    columns = [_column(*item) for item in row["columns"]]
    return Table(
        name=Name(intern(row["schema"]), intern(row["name"])),
        columns={column.name: column for column in columns},
        primary_key=tuple(map(intern, row["primary_key"])),
        is_view=row["is_view"],
        insertable=row["insertable"],
        updatable=row["updatable"],
        deletable=row["deletable"],
        comment=row["comment"],
    )


def _column(name: str, declared: str, base: str, nullable: bool, *more: Any) -> Column:
    default, max_length, enum, comment = more
    # A thousand tables have twenty thousand columns, but few different names and types.
    return Column(
        name=intern(name),
        type=intern(declared),
        base_type=intern(base),
        nullable=nullable,
        default=intern(default) if default is not None else None,
        max_length=max_length,
        enum=tuple(enum),
        comment=comment,
    )


def _key(row: Mapping[str, Any]) -> ForeignKey:
    return ForeignKey(
        constraint=row["constraint"],
        table=Name(intern(row["schema"]), intern(row["table"])),
        foreign=Name(intern(row["foreign_schema"]), intern(row["foreign_table"])),
        columns=tuple((intern(near), intern(far)) for near, far in row["columns"]),
        one_to_one=row["one_to_one"],
    )


def _computed(row: Mapping[str, Any]) -> ComputedRelationship:
    return ComputedRelationship(
        table=Name(row["schema"], row["table"]),
        foreign=Name(row["foreign_schema"], row["foreign_table"]),
        function=Name(row["function_schema"], row["function"]),
        to_one=row["to_one"],
    )


def _representations(rows: Iterable[Mapping[str, Any]]) -> dict[str, Representation]:
    """Return the looks of domains by the name that columns call them."""
    ways: dict[str, dict[str, Name]] = {}
    for row in rows:
        ways.setdefault(row["domain"], {})[row["way"]] = Name(row["schema"], row["function"])
    return {domain: Representation(**found) for domain, found in ways.items()}


def _represented(table: Table, looks: Mapping[str, Representation]) -> Table:
    columns = table.columns.values()
    found = {column.name: looks[column.type] for column in columns if column.type in looks}
    return replace(table, represented=found) if found else table


def _medias(rows: Iterable[Mapping[str, Any]]) -> dict[Name | None, dict[str, Media]]:
    found: dict[Name | None, dict[str, Media]] = {}
    for row in rows:
        relation = Name(row["relation_schema"], row["relation"]) if row["relation"] else None
        made_by = Name(row["schema"], row["function"])
        media = Media(row["media_type"], row["is_binary"], made_by, relation)
        found.setdefault(relation, {})[media.name] = media
    return found


def _routines(rows: Iterable[Mapping[str, Any]]) -> dict[Name, tuple[Routine, ...]]:
    found: dict[Name, list[Routine]] = {}
    for row in rows:
        routine = _routine(row)
        found.setdefault(routine.name, []).append(routine)
    return {name: tuple(sorted(items, key=_place)) for name, items in found.items()}


def _place(routine: Routine) -> tuple[object, ...]:
    """Return the sort key of upstream's list of overloads, which an ambiguous call shows."""
    parameters = tuple((item.name, item.type) for item in routine.parameters)
    return (len(parameters), routine.comment is not None, routine.comment or "", parameters)


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
