"""The door of the plan stage: a request and a snapshot in, one plan out.

The order of checks is part of the contract: relation or function, read tree, mutation, then media
type and strict preferences (for mutations the other way round).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gavan.core.rest.config import RestConfig
from gavan.core.rest.errors import invalid_preferences, unknown_table
from gavan.core.rest.parse.body import Payload
from gavan.core.rest.plan.call import (
    allowed_methods,
    check_max_affected,
    plan_call,
    routine_of,
)
from gavan.core.rest.plan.key_order import without_jsonb
from gavan.core.rest.plan.model import (
    CallPlan,
    Count,
    Format,
    InfoPlan,
    MutatePlan,
    Plan,
    ReadNode,
    ReadPlan,
    RootPlan,
)
from gavan.core.rest.plan.mutate import EMPTY, check_safe_update, plan_mutation
from gavan.core.rest.plan.negotiate import Offer, check_root, negotiate
from gavan.core.rest.plan.read import Place, ReadContext, plan_tree
from gavan.core.rest.plan.scope import build_scope
from gavan.core.rest.request import Action, ApiRequest
from gavan.core.rest.schema_cache import Name, Routine, SchemaCache, Table
from gavan.core.rest.suggest import closest


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a request is planned against: replaced whole, never changed.

    ``source`` is a hash of what the catalogue said, by which an unchanged one is known again.
    """

    config: RestConfig
    cache: SchemaCache
    source: int = 0


def build_plan(request: ApiRequest, payload: Payload | None, snapshot: Snapshot) -> Plan:
    """Return the plan of a request; raise the RestError of the first failing check."""
    if request.action is Action.ROOT:
        check_root(request.accept)
        return RootPlan(schema=request.schema, head=request.method == "HEAD")
    if request.action is Action.INFO:
        return InfoPlan(_allow(request, snapshot))
    if request.action is Action.CALL:
        return _call(request, payload, snapshot)
    table = _table(request, snapshot.cache)
    if request.action is Action.READ:
        return _read(request, table, snapshot)
    return _mutate(request, payload or EMPTY, table, snapshot)


def _read(request: ApiRequest, table: Table, snapshot: Snapshot) -> ReadPlan:
    node = _tree(request, snapshot, table.name, source=table.name, is_mutation=False)
    wanted = _format_then_preferences(request, _offer(snapshot, node, table.name))
    return ReadPlan(
        node=without_jsonb(node, wanted, snapshot.cache),
        format=wanted,
        count=_count(request, snapshot.config),
        head=request.method == "HEAD",
    )


def _mutate(request: ApiRequest, payload: Payload, table: Table, snapshot: Snapshot) -> MutatePlan:
    node = _tree(request, snapshot, table.name, source=None, is_mutation=True)
    plan = plan_mutation(request, payload, table, node)
    _check_preferences(request)
    wanted = negotiate(request.accept, _offer(snapshot, node, table.name))
    plan = replace(plan, node=without_jsonb(node, wanted, snapshot.cache), format=wanted)
    if snapshot.config.safe_update:
        check_safe_update(plan.mutation)
    return plan


def _call(request: ApiRequest, payload: Payload | None, snapshot: Snapshot) -> CallPlan:
    routine = routine_of(request, payload, snapshot.cache)
    origin = Name(routine.name.schema, _rows_of(routine))
    node = _tree(request, snapshot, origin, source=None, is_mutation=False)
    plan = plan_call(request, payload, routine, node)
    offer = _offer(snapshot, node, origin)
    if routine.media is not None:
        offer = replace(offer, own={routine.media.name: routine.media})
    wanted = _format_then_preferences(request, offer)
    check_max_affected(request, routine)
    node = without_jsonb(node, wanted, snapshot.cache)
    return replace(plan, node=node, format=wanted, count=_count(request, snapshot.config))


def _rows_of(routine: Routine) -> str:
    """Return what Postgres calls the rows that a function returns, in its messages too."""
    if routine.relation is not None:
        return routine.relation.name
    return routine.name.name if routine.is_scalar else "record"


def _tree(
    request: ApiRequest,
    snapshot: Snapshot,
    table: Name,
    *,
    source: Name | None,
    is_mutation: bool,
) -> ReadNode:
    context = ReadContext(
        cache=snapshot.cache,
        aggregates=snapshot.config.aggregates,
        legacy_names=snapshot.config.legacy_names,
        max_rows=None if is_mutation else snapshot.config.max_rows,
    )
    place = Place(table=table, source=source, alias=table.name)
    scope = build_scope(request.params, request.range, is_mutation=is_mutation)
    return plan_tree(context, place, request.params.select, scope)


def _table(request: ApiRequest, cache: SchemaCache) -> Table:
    table = cache.tables.get(Name(request.schema, request.target))
    if table is None:
        names = {name.name for name in cache.tables if name.schema == request.schema}
        suggestion = closest(request.target, names, 0.75)
        raise unknown_table(request.schema, request.target, suggestion)
    return table


def _offer(snapshot: Snapshot, node: ReadNode, relation: Name) -> Offer:
    """Return what the rows of a node can be made into.

    An aggregate over a relation's rows fits those rows only: all columns and nothing else.
    """
    medias, plans = snapshot.cache.medias, snapshot.config.plans
    if not medias:
        return Offer(plans=plans)
    is_whole = not node.embeds and [output.ref.name for output in node.outputs] == ["*"]
    own = medias.get(relation, {}) if is_whole else {}
    return Offer(plans=plans, own=own, of_any=medias.get(None, {}))


def _format_then_preferences(request: ApiRequest, offer: Offer) -> Format:
    wanted = negotiate(request.accept, offer)
    _check_preferences(request)
    return wanted


def _check_preferences(request: ApiRequest) -> None:
    if request.prefer.strict and request.prefer.unknown:
        raise invalid_preferences(request.prefer.unknown)


def _count(request: ApiRequest, config: RestConfig) -> Count | None:
    kind = request.prefer.count
    return Count(kind=kind, ceiling=config.max_rows) if kind else None


def _allow(request: ApiRequest, snapshot: Snapshot) -> str:
    if not request.target:
        return "OPTIONS,GET,HEAD"
    if request.is_routine:
        return allowed_methods(routine_of(request, None, snapshot.cache))
    table = _table(request, snapshot.cache)
    methods = ["OPTIONS", "GET", "HEAD"]
    if table.insertable:
        methods.append("POST")
    if table.insertable and table.updatable and table.primary_key:
        methods.append("PUT")
    if table.updatable:
        methods.append("PATCH")
    if table.deletable:
        methods.append("DELETE")
    return ",".join(methods)
