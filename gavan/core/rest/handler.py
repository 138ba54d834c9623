"""One request: read, parse, plan, write SQL, execute, respond."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import orjson

from gavan.core.rest.authenticate import Authenticator
from gavan.core.rest.config import RestConfig
from gavan.core.rest.errors import RestError, no_schema_cache
from gavan.core.rest.execute import Caller, Run, Transaction, build_session, execute
from gavan.core.rest.openapi import ask_visible, build_document, read_visible
from gavan.core.rest.parse.body import Payload, call_payload, table_payload
from gavan.core.rest.plan.build import Snapshot, build_plan
from gavan.core.rest.plan.model import (
    Body,
    CallPlan,
    InfoPlan,
    Plan,
    ReadPlan,
    RootPlan,
)
from gavan.core.rest.prepared import Prepared, PreparedReads, StatementPlan, key_of
from gavan.core.rest.request import Action, ApiRequest, Headers, Scope, read_request
from gavan.core.rest.respond import (
    Context,
    Response,
    respond_call,
    respond_document,
    respond_error,
    respond_explained,
    respond_info,
    respond_mutation,
    respond_read,
)
from gavan.core.rest.result import (
    Check,
    Result,
    check_put,
    check_singular,
    max_affected,
    read_explained,
    read_result,
)
from gavan.core.rest.schema_watch import SchemaWatch
from gavan.core.rest.sql.count import planned
from gavan.core.rest.sql.statement import write_statement
from gavan.core.rest.timing import Clock
from gavan.database.pool import Pool
from gavan.database.session import Rows, Session
from gavan.kit.jwt import Claims

Receive = Callable[[], Awaitable[Any]]
READING = Transaction(read_only=True)
FOLLOWING = "follow-privileges"


class Handler:
    """Answers requests from a pool and the current snapshot."""

    def __init__(self, pool: Pool, watch: SchemaWatch) -> None:
        self._pool = pool
        self._watch = watch
        self._reads = PreparedReads()
        self._authenticator = Authenticator()

    async def handle(self, scope: Scope, receive: Receive) -> Response:
        """Return the response; failures of the request are responses too."""
        try:
            return await self._handle(scope, receive)
        except RestError as error:
            return respond_error(error, brief=self._watch.config.verbosity == "minimal")

    async def _handle(self, scope: Scope, receive: Receive) -> Response:
        snapshot = self._watch.snapshot
        config = self._watch.config
        clock = Clock()
        who = self._authenticator.authenticate(scope, config)
        clock.mark("jwt")
        if snapshot is None:
            raise no_schema_cache(self._watch.retry_after_s)
        headers = Headers(scope["headers"])
        prepared = await self._prepare(scope, receive, headers, snapshot, clock)
        if isinstance(prepared, Response):
            response = prepared
        elif isinstance(prepared, ApiRequest):
            session = build_session(_caller(who, prepared, headers), READING, config)
            response = await self._document(prepared, session, snapshot)
        else:
            request = prepared.request
            transaction = _transaction(prepared.plan, request, config)
            session = build_session(_caller(who, request, headers), transaction, config)
            response = await self._run(prepared, session, config, clock)
        if config.server_timing:
            clock.mark("response")
            response = replace(response, headers=(*response.headers, clock.header()))
        return response

    async def _prepare(
        self, scope: Scope, receive: Receive, headers: Headers, snapshot: Snapshot, clock: Clock
    ) -> Prepared | ApiRequest | Response:
        """Return what to run: a statement, the request of the root, or a response already."""
        key = key_of(scope, headers)
        known = self._reads.get(snapshot, key)
        if known is not None:
            return known
        request = read_request(scope, headers, snapshot.config)
        payload = await _payload(request, receive)
        clock.mark("parse")
        plan = build_plan(request, payload, snapshot)
        if isinstance(plan, InfoPlan):
            return respond_info(plan)
        if isinstance(plan, RootPlan):
            return request
        prepared = Prepared(request, plan, write_statement(plan))
        self._reads.put(snapshot, key, prepared)
        clock.mark("plan")
        return prepared

    async def _document(
        self, request: ApiRequest, session: Session, snapshot: Snapshot
    ) -> Response:
        config = snapshot.config
        run = Run(anon_role=config.anon_role)
        rows = await execute(self._pool, session, ask_visible(request.schema), run)
        visible = read_visible(rows) if config.openapi_mode == FOLLOWING else None
        body = build_document(
            snapshot.cache,
            request.schema,
            config.public_url,
            visible,
            with_security=config.openapi_security,
        )
        return respond_document(request, body, _context(config))

    async def _run(
        self, prepared: Prepared, session: Session, config: RestConfig, clock: Clock
    ) -> Response:
        request, plan = prepared.request, prepared.plan
        context = _context(config)
        check = _check(plan, request)
        reads = isinstance(plan, ReadPlan)
        run = Run(anon_role=config.anon_role, check=None if reads else check)
        rows = await execute(self._pool, session, prepared.statement, run)
        clock.mark("transaction")
        if plan.format.explain is not None:
            result = read_explained(rows)
            return respond_explained(request, plan.format.content_type, result, context)
        if reads and check is not None:
            check(rows)  # nothing to roll back: the answer is refused, the read did no harm
        result = read_result(rows)
        if isinstance(plan, ReadPlan):
            result = await self._with_planned_total(plan, result, session, run)
            clock.mark("transaction")
            return respond_read(request, plan, result, context)
        if isinstance(plan, CallPlan):
            return respond_call(request, plan, result, context)
        return respond_mutation(request, plan, result, context)

    async def _with_planned_total(
        self, plan: ReadPlan, result: Result, session: Session, run: Run
    ) -> Result:
        """Return the result with the planner's total where the client asked for it."""
        count = plan.count
        if count is None or count.kind == "exact":
            return result
        ceiling = count.ceiling
        exact = result.total or 0
        if count.kind == "estimated" and ceiling is not None and exact <= ceiling:
            return result
        rows = await execute(self._pool, session, planned(plan.node), run)
        estimate = _planned_rows(rows)
        return replace(result, total=max(exact, estimate))


