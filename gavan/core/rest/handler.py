"""One request: who asks, what it becomes (``preparation``), execute, respond."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import orjson

from gavan.core.rest.authenticate import Authenticator
from gavan.core.rest.config import RestConfig
from gavan.core.rest.errors import RestError, no_schema_cache
from gavan.core.rest.execute import Caller, Run, Transaction, build_session, execute
from gavan.core.rest.openapi import ask_visible, build_document, read_visible
from gavan.core.rest.plan.build import Snapshot
from gavan.core.rest.plan.model import CallPlan, InfoPlan, ReadPlan
from gavan.core.rest.preparation import Asked, Preparation, Receive
from gavan.core.rest.prepared import Prepared
from gavan.core.rest.request import ApiRequest, Headers, Scope
from gavan.core.rest.respond import (
    Response,
    respond_call,
    respond_document,
    respond_error,
    respond_explained,
    respond_info,
    respond_mutation,
    respond_read,
)
from gavan.core.rest.result import Result, read_explained, read_result
from gavan.core.rest.schema_watch import SchemaWatch
from gavan.core.rest.timing import Clock
from gavan.database.pool import Pool
from gavan.database.session import Rows, Session
from gavan.kit.jwt import Claims

READING = Transaction(read_only=True)
FOLLOWING = "follow-privileges"


class Handler:
    """Answers requests from a pool and the current snapshot."""

    def __init__(self, pool: Pool, watch: SchemaWatch) -> None:
        self._pool = pool
        self._watch = watch
        self._preparation = Preparation()
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
        asked = Asked(scope, Headers(scope["headers"]), snapshot, clock)
        prepared = await self._preparation.prepare(asked, receive)
        if isinstance(prepared, InfoPlan):
            response = respond_info(prepared)
        elif isinstance(prepared, ApiRequest):
            session = build_session(_caller(who, prepared, asked.headers), READING, config)
            response = await self._document(prepared, session, snapshot)
        else:
            caller = _caller(who, prepared.request, asked.headers)
            session = build_session(caller, prepared.transaction, config)
            response = await self._run(prepared, session, config, clock)
        if config.server_timing:
            clock.mark("response")
            response = replace(response, headers=(*response.headers, clock.header()))
        return response

    async def _document(
        self, request: ApiRequest, session: Session, snapshot: Snapshot
    ) -> Response:
        config = snapshot.config
        run = Run(anon_role=config.anon_role)
        rows = await execute(self._pool, session, ask_visible(request.schema), run)
        visible = read_visible(rows) if config.openapi_mode == FOLLOWING else None
        # Of a thousand tables it takes a tenth of a second, in which other requests go on.
        body = await asyncio.to_thread(
            build_document,
            snapshot.cache,
            request.schema,
            config.public_url,
            visible,
            with_security=config.openapi_security,
        )
        return respond_document(request, body, config)

    async def _run(
        self, prepared: Prepared, session: Session, config: RestConfig, clock: Clock
    ) -> Response:
        plan, check = prepared.plan, prepared.check
        reads = isinstance(plan, ReadPlan)
        run = Run(anon_role=config.anon_role, check=None if reads else check)
        rows = await execute(self._pool, session, prepared.statement, run)
        clock.mark("transaction")
        if plan.format.explain is not None:
            result = read_explained(rows)
            return respond_explained(prepared, result)
        if reads and check is not None:
            check(rows)  # nothing to roll back: the answer is refused, the read did no harm
        result = read_result(rows)
        if isinstance(plan, ReadPlan):
            result = _with_planned_total(plan, result, rows.then)
            return respond_read(prepared, plan, result)
        if isinstance(plan, CallPlan):
            return respond_call(prepared, plan, result)
        return respond_mutation(prepared, plan, result)


def _with_planned_total(plan: ReadPlan, result: Result, estimated: Rows | None) -> Result:
    """Return the result with the planner's total where the client asked for it."""
    count = plan.count
    if count is None or estimated is None:
        return result
    exact = result.total or 0
    if count.kind == "estimated" and count.ceiling is not None and exact <= count.ceiling:
        return result
    return replace(result, total=max(exact, _planned_rows(estimated)))


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


def _planned_rows(rows: Rows) -> int:
    text = b"".join(row[0] or b"" for row in rows.values)
    return int(orjson.loads(text)[0]["Plan"]["Plan Rows"])
