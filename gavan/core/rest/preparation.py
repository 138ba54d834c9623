"""The stages before the database: read, parse, plan, write SQL; or remember having done so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import ClientDisconnect

from gavan.core.rest.parse.body import Payload, call_payload, table_payload
from gavan.core.rest.plan.build import Snapshot, build_plan
from gavan.core.rest.plan.model import InfoPlan, RootPlan
from gavan.core.rest.prepared import Memory, Prepared, Template, prepare
from gavan.core.rest.request import Action, ApiRequest, Headers, Scope, read_request
from gavan.core.rest.shape import question_of, with_body
from gavan.core.rest.timing import Clock

Receive = Callable[[], Awaitable[Any]]
Built = Prepared | ApiRequest | InfoPlan
"""What a request becomes: a statement, itself for the root document, or what OPTIONS tells"""


@dataclass(slots=True)
class Asked:
    """One HTTP request, and what it is answered by."""

    scope: Scope
    headers: Headers
    snapshot: Snapshot
    clock: Clock


class Preparation:
    """Prepares requests; what it remembers belongs to one snapshot."""

    def __init__(self) -> None:
        self._memory = Memory()

    async def prepare(self, asked: Asked, receive: Receive) -> Built:
        """Return what a request becomes; raise the RestError of its first failing check."""
        snapshot, clock = asked.snapshot, asked.clock
        payload: Payload | None = None
        question = question_of(asked.scope, asked.headers)
        known = self._memory.find(snapshot, question)
        if isinstance(known, ApiRequest):
            payload = await _payload(known, receive)
            question = with_body(question, payload)
            known = self._memory.find(snapshot, question)
        if isinstance(known, Template) and question is not None:
            return known.fill(question)
        request = read_request(asked.scope, asked.headers, snapshot.config)
        if request.has_body and payload is None:
            self._memory.keep(snapshot, question, request)
            payload = await _payload(request, receive)
            question = with_body(question, payload)
        clock.mark("parse")
        built = _built(request, payload, snapshot)
        clock.mark("plan")
        if isinstance(built, Prepared):

            def again(query: bytes, body: bytes) -> Built:
                other = {**asked.scope, "query_string": query}
                changed = replace(payload, raw=body) if payload is not None else None
                request = read_request(other, asked.headers, snapshot.config)
                return _built(request, changed, snapshot)

            self._memory.learn(snapshot, question, built, again)
        return built


def _built(request: ApiRequest, payload: Payload | None, snapshot: Snapshot) -> Built:
    plan = build_plan(request, payload, snapshot)
    if isinstance(plan, RootPlan):
        return request
    return plan if isinstance(plan, InfoPlan) else prepare(request, plan, snapshot.config)


async def _payload(request: ApiRequest, receive: Receive) -> Payload:
    raw = await read_body(receive)
    columns = request.params.columns
    if request.action is Action.CALL:
        return call_payload(raw, request.content_type, columns)
    if request.action is Action.UPSERT:
        columns = None
    return table_payload(raw, request.content_type, columns)


async def read_body(receive: Receive) -> bytes:
    """Return the whole body; its size is the gateway's to bound.

    Raises ClientDisconnect for a body that breaks off: half of it must not be written.
    """
    chunks = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            break
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
