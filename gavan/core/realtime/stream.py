"""Logical replication from Postgres through ``psycopg.pq``: a slot, read as it fills.

A temporary slot lives as long as its connection: nothing can fill the disk, and changes of a gap
are lost, which is why subscribers are told when a new stream has begun (contract realtime.md 14.3).
A durable one keeps them, as far as ``max_slot_wal_keep_size`` of the server lets it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import struct
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import DiagnosticField, ExecStatus
from psycopg.pq.abc import PGresult

from gavan.core.realtime.connection import CONNECT_TIMEOUT_S, LASTING, connect
from gavan.core.realtime.pgoutput import POSTGRES_EPOCH
from gavan.core.realtime.slots import PREFIX

log = logging.getLogger(__name__)

PUBLICATIONS = "supabase_realtime,supabase_realtime_messages_publication"
FEEDBACK_S = 1.0
NUDGE_S = 0.02
"""So long after what was read the server is asked to look again; see ``_nudge``"""
SILENT_S = 60.0
"""So long after its last word a server that was asked all the time is gone"""
# The text of values depends on the session: clients get one form, wherever the server stands.
SESSION = (
    "-c timezone=UTC -c datestyle=ISO -c intervalstyle=postgres -c extra_float_digits=3"
    " -c statement_timeout=0 -c wal_sender_timeout=60s" + LASTING
)
# A publication that is missing is no error for the server, it sends nothing: what the service needs
# for itself is made again, as upstream does; the tables of the other one are the user's to name.
PUBLISH_MESSAGES = """
do $$ begin
    if to_regclass('realtime.messages') is not null and not exists (
        select from pg_publication as made
        join pg_publication_rel as part on part.prpubid = made.oid
        where made.pubname = 'supabase_realtime_messages_publication'
            and part.prrelid = 'realtime.messages'::regclass
    ) then
        drop publication if exists supabase_realtime_messages_publication;
        create publication supabase_realtime_messages_publication for table realtime.messages;
    end if;
