"""The dedicated connection on which Postgres judges who sees a change and makes its JSON.

The functions it calls are in ``sql/visibility.sql``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import orjson
import psycopg

from gavan.core.realtime.connection import Connection, read_sql
from gavan.core.realtime.pgoutput import Change
from gavan.core.realtime.subscriptions import Grouped, Wish

log = logging.getLogger(__name__)

JUDGE_S = 5.0
"""How long one change that makes trouble may hold up the next"""


@dataclass(frozen=True, slots=True)
class Table:
    """A published table."""

    oid: int
    schema: str
    name: str
    has_identity: bool = field(default=True, compare=False)
    """Postgres lets its rows be changed and deleted while it is published"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One payload and the groups (by number) that get it. Fields are JSON text."""

    groups: tuple[int, ...]
    columns: str
    record: str
    old_record: str
    error: str | None


@dataclass(frozen=True, slots=True)
class Judgement:
    """Who gets what, and the groups (by number) for whom nobody could say."""

    deliveries: Sequence[Delivery]
    unjudged: Sequence[int]


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

    async def judge(self, change: Change, grouped: Grouped, *, large: bool) -> Judgement:
        """Return who gets what of one change.

        A call that fails or takes too long is split, so that one bad filter or policy costs only
        its own group; a group that fails alone, or has no turn within JUDGE_S, is not judged.
        Raises psycopg.OperationalError when the connection is lost.
        """
        try:
            return Judgement(await self._deliver(change, grouped, grouped.groups, large), ())
        except psycopg.Error as error:
            if not self.is_connected:
                raise
            log.warning("change_split", extra=_why(change, error))
        groups: list[list[object]] = orjson.loads(grouped.groups)
        deadline = time.monotonic() + JUDGE_S
        deliveries: list[Delivery] = []
        unjudged = []
        for number, group in enumerate(groups):
            found = None
            if time.monotonic() < deadline:
                found = await self._deliver_one(change, grouped, group, large)
            if found is None:
                unjudged.append(number)
            else:
                deliveries += (replace(one, groups=(number,)) for one in found)
        if unjudged:
            await self._wait_for_commit(change)
        return Judgement(deliveries, tuple(unjudged))

    async def _deliver_one(
        self, change: Change, grouped: Grouped, group: list[object], large: bool
    ) -> list[Delivery] | None:
        try:
            return await self._deliver(change, grouped, orjson.dumps([group]).decode(), large)
        except psycopg.Error as error:
            if not self.is_connected:
                raise
            log.warning("change_not_judged", extra=_why(change, error))
            return None

    async def _wait_for_commit(self, change: Change) -> None:
        """Return when the change can be fetched."""
        try:
            query = "select pg_temp.gavan_await(%s)"
            await self._connection.fetch(query, (change.transaction_id,))
        except psycopg.Error:
            if not self.is_connected:
                raise

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


def _why(change: Change, error: psycopg.Error) -> dict[str, object]:
    # Not the whole error: its context may hold the row.
    table = f"{change.relation.schema}.{change.relation.name}"
    return {"table": table, "sqlstate": error.sqlstate, "why": error.diag.message_primary}
