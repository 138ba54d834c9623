"""One connection to Postgres that sends a whole request in one write.

A request is [setup of role and settings][statement][Sync]: the implicit transaction of a libpq
pipeline. Stands under the pool; above it nobody sees libpq.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

import psycopg
from psycopg import pq
from psycopg.pq.abc import PGconn, PGresult

from gavan.database.session import (
    CONNECTION_REFUSED,
    INVALID_PARAMETER,
    INVALID_TEXT,
    DatabaseError,
    Ending,
    Rows,
    Session,
    Statement,
    connection_lost,
    error_of,
    setup_statement,
)

PREPARED_STATEMENTS = 128
CANCEL_DEADLINE_S = 5.0
# 0A000 "cached plan must not change result type", 26000 "prepared statement does not exist":
# both are raised before anything ran, so the request is sent once more with a fresh statement.
STALE_STATEMENT = frozenset({"0A000", "26000"})

Check = Callable[[Rows], Ending | None]


class _Kind(Enum):
    COMMAND = auto()
    PARSE = auto()
    QUERY = auto()
    CLOSE = auto()


@dataclass(frozen=True, slots=True)
class _Step:
    kind: _Kind
    key: tuple[str, str] = ("", "")
    name: bytes = b""


class _Request(NamedTuple):
    session: Session
    setup: Statement
    statement: Statement
    check: Check | None


_COMMAND = _Step(_Kind.COMMAND)
_QUERY = _Step(_Kind.QUERY)
_DONE = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)
_FAILED = (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE)


class Connection:
    """A pipeline-mode connection; one request at a time.

    ``is_lost`` turns true when the server is gone; the connection is then only fit for ``close``.
    """

    def __init__(
        self, driver: psycopg.AsyncConnection[tuple[object, ...]], *, prepare: bool = True
    ) -> None:
        self._driver = driver
        self._prepare = prepare
        self._pg: PGconn = driver.pgconn
        self._socket = self._pg.socket
        self._loop = asyncio.get_running_loop()
        self._results: list[PGresult] = []
        self._steps: list[_Step] = []
        self._waiter: asyncio.Future[list[PGresult]] | None = None
        self._prepared: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._to_close: list[bytes] = []
        # Unlike those of other clients: a pooler that mixes connections then answers 26000, which
        # is mended below, and never runs a stranger's statement of the same name.
        self._prefix = secrets.token_hex(4).encode()
        self._names = 0
        self._writing = False
        self.is_lost = False
        self.created_at = self.used_at = self._loop.time()
        self._pg.nonblocking = 1
        self._pg.enter_pipeline_mode()
        self._loop.add_reader(self._socket, self._readable)

    @classmethod
    async def connect(cls, conninfo: str, *, prepare: bool = True) -> Connection:
        """Open a connection; raise DatabaseError 08001 when the server cannot be reached.

        Without ``prepare`` nothing outlives a transaction, as a pooler in transaction mode wants.
        """
        try:
            driver = await psycopg.AsyncConnection.connect(conninfo, autocommit=True)
        except (psycopg.Error, OSError) as error:
            raise DatabaseError(
                CONNECTION_REFUSED, "Postgres cannot be reached", details=_first_line(error)
            ) from error
        return cls(driver, prepare=prepare)

    async def close(self) -> None:
        """Close the socket; a request still in flight gets 08006."""
        self._lose("closed")
        await self._driver.close()

    async def run(self, session: Session, statement: Statement, check: Check | None = None) -> Rows:
        """Run one statement in one transaction; see ``Pool.run``."""
        setup = setup_statement(session)
        _refuse_nul(setup, statement, statement.then)
        had_prepared = bool(self._prepared)
        request = _Request(session, setup, statement, check)
        try:
            return await self._attempt(request)
        except DatabaseError as error:
            if error.sqlstate not in STALE_STATEMENT or self.is_lost or not had_prepared:
                raise
        self._forget_all()
        return await self._attempt(request)

    async def ping(self) -> None:
        """Make one round trip; raise DatabaseError when the server is gone."""
        await self._single(b"SELECT 1")

    async def _attempt(self, request: _Request) -> Rows:
        session, _, statement, check = request
        explicit = check is not None or session.rollback or session.isolation is not None
        steps: list[_Step] = []
        try:
            answer, following = self._request(steps, request, explicit)
        except psycopg.Error as error:
            raise self._half_queued(error) from error
        try:
            results = await self._exchange(steps)
        except DatabaseError:
            await self._abort(explicit)
            raise
        then = Rows(_values(results[following])) if statement.then is not None else None
        rows = Rows(_values(results[answer]), then)
        if check is not None:
            await self._finish_checked(session, rows, check)
        return rows

    async def _finish_checked(self, session: Session, rows: Rows, check: Check) -> None:
        try:
            ending = check(rows)
            _refuse_nul(ending.statement if ending is not None else None)
        except BaseException:
            await self._abort(explicit=True)
            raise
        steps: list[_Step] = []
        try:
            self._end(steps, session, ending)
        except psycopg.Error as error:
            raise self._half_queued(error) from error
        try:
            await self._exchange(steps)
        except DatabaseError:
            await self._abort(explicit=True)
            raise

    async def _abort(self, explicit: bool) -> None:
        if explicit and not self.is_lost:
            await self._single(b"ROLLBACK")

    async def _single(self, text: bytes) -> None:
        steps: list[_Step] = []
        try:
            self._command(steps, text)
        except psycopg.Error as error:
            raise self._half_queued(error) from error
        await self._exchange(steps)

    def _half_queued(self, error: psycopg.Error) -> DatabaseError:
        # A request that was queued only in part cannot be taken back: the connection goes.
        self._lose(_first_line(error))
        return connection_lost(_first_line(error))

    # Sending: every method below only fills libpq's buffer; _exchange writes it in one go.

    def _request(self, steps: list[_Step], request: _Request, explicit: bool) -> tuple[int, int]:
        """Return where the results of the statement and of the one that follows it will be."""
        session, setup, statement, check = request
        if explicit:
            self._command(steps, _begin(session))
        self._query(steps, ("", setup.text), setup.params)
        if session.before is not None:
            self._query(steps, (session.role, session.before), ())
        self._query(steps, (session.role, statement.text), statement.params)
        answer = following = len(steps) - 1
        if statement.then is not None:
            self._query(steps, (session.role, statement.then.text), statement.then.params)
            following = len(steps) - 1
        if explicit and check is None:
            self._end(steps, session)
        if self._to_close or len(self._prepared) > PREPARED_STATEMENTS:
            self._close_evicted(steps)
        return answer, following

    def _command(self, steps: list[_Step], text: bytes) -> None:
        self._pg.send_query_params(text, None)
        steps.append(_COMMAND)

    def _end(self, steps: list[_Step], session: Session, ending: Ending | None = None) -> None:
        if ending is not None:
            setup, last = setup_statement(Session(role=ending.role)), ending.statement
            self._query(steps, ("", setup.text), setup.params)
            self._query(steps, (ending.role, last.text), last.params)
        if session.rollback:
            # Deferred violations must surface although nothing is kept.
            self._command(steps, b"SET CONSTRAINTS ALL IMMEDIATE")
        self._command(steps, b"ROLLBACK" if session.rollback else b"COMMIT")

    def _query(
        self, steps: list[_Step], key: tuple[str, str], params: tuple[bytes | None, ...]
    ) -> None:
        if not self._prepare:
            self._pg.send_query_params(key[1].encode(), params)
            steps.append(_QUERY)
            return
        name = self._prepared.get(key)
        if name is None:
            self._names += 1
            name = b"%s_%d" % (self._prefix, self._names)
            self._pg.send_prepare(name, key[1].encode())
            steps.append(_Step(_Kind.PARSE, key, name))
        else:
            self._prepared.move_to_end(key)
        self._pg.send_query_prepared(name, params)
        steps.append(_QUERY)

    def _close_evicted(self, steps: list[_Step]) -> None:
        while len(self._prepared) > PREPARED_STATEMENTS:
            self._to_close.append(self._prepared.popitem(last=False)[1])
        for name in self._to_close:
            self._pg.send_close_prepared(name)
            steps.append(_Step(_Kind.CLOSE, name=name))

    def _forget_all(self) -> None:
        self._to_close.extend(self._prepared.values())
        self._prepared.clear()

    async def _exchange(self, steps: list[_Step]) -> list[PGresult]:
        """Send what is queued plus a Sync; return a result per step or raise the first error."""
        if self.is_lost:
            raise connection_lost("before the request was sent")
        waiter: asyncio.Future[list[PGresult]] = self._loop.create_future()
        self._waiter = waiter
        self._results, self._steps = [], steps
        try:
            self._pg.pipeline_sync()
            self._flush()
        except psycopg.Error as error:
            self._lose(_first_line(error))
        results = await waiter
        # After a failure nothing else of a pipeline is done: its last result speaks for all.
        if results[-1].status not in _DONE:
            for result in results:
                if result.status in _FAILED:
                    raise error_of(result)
        return results

    def _remember(self, steps: list[_Step], results: list[PGresult]) -> None:
        for step, result in zip(steps, results, strict=False):
            if step.kind is _Kind.PARSE and result.status == pq.ExecStatus.COMMAND_OK:
                self._prepared[step.key] = step.name
            elif step.kind is _Kind.CLOSE and result.status == pq.ExecStatus.COMMAND_OK:
                self._to_close.remove(step.name)

    def _flush(self) -> None:
        if self._pg.flush() != 0:
            if not self._writing:
                self._loop.add_writer(self._socket, self._writable)
                self._writing = True
        elif self._writing:
            self._loop.remove_writer(self._socket)
            self._writing = False

    def _writable(self) -> None:
        try:
            self._flush()
        except psycopg.Error as error:
            self._lose(_first_line(error))

    # Receiving: the reader stays registered for the life of the connection, so that an idle
    # connection learns of the server's death before a request is given to it.

    def _readable(self) -> None:
        try:
            self._pg.consume_input()
            if self._waiter is None:
                self._pg.is_busy()  # lets libpq take notices and parameter changes off the wire
            else:
                self._collect()
        except psycopg.Error as error:
            self._lose(_first_line(error))

    def _collect(self) -> None:
        pg, results, ends = self._pg, self._results, 0
        while not pg.is_busy():
            result = pg.get_result()
            if result is None:
                # One end mark follows each result; two in a row mean that libpq has given up.
                ends += 1
                if ends > 1:
                    self._lose("the server closed the connection")
                    return
                continue
            ends = 0
            if result.status == pq.ExecStatus.PIPELINE_SYNC:
                self._deliver()
                return
            results.append(result)

    def _deliver(self) -> None:
        waiter, self._waiter = self._waiter, None
        self._remember(self._steps, self._results)
        if waiter is not None and not waiter.done():
            waiter.set_result(self._results)

    def _lose(self, reason: str) -> None:
        if self.is_lost:
            return
        self.is_lost = True
        self._loop.remove_reader(self._socket)
        if self._writing:
            self._loop.remove_writer(self._socket)
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            failed = [result for result in self._results if result.status in _FAILED]
            waiter.set_exception(error_of(failed[0]) if failed else connection_lost(reason))

    async def recover(self) -> None:
        """Cancel what an abandoned request left running and drain its answer.

        Afterwards the connection is idle outside a transaction, or ``is_lost``.
        """
        try:
            async with asyncio.timeout(CANCEL_DEADLINE_S):
                await self._cancel_and_drain()
        except (TimeoutError, DatabaseError, psycopg.Error) as error:
            self._lose(_first_line(error))

    async def _cancel_and_drain(self) -> None:
        if self._waiter is not None:
            # libpq's cancel returns when the server has passed the signal on, so a cancel cannot
            # hit the next request; the extra round trip below absorbs one that came late.
            self._waiter = waiter = self._loop.create_future()
            await self._driver.cancel_safe(timeout=CANCEL_DEADLINE_S)
            await waiter
        try:
            await self.ping()
        except DatabaseError:
            if self.is_lost:
                raise
        if self._pg.transaction_status != pq.TransactionStatus.IDLE:
            await self._abort(explicit=True)


def _begin(session: Session) -> bytes:
    isolation = f" ISOLATION LEVEL {_isolation(session.isolation)}" if session.isolation else ""
    return f"BEGIN{isolation}{' READ ONLY' if session.read_only else ''}".encode()


def _isolation(name: str) -> str:
    wanted = " ".join(name.upper().split())
    if wanted in {"SERIALIZABLE", "REPEATABLE READ", "READ COMMITTED", "READ UNCOMMITTED"}:
        return wanted
    raise DatabaseError(
        INVALID_PARAMETER, f'invalid value for parameter "transaction_isolation": "{name}"'
    )


def _refuse_nul(*statements: Statement | None) -> None:
    # A text parameter ends at its first NUL for libpq: the rest would be lost without a word.
    for statement in statements:
        if statement is not None and b"\0" in b"".join(filter(None, statement.params)):
            raise DatabaseError(INVALID_TEXT, 'invalid byte sequence for encoding "UTF8": 0x00')


def _values(result: PGresult) -> list[tuple[bytes | None, ...]]:
    width = range(result.nfields)
    get_value = result.get_value
    return [tuple([get_value(row, column) for column in width]) for row in range(result.ntuples)]


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
