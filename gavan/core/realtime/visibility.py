"""The dedicated connection on which Postgres judges who sees a change and makes its JSON.

The functions it calls are in ``sql/visibility.sql``.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import orjson
import psycopg

from gavan.core.realtime.connection import Connection, read_sql
from gavan.core.realtime.pgoutput import Change
from gavan.core.realtime.subscriptions import Grouped, Wish

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Table:
    """A published table."""

    oid: int
    schema: str
    name: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One payload and the groups (by number) that get it. Fields are JSON text."""

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

    async def deliver(self, change: Change, grouped: Grouped, *, large: bool) -> list[Delivery]:
        """Return who gets what of one change.

        A call that fails or takes too long is split, so that one bad filter or policy costs only
        its own group. Raises psycopg.OperationalError when the connection is lost.
        """
        groups: list[list[object]] = orjson.loads(grouped.groups)
        try:
            return await self._deliver(change, grouped, grouped.groups, large)
        except psycopg.Error as error:
            if not self.is_connected:
                raise
            log.warning("change_split", extra={"why": str(error), "groups": len(groups)})
        deliveries = []
        for number in range(len(groups)):
            deliveries += await self._deliver_one(change, grouped, number, large)
        return deliveries

    async def _deliver_one(
        self, change: Change, grouped: Grouped, number: int, large: bool
    ) -> list[Delivery]:
        condition, viewer, shape = orjson.loads(grouped.groups)[number]
        alone = Grouped(
            _only(grouped.conditions, condition),
            _only(grouped.viewers, viewer),
            _only(grouped.shapes, shape),
            orjson.dumps([[None if condition is None else 0, 0, 0]]).decode(),
        )
        try:
            found = await self._deliver(change, alone, alone.groups, large)
        except psycopg.Error as error:
            if not self.is_connected:
                raise
            log.warning("change_not_judged", extra={"why": str(error)})
            return []
        return [
            Delivery((number,), one.columns, one.record, one.old_record, one.error) for one in found
        ]

    async def _deliver(
        self, change: Change, grouped: Grouped, groups: str, large: bool
    ) -> list[Delivery]:
        rows = await self._connection.fetch(
            "select members, columns, record, old_record, error from pg_temp.gavan_deliver("
            "%s::oid, %s, %s, %s::jsonb, %s::jsonb, %s,"
            " %s::jsonb, %s::jsonb, %s::jsonb, %s::jsonb)",
            (
                change.relation.oid,
                change.action,
                change.transaction_id,
                _json(change.new),
                _json(change.old),
                large,
                grouped.conditions,
                grouped.viewers,
                grouped.shapes,
                groups,
            ),
        )
        return [Delivery(tuple(row[0]), *row[1:]) for row in rows]


def _json(values: Mapping[str, str | None]) -> str:
    # jsonb cannot hold U+0000, and neither can the text of a row.
    return orjson.dumps(values).decode()


def _only(values: str, number: int | None) -> str:
    return "[]" if number is None else orjson.dumps([orjson.loads(values)[number]]).decode()