end $$
"""
_ENVELOPE_BYTES = 25
KEEPALIVE = ord("k")
_EPOCH_S = POSTGRES_EPOCH.timestamp()


class StreamBroken(Exception):
    """The stream ended; open a new one."""


class SlotExists(StreamBroken):
    """The durable slot was made before."""


class SlotLost(StreamBroken):
    """The server has removed WAL that the durable slot would need."""


_REFUSALS = {"42710": SlotExists, "55000": SlotLost}


class Stream:
    """One replication connection. Open it, read until it breaks, close it."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], slot: str | None = None) -> None:
        self._connection = connection
        self._pgconn = connection.pgconn
        self._slot = slot
        self.is_new = True
        """Nothing from before its opening is in the slot"""
        self._confirmed_lsn = 0
        self._feeding: asyncio.Task[None] | None = None
        self._nudging: asyncio.TimerHandle | None = None
        self._ready: asyncio.Future[None] | None = None

    @classmethod
    async def open(cls, url: str, slot: str | None = None) -> Stream:
        """Connect and start to stream; raise psycopg.Error or StreamBroken.

        Whatever commits after this returns is read, and from a durable slot what it has kept.

        Args:
            slot: name of a durable one, made when it is missing; None for a temporary one.
        """
        conninfo = make_conninfo(
            url,
            replication="database",
            application_name="gavan realtime stream",
            connect_timeout=CONNECT_TIMEOUT_S,
            options=SESSION,
        )
        stream = cls(await connect(conninfo), slot)
        try:
            await stream._start()
        except BaseException:
            stream.close()
            raise
        return stream

    def close(self) -> None:
        """End the connection; the slot goes with it."""
        if self._feeding is not None:
            self._feeding.cancel()
        if self._nudging is not None:
            self._nudging.cancel()
        self._pgconn.finish()

    def confirm(self, lsn: int) -> None:
        """Everything up to this position is dispatched; a durable slot is told at once."""
        self._confirmed_lsn = max(self._confirmed_lsn, lsn)
        if self._slot is not None:
            self._feed_back()

    async def read(self) -> AsyncIterator[bytes | None]:
        """Yield the plugin's messages, and None where there is no other for now: what was yielded
        before must be dispatched then. Raise StreamBroken when the connection ends."""
        while True:
            size, data = self._pgconn.get_copy_data(1)
            if size > 0 and data[0] == KEEPALIVE:
                yield None
                self._take_keepalive(bytes(data))
            elif size > 0:
                yield bytes(data[_ENVELOPE_BYTES:])
            elif size < 0:
                raise StreamBroken(self._pgconn.get_error_message().strip() or "stream ended")
            else:
                yield None
                self._nudge_later()
                try:
                    async with asyncio.timeout(SILENT_S):
                        await self._readable()
                except TimeoutError as error:
                    raise StreamBroken("the server is silent") from error
                self._consume()

    def _take_keepalive(self, data: bytes) -> None:
        (wal_end,) = struct.unpack_from("!q", data, 1)
        # Messages come in order, so everything before a keepalive has been dispatched.
        self.confirm(wal_end)
        if data[17]:
            self._feed_back()

    async def _start(self) -> None:
        self._pgconn.nonblocking = 1
        await self._command(PUBLISH_MESSAGES, ExecStatus.COMMAND_OK)
        if self._slot is None:
            slot = PREFIX + secrets.token_hex(4)
            await self._create(f"{slot} TEMPORARY")
            await self._begin(slot)
            return
        try:
            await self._create(self._slot)
        except SlotExists:
            self.is_new = False
        try:
            await self._begin(self._slot)
        except SlotLost:
            # More had gathered than the server keeps: what is gone is gone, subscribers fetch anew.
            log.warning("slot_lost", extra={"slot": self._slot})
            await self._command(f"DROP_REPLICATION_SLOT {self._slot}", ExecStatus.COMMAND_OK)
            await self._create(self._slot)
            self.is_new = True
            await self._begin(self._slot)

    async def _create(self, slot: str) -> None:
        create = f"CREATE_REPLICATION_SLOT {slot} LOGICAL pgoutput NOEXPORT_SNAPSHOT"
        await self._command(create, ExecStatus.TUPLES_OK)

    async def _begin(self, slot: str) -> None:
        await self._command(
            f"START_REPLICATION SLOT {slot} LOGICAL 0/0"
            f" (proto_version '1', publication_names '{PUBLICATIONS}')",
            ExecStatus.COPY_BOTH,
        )
        self._feeding = asyncio.create_task(self._feed_back_regularly())

    async def _command(self, command: str, wanted: ExecStatus) -> None:
        self._pgconn.send_query(command.encode())
        self._pgconn.flush()
        result = await self._result()
        if result is None or result.status != wanted:
            raise await self._refusal(result)
        if wanted is not ExecStatus.COPY_BOTH:
            while await self._result() is not None:
                pass

    async def _refusal(self, result: PGresult | None) -> StreamBroken:
        if result is None:
            return StreamBroken(self._pgconn.get_error_message().strip())
        while await self._result() is not None:
            pass
        state = (result.error_field(DiagnosticField.SQLSTATE) or b"").decode()
        return _REFUSALS.get(state, StreamBroken)(result.get_error_message().strip())

    async def _result(self) -> PGresult | None:
        while self._pgconn.is_busy():
            # A new slot waits for the transactions that are open, however long they take.
            await self._readable()
            self._consume()
        return self._pgconn.get_result()

    def _consume(self) -> None:
        try:
            self._pgconn.consume_input()
        except psycopg.Error as error:
            raise StreamBroken(str(error)) from error

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        # Kept: a connection that is lost meanwhile does not know its number any more, and the loop
        # would go on watching whatever gets it next.
        number, self._ready = self._pgconn.socket, loop.create_future()
        loop.add_reader(number, _resolve, self._ready)
        try:
            await self._ready
        finally:
            loop.remove_reader(number)

    async def _feed_back_regularly(self) -> None:
        # Beside the reading: whoever takes a change may take its time, and a server that hears
        # nothing for a minute ends the stream.
        with suppress(StreamBroken):
            while True:
                await asyncio.sleep(FEEDBACK_S)
                self._feed_back(ping=True)

    def _nudge_later(self) -> None:
        if self._nudging is None:
            self._nudging = asyncio.get_running_loop().call_later(NUDGE_S, self._nudge)

    def _nudge(self) -> None:
        """Wake the server's sender, which may have slept through a commit: from Postgres 16 on it
        looks for new WAL before it enters the list of those to be woken, so what is committed in
        between is not sent before the next commit, or a word from here."""
        self._nudging = None
        with suppress(StreamBroken):
            self._feed_back()

    def _feed_back(self, *, ping: bool = False) -> None:
        now_us = int((time.time() - _EPOCH_S) * 1_000_000)
        lsn = self._confirmed_lsn
        try:
            self._pgconn.put_copy_data(struct.pack("!cqqqqb", b"r", lsn, lsn, lsn, now_us, ping))
            self._pgconn.flush()
        except psycopg.Error as error:
            # Whoever waits for the socket would never hear of it.
            if self._ready is not None:
                _resolve(self._ready)
            raise StreamBroken(str(error)) from error


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
