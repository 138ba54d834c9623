"""Changes of rows, from the replication stream to the channels that asked for them.

The source brings them in commit order; subscribers come and go beside it. Whenever a stream begins,
every subscriber hears ``Subscribed to PostgreSQL`` again: what was committed in between is lost to
it, so it should fetch anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress

import orjson
import psycopg

from gavan.core.realtime.codec import Framed, Message, UserBroadcast, Version, encode, framed
from gavan.core.realtime.judge import Judge
from gavan.core.realtime.limits import Limits
from gavan.core.realtime.pgoutput import Change, Relation
from gavan.core.realtime.quota import Quota, Share
from gavan.core.realtime.rooms import RoomKey
from gavan.core.realtime.source import RETRY_FIRST_S, RETRY_LAST_S
from gavan.core.realtime.subscriptions import (
    Entry,
    Grouped,
    Index,
    Subscriber,
    SubscriptionError,
    Wish,
    read_wish,
)
from gavan.core.realtime.visibility import Delivery, Question, Table, Visibility
from gavan.database.identifier import quote_identifier

log = logging.getLogger(__name__)

EXTENSION = "postgres_changes"
SUBSCRIBED = "Subscribed to PostgreSQL"
IDENTITY = "replica_identity"
"""Extension of a message of ours: under the usual ones clients would take it for another"""


class Changes:
    """The stream of one database and its subscribers.

    Args:
        url: supabase_realtime_admin.
        limits: sizes and times.
        relay: takes a broadcast that the database sends.
    """

    def __init__(
        self, url: str, limits: Limits, relay: Callable[[RoomKey, UserBroadcast], None]
    ) -> None:
        self._limits = limits
        self._relay = relay
        self._index = Index()
        self._visibility = Visibility(url)
        self._judge = Judge(self._visibility)
        self._subscribers: set[Subscriber] = set()
        self._tables: tuple[Table, ...] = ()
        self._frozen: dict[int, Table] = {}
        """Tables whose rows cannot be changed while they are published"""
        self._is_behind = False
        self.announce: Callable[[Iterable[int]], Awaitable[None]] = _tell_nobody
        """Called before anybody is told that changes of these tables come from now on"""
        self._refresher: asyncio.Task[None] | None = None
        self._joining: dict[Subscriber, asyncio.Task[None]] = {}
        # The tables and what everybody follows of them change together: a table that one join
        # has just met must not pass for known while the others do not follow it yet.
        self._activating = asyncio.Lock()
        self._streaming = False
        self._quota = Quota(limits.changes_per_transaction)
        self._fetched_transaction = 0
        self._fetched: set[Subscriber] = set()

    @property
    def is_streaming(self) -> bool:
        """Changes flow."""
        return self._streaming

    @property
    def tables(self) -> Iterable[int]:
        """Oids of the tables that somebody listens to."""
        return self._index.relations

    def subscribe(self, subscriber: Subscriber) -> None:
        """Serve what the subscriber wants, now or as soon as there is a stream; call again after
        its access changed. The outcome is a system message."""
        self._subscribers.add(subscriber)
        if self._streaming:
            self._begin_join(subscriber)

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Forget a subscriber."""
        self._subscribers.discard(subscriber)
        self._index.drop(subscriber)
        joining = self._joining.pop(subscriber, None)
        if joining is not None:
            joining.cancel()

    async def stop(self) -> None:
        """End what was begun, and the connection."""
        tasks = [*self._joining.values(), *([self._refresher] if self._refresher else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._visibility.close()

    # Subscribers.

    def _begin_join(self, subscriber: Subscriber) -> None:
        earlier = self._joining.pop(subscriber, None)
        if earlier is not None:
            earlier.cancel()
        task = asyncio.create_task(self._join(subscriber))
        self._joining[subscriber] = task
        task.add_done_callback(lambda _: self._end_join(subscriber, task))

    def _end_join(self, subscriber: Subscriber, task: asyncio.Task[None]) -> None:
        if self._joining.get(subscriber) is task:
            del self._joining[subscriber]
        if not task.cancelled() and task.exception() is not None:
            log.error("subscription_failed", exc_info=task.exception())

    async def _join(self, subscriber: Subscriber) -> None:
        pause_s = RETRY_FIRST_S
        while self._streaming:  # else it is served with everybody, as soon as there is a stream
            try:
                async with self._activating:
                    if await self._refresh_tables():
                        await self._activate_everybody()
                    else:
                        await self._activate(subscriber)
            except psycopg.OperationalError as error:
                log.warning("subscription_waits", extra={"why": str(error), "retry_s": pause_s})
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, RETRY_LAST_S)
            else:
                return

    async def _activate(self, subscriber: Subscriber) -> None:
        try:
            entries = await self._entries(subscriber)
        except SubscriptionError as error:
            self._index.drop(subscriber)
            subscriber.system("error", str(error), EXTENSION)
            return
        if subscriber in self._subscribers:
            self._index.put(subscriber, entries)
            await self.announce(entry.relation for entry in entries)
            if not self._streaming:
                return  # what it would be told is no longer so
            subscriber.system("ok", SUBSCRIBED, EXTENSION)
            for oid in sorted({entry.relation for entry in entries} & self._frozen.keys()):
                # Never as an error: clients would leave the channel.
                subscriber.system("ok", _frozen(self._frozen[oid]), IDENTITY)

    async def _entries(self, subscriber: Subscriber) -> list[Entry]:
        access = subscriber.access
        if access is None:
            return []
        entries: list[Entry] = []
        for wanted in subscriber.wanted:
            wish = read_wish(wanted)
            tables = [table for table in self._tables if wish.covers(table.schema, table.name)]
            if not tables:
                raise SubscriptionError(
                    "Unable to subscribe to changes with given parameters. Please check Realtime is"
                    f" enabled for the given connect parameters: {wish.described}"
                )
            for table in tables:
                await self._check(table, access.role, wish)
                entries.append(Entry(subscriber, wish, table.oid, access.role, access.claims_json))
        return entries

    async def _check(self, table: Table, role: str, wish: Wish) -> None:
        try:
            await self._visibility.check(table.oid, role, wish)
        except psycopg.Error as error:
            if not self._visibility.is_connected:
                raise
            raise SubscriptionError(
                "Unable to subscribe to changes with given parameters. An exception happened so"
                f" please check your connect parameters: {wish.described}. Exception:"
                f" {error.diag.message_primary or error}"
            ) from error

    async def _refresh_tables(self) -> bool:
        """Say whether anybody's subscription may mean other tables than it did."""
        tables = await self._visibility.tables()
        self._is_behind |= set(tables) != set(self._tables)
        self._tables = tables
        known, self._frozen = self._frozen, {one.oid: one for one in tables if not one.has_identity}
        for oid in self._frozen.keys() - known.keys():
            log.warning("table_not_writable", extra={"why": _frozen(self._frozen[oid])})
        return self._is_behind

    async def _activate_all(self) -> None:
        async with self._activating:
            await self._refresh_tables()
            await self._activate_everybody()

    async def _activate_everybody(self) -> None:
        for subscriber in tuple(self._subscribers):
            await self._activate(subscriber)
        self._is_behind = False

    # What the source brings.

    async def begin(self) -> None:
        """Everybody is subscribed anew; see Sink."""
        self._streaming = True
        await self._activate_all()
        self._end_refresher()
        self._refresher = asyncio.create_task(self._refresh_regularly())

    async def lose(self) -> None:
        """See Sink."""
        self._streaming = False
        self._end_refresher()
        # A connection to the same server has most likely gone too: find out now, not later.
        with suppress(psycopg.Error):
            await self._visibility.close()

    async def meet(self, relation: Relation) -> None:
        """A table is new in the publication or has a new name: other wishes may mean it now."""
        if relation.is_message or not self._subscribers:
            return
        async with self._activating:
            known = Table(relation.oid, relation.schema, relation.name) in self._tables
        if not known:
            await self._activate_all()

    def wants(self, relation: Relation, action: str) -> bool:
        """See Sink."""
        if relation.is_message:
            return action == "INSERT"
        return self._index.wants(relation.oid, action)

    async def take(self, changes: Sequence[Change]) -> int:
        """See Sink."""
        if changes[0].relation.is_message:
            for change in changes:
                said = _said(change, self._limits.broadcast_bytes)
                if said is not None:
                    self._relay(*said)
            return len(changes)
        return await self._dispatch(changes[: self._judge.together])

    def _end_refresher(self) -> None:
        if self._refresher is not None:
            self._refresher.cancel()

    async def _refresh_regularly(self) -> None:
        while True:
            await asyncio.sleep(self._limits.publication_refresh_s)
            with suppress(psycopg.Error):
                async with self._activating:
                    if self._subscribers and await self._refresh_tables():
                        await self._activate_everybody()

    async def _dispatch(self, changes: Sequence[Change]) -> int:
        relation, action = changes[0].relation, changes[0].action
        shares = [self._quota.share(change) for change in changes]
        told = [number for number, share in enumerate(shares) if share is Share.ROW]
        grouped = self._index.lookup(relation.oid, action)
        if told and grouped is not None:
            together = [changes[number] for number in told]
            if not await self._tell(together, grouped):
                for number in told:
                    try:
                        await self._tell([changes[number]], grouped)
                    except psycopg.Error:
                        if number == told[0]:
                            raise
                        return number  # what was sent must not come again
        if Share.LIMIT in shares:
            self._cut(relation)
        return len(changes)

    async def _tell(self, changes: Sequence[Change], grouped: Grouped) -> bool:
        """Send changes to those who see them; False if they must be told one by one."""
        most = self._limits.change_bytes
        large = tuple(change.size_bytes > most for change in changes)
        judgement = await self._judge.judge(Question(tuple(changes), large), grouped)
        if judgement is None:
            return False
        for delivery in judgement.deliveries:
            self._send(changes[delivery.change], delivery, grouped.members)
        if judgement.unjudged:
            entries = (entry for number in judgement.unjudged for entry in grouped.members[number])
            self._have_fetched(changes[-1], {entry.subscriber for entry in entries})
        return True

    def _have_fetched(self, change: Change, subscribers: set[Subscriber]) -> None:
        """Nobody can say whether they see the row: have them fetch, once for a transaction."""
        if change.transaction_id != self._fetched_transaction:
            self._fetched_transaction = change.transaction_id
            self._fetched.clear()
        for subscriber in subscribers - self._fetched:
            if subscriber in self._subscribers:
                subscriber.system("ok", SUBSCRIBED, EXTENSION)
        self._fetched |= subscribers

    def _cut(self, relation: Relation) -> None:
        """The transaction is too large to be told row by row: have subscribers fetch anew."""
        log.warning("transaction_too_large", extra={"table": relation.name})
        for subscriber in self._index.subscribers(relation.oid):
            subscriber.system("ok", SUBSCRIBED, EXTENSION)

    def _send(self, change: Change, delivery: Delivery, members: list[list[Entry]]) -> None:
        ids: dict[Subscriber, list[int]] = {}
        for group in delivery.groups:
            for entry in members[group]:
                if entry.subscriber in self._subscribers:
                    ids.setdefault(entry.subscriber, []).append(entry.wish.id)
        data = _data(change, delivery)
        frames: dict[tuple[Version, str, tuple[int, ...]], Framed] = {}
        for subscriber, wanted in ids.items():
            key = (subscriber.version, subscriber.topic, tuple(dict.fromkeys(wanted)))
            if key not in frames:
                payload = {"ids": key[2], "data": orjson.Fragment(data)}
                message = Message(None, None, subscriber.topic, EXTENSION, payload)
                frames[key] = framed(encode(subscriber.version, message))
            subscriber.send(frames[key])


async def _tell_nobody(_tables: Iterable[int]) -> None:
    """Without other processes there is nobody to tell."""


def _said(change: Change, most_bytes: int) -> tuple[RoomKey, UserBroadcast] | None:
    """Return what the database says by a row of messages, and to whom; None for what it cannot."""
    row = change.new
    topic, event, private = row.get("topic"), row.get("event"), row.get("private")
    body = row.get("payload")
    is_json = body is not None
    if not is_json:
        body = row.get("binary_payload")
    if topic is None or event is None or private is None or body is None:
        log.warning("unable_to_broadcast_changes", extra={"topic": topic})
        return None
    content = body.encode() if is_json else bytes.fromhex(body.removeprefix("\\x"))
    if len(content) > most_bytes:
        log.warning("broadcast_too_large", extra={"topic": topic})
        return None
    message_id = row.get("id")
    broadcast = UserBroadcast(event, content, is_json, orjson.dumps({"id": message_id}), message_id)
    return RoomKey(private == "t", topic), broadcast


def _frozen(table: Table) -> str:
    name = f"{quote_identifier(table.schema)}.{quote_identifier(table.name)}"
    return (
        f"UPDATE and DELETE of {name} fail: it is published and has no replica identity. Give it a"
        f" primary key, or say: alter table {name} replica identity full"
    )


def _data(change: Change, delivery: Delivery) -> bytes:
    error = delivery.error
    is_refusal = error is not None and not error.startswith("Error 413")
    data: dict[str, object] = {
        "schema": change.relation.schema,
        "table": change.relation.name,
        "type": change.action,
        "commit_timestamp": None if is_refusal else change.committed_at,
        "columns": orjson.Fragment(delivery.columns),
        "errors": [error] if error else None,
    }
    if change.action != "DELETE":
        data["record"] = orjson.Fragment(delivery.record)
    if change.action != "INSERT":
        data["old_record"] = orjson.Fragment(delivery.old_record)
    return orjson.dumps(data)