def _caller(who: tuple[str, Claims | None], request: ApiRequest, headers: Headers) -> Caller:
    role, claims = who
    return Caller(
        role=role,
        claims=claims,
        schema=request.schema,
        method=request.method,
        path=request.path,
        headers_json=headers.as_json(),
        cookies_json=headers.cookies_json(),
        timezone=request.prefer.timezone,
    )


def _context(config: RestConfig) -> Context:
    return Context(many_schemas=len(config.schemas) > 1, tx_override=config.tx_override)


def _planned_rows(rows: Rows) -> int:
    text = b"".join(row[0] or b"" for row in rows.values)
    return int(orjson.loads(text)[0]["Plan"]["Plan Rows"])


async def _payload(request: ApiRequest, receive: Receive) -> Payload | None:
    if not request.has_body:
        return None
    raw = await read_body(receive)
    columns = request.params.columns
    if request.action is Action.CALL:
        return call_payload(raw, request.content_type, columns)
    if request.action is Action.UPSERT:
        columns = None
    return table_payload(raw, request.content_type, columns)


async def read_body(receive: Receive) -> bytes:
    """Return the whole body; its size is the gateway's to bound."""
    chunks = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            break
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _transaction(plan: Plan, request: ApiRequest, config: RestConfig) -> Transaction:
    rollback = config.rolls_back(request.prefer.tx)
    if isinstance(plan, CallPlan):
        return Transaction(
            read_only=plan.read_only,
            isolation=plan.isolation,
            rollback=rollback and not plan.read_only,
            settings=plan.settings,
        )
    reads = isinstance(plan, ReadPlan)
    return Transaction(read_only=reads, rollback=rollback and not reads)


def _check(plan: StatementPlan, request: ApiRequest) -> Check | None:
    """Return what must hold before COMMIT."""
    if plan.format.explain is not None:
        return None
    checks: list[Check] = []
    returns_one = isinstance(plan, CallPlan) and not plan.returns_set
    if plan.format.body is Body.OBJECT and not returns_one:
        checks.append(check_singular)
    if request.action is Action.UPSERT:
        checks.append(check_put)
    limit = request.prefer.max_affected
    bounded = request.action in {Action.UPDATE, Action.DELETE, Action.CALL}
    if request.prefer.strict and limit is not None and bounded:
        checks.append(max_affected(limit))
    if not checks:
        return None

    def every(rows: Rows) -> None:
        for check in checks:
            check(rows)

    return every
