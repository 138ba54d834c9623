"""The dedicated connection on which Postgres judges who sees a change and makes its JSON.

The functions it calls are in ``sql/visibility.sql``.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from gavan.core.realtime.connection import Connection, read_sql
from gavan.core.realtime.pgoutput import Change, Relation
from gavan.core.realtime.subscriptions import Grouped, Wish

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Table:
    """A published table."""

    oid: int
    schema: str
    name: str
    has_identity: bool = field(default=True, compare=False)
    """Postgres lets its rows be changed and deleted while it is published"""


@dataclass(frozen=True, slots=True)
class Question:
    """Changes of one table and action; ``large`` tells which are too large to be told whole."""

    changes: tuple[Change, ...]
    large: tuple[bool, ...]

    @property
    def relation(self) -> Relation:
        """The table."""
        return self.changes[0].relation


@dataclass(frozen=True, slots=True)
class Delivery:
    """One payload of one change and the groups that get it, by number. Fields are JSON text."""

    change: int
    groups: tuple[int, ...]
    columns: str
    record: str
    old_record: str
    error: str | None


class Visibility:
    """Questions about subscriptions and changes."""

    def __init__(self, url: str) -> None:
        self._connection = Connection(url, "visibility.sql")

    @property
    def is_connected(self) -> bool:
        """The connection is open as far as this side knows."""
        return self._connection.is_open

    async def close(self) -> None:
        """Close the connection; the next call opens another."""
        await self._connection.close()

    async def tables(self) -> tuple[Table, ...]:
        """Return the tables of the publication; raise psycopg.Error."""
        rows = await self._connection.fetch(read_sql("tables.sql"), ())
        return tuple(Table(*row) for row in rows)

    async def check(self, relation: int, role: str, wish: Wish) -> None:
        """Raise psycopg.Error, with Postgres's own words, if the wish does not fit the table."""
        conditions = orjson.dumps([one.as_list() for one in wish.conditions]).decode()
        columns = orjson.dumps(wish.columns).decode() if wish.columns else None
        await self._connection.fetch(
            "select pg_temp.gavan_check(%s::oid, %s, %s::jsonb, %s::jsonb)",
            (relation, role, conditions, columns),
        )

    async def is_closed(self, relation: Relation) -> bool:
        """Say whether somebody holds, or waits for, a lock under which no row can be read."""
        rows = await self._connection.fetch(
            "select exists (select from pg_locks where relation = %s::oid"
            " and mode = 'AccessExclusiveLock' and database = ("
            "select oid from pg_database where datname = current_database()))",
            (relation.oid,),
        )
        return bool(rows[0][0])

    async def wait_for_commit(self, change: Change) -> None:
        """Return when the change can be fetched; raise psycopg.Error."""
        query = "select pg_temp.gavan_await(%s)"
        await self._connection.fetch(query, (change.transaction_id,))

    async def deliver(self, question: Question, grouped: Grouped) -> list[Delivery]:
        """Return who gets what, change after change; raise psycopg.Error."""
        changes = question.changes
        rows = await self._connection.fetch(
            "select number, members, columns, record, old_record, error"
            " from pg_temp.gavan_deliver(%s::oid, %s, %s::bigint[], %s::jsonb[], %s::jsonb[],"
            " %s::boolean[], %s::jsonb, %s::jsonb, %s::jsonb, %s::jsonb) order by number",
            (
                question.relation.oid,
                changes[0].action,
                list({change.transaction_id for change in changes}),
                [_json(change.new) for change in changes],
                [_json(change.old) for change in changes],
                list(question.large),
                grouped.conditions,
                grouped.viewers,
                grouped.shapes,
                grouped.groups,
            ),
        )
        return [Delivery(row[0], tuple(row[1]), *row[2:]) for row in rows]


def _json(values: Mapping[str, str | None]) -> str:
    # jsonb cannot hold U+0000, and neither can the text of a row.
    return orjson.dumps(values).decode()
