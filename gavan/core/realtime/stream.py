"""Logical replication from Postgres through ``psycopg.pq``: a temporary slot, read as it fills.

The slot lives as long as its connection: nothing can fill the disk, and changes of a gap are lost,
which is why subscribers are told when a new stream has begun (contract realtime.md 14.3).
"""

from __future__ import annotations

import asyncio
import secrets
import struct
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn, PGresult

from gavan.core.realtime.pgoutput import POSTGRES_EPOCH

SLOT_PREFIX = "supabase_realtime_replication_slot_"
PUBLICATIONS = "supabase_realtime,supabase_realtime_messages_publication"
FEEDBACK_S = 10.0
CONNECT_TIMEOUT_S = 10
# The text of values depends on the session: clients get one form, wherever the server stands.
SESSION = (
    "-c timezone=UTC -c datestyle=ISO -c intervalstyle=postgres -c extra_float_digits=3"
    " -c statement_timeout=0 -c idle_in_transaction_session_timeout=0"
)
_ENVELOPE_BYTES = 25
_EPOCH_S = POSTGRES_EPOCH.timestamp()


class StreamBroken(Exception):
    """The stream ended; open a new one."""


class Stream:
    """One replication connection. Open it, read until it breaks, close it."""

    def __init__(self, pgconn: PGconn) -> None:
        self._pgconn = pgconn
        self._confirmed_lsn = 0
        self._fed_back_at = time.monotonic()

    @classmethod
    async def open(cls, url: str) -> Stream:
        """Connect, make a temporary slot and start to stream; raise psycopg.Error or StreamBroken.

        Whatever commits after this returns is read.
        """
        conninfo = make_conninfo(
            url,
            replication="database",
            application_name="gavan realtime stream",
            connect_timeout=CONNECT_TIMEOUT_S,
            options=SESSION,
        )
        pgconn = await _connect(conninfo)
        stream = cls(pgconn)
        try:
            await stream._start()
        except BaseException:
            stream.close()
            raise
        return stream

    def close(self) -> None:
        """End the connection; the slot goes with it."""
        self._pgconn.finish()

    def confirm(self, lsn: int) -> None:
        """Everything up to this position is dispatched."""
        self._confirmed_lsn = max(self._confirmed_lsn, lsn)

    async def read(self) -> AsyncIterator[bytes]:
        """Yield the plugin's messages; raise StreamBroken when the connection ends."""
        while True:
            size, data = self._pgconn.get_copy_data(1)
            if size > 0:
                message = self._open_envelope(bytes(data))
                if message is not None:
                    yield message
            elif size < 0:
                raise StreamBroken(self._pgconn.get_error_message().strip() or "stream ended")
            self._feed_back_if_due()
            if size == 0:
                with suppress(TimeoutError):
                    await self._readable(FEEDBACK_S)
                self._consume()

    def _open_envelope(self, data: bytes) -> bytes | None:
        if data[:1] == b"w":
            return data[_ENVELOPE_BYTES:]
        if data[:1] == b"k":
            (wal_end,) = struct.unpack_from("!q", data, 1)
            # Messages come in order, so everything before a keepalive has been dispatched.
            self.confirm(wal_end)
            if data[17]:
                self._feed_back()
        return None

    async def _start(self) -> None:
        self._pgconn.nonblocking = 1
        slot = SLOT_PREFIX + secrets.token_hex(4)
        create = f"CREATE_REPLICATION_SLOT {slot} TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT"
        await self._command(create, ExecStatus.TUPLES_OK)
        await self._command(
            f"START_REPLICATION SLOT {slot} LOGICAL 0/0"
            f" (proto_version '1', publication_names '{PUBLICATIONS}')",
            ExecStatus.COPY_BOTH,
        )

    async def _command(self, command: str, wanted: ExecStatus) -> None:
        self._pgconn.send_query(command.encode())
        self._pgconn.flush()
        result = await self._result()
        if result is None or result.status != wanted:
            reason = result.get_error_message() if result else self._pgconn.get_error_message()
            raise StreamBroken(reason.strip())
        if wanted is not ExecStatus.COPY_BOTH:
            while await self._result() is not None:
                pass

    async def _result(self) -> PGresult | None:
        while self._pgconn.is_busy():
            # A new slot waits for the transactions that are open, however long they take.
            await self._readable(None)
            self._consume()
        return self._pgconn.get_result()

    def _consume(self) -> None:
        try:
            self._pgconn.consume_input()
        except psycopg.Error as error:
            raise StreamBroken(str(error)) from error

    async def _readable(self, timeout_s: float | None) -> None:
        loop = asyncio.get_running_loop()
        ready = loop.create_future()
        loop.add_reader(self._pgconn.socket, _resolve, ready)
        try:
            async with asyncio.timeout(timeout_s):
                await ready
        finally:
            loop.remove_reader(self._pgconn.socket)

    def _feed_back_if_due(self) -> None:
        if time.monotonic() - self._fed_back_at >= FEEDBACK_S:
            self._feed_back()

    def _feed_back(self) -> None:
        now_us = int((time.time() - _EPOCH_S) * 1_000_000)
        lsn = self._confirmed_lsn
        try:
            self._pgconn.put_copy_data(struct.pack("!cqqqqb", b"r", lsn, lsn, lsn, now_us, 0))
            self._pgconn.flush()
        except psycopg.Error as error:
            raise StreamBroken(str(error)) from error
        self._fed_back_at = time.monotonic()


async def _connect(conninfo: str) -> PGconn:
    connecting = asyncio.ensure_future(asyncio.to_thread(pq.PGconn.connect, conninfo.encode()))
    try:
        return await asyncio.shield(connecting)
    except asyncio.CancelledError:
        # The thread cannot be stopped, and a half-open connection must not be left behind.
        with suppress(psycopg.Error):
            (await connecting).finish()
        raise


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
