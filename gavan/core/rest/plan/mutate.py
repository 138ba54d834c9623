"""POST, PUT, PATCH and DELETE on a relation become one INSERT, UPDATE or DELETE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gavan.core.rest.errors import RestError, invalid_put_filters, unknown_column
from gavan.core.rest.parse.body import Payload
from gavan.core.rest.parse.model import Condition
from gavan.core.rest.plan.model import (
    BodyRows,
    Delete,
    Insert,
    MutatePlan,
    Mutation,
    ReadNode,
    Target,
    Update,
)
from gavan.core.rest.plan.negotiate import ARRAY
from gavan.core.rest.plan.read import conditions, needed_columns
from gavan.core.rest.request import Action, ApiRequest
from gavan.core.rest.schema_cache import Column, Table

EMPTY = Payload(raw=b"[]", is_array=True, is_empty=True)
MERGE = "merge-duplicates"


def plan_mutation(
    request: ApiRequest, payload: Payload, table: Table, node: ReadNode
) -> MutatePlan:
    """Return the plan, its format still open; raise PGRST105 or PGRST204."""
    prefer = request.prefer
    returning: tuple[str, ...] = ()
    if prefer.returning in {"representation", "headers-only"}:
        returning = needed_columns(node, table.primary_key)
    wants_location = request.action is Action.INSERT and prefer.returning == "headers-only"
    upserts = request.action is Action.INSERT and prefer.resolution is not None
    return MutatePlan(
        mutation=_mutation(request, payload, table),
        node=node,
        returning=returning,
        represents=prefer.returning == "representation",
        format=ARRAY,
        counts_inserted=request.action is Action.UPSERT or (upserts and prefer.resolution == MERGE),
        location=_in_table_order(table) if wants_location else (),
        applied_resolution=upserts
        and bool(table.primary_key or request.params.on_conflict is not None),
    )


def _in_table_order(table: Table) -> tuple[str, ...]:
    return tuple(name for name in table.columns if name in table.primary_key)


def _mutation(request: ApiRequest, payload: Payload, table: Table) -> Mutation:
    root = _root_conditions(request)
    if request.action is Action.DELETE:
        return Delete(table=table.name, where=conditions(root, table))
    body = _body(request, payload, table)
    if request.action is Action.UPDATE:
        return Update(table=table.name, body=body, where=conditions(root, table))
    if request.action is Action.UPSERT:
        return _put(request, table, body)
    merge = request.prefer.resolution == MERGE
    conflict: Sequence[str] = ()
    if request.prefer.resolution is not None:
        named = request.params.on_conflict
        conflict = table.primary_key if named is None else named
    return Insert(table=table.name, body=body, conflict=tuple(conflict), merge=merge)


def _put(request: ApiRequest, table: Table, body: BodyRows) -> Insert:
    filters = [item for path, item in request.params.filters if not path]
    exact = all(
        item.predicate.op == "eq"
        and not item.predicate.negated
        and item.predicate.option is None
        and not item.field.path
        for item in filters
    )
    named = {item.field.name for item in filters}
    only_root = len(filters) == len(request.params.filters) and not request.params.logic
    if not (table.primary_key and exact and only_root and named == set(table.primary_key)):
        raise invalid_put_filters()
    return Insert(
        table=table.name,
        body=replace(body, apply_defaults=False),
        conflict=table.primary_key,
        merge=True,
        put=conditions(filters, table),
    )


def _root_conditions(request: ApiRequest) -> list[Condition]:
    params = request.params
    return [item for path, item in (*params.filters, *params.logic) if not path]


def _body(request: ApiRequest, payload: Payload, table: Table) -> BodyRows:
    targets = []
    for key in payload.keys:
        column = table.columns.get(key)
        if column is None:
            raise unknown_column(table.name.name, key)
        targets.append(_target(column, table))
    return BodyRows(
        raw=payload.raw,
        is_array=payload.is_array,
        targets=tuple(targets),
        apply_defaults=request.prefer.missing == "default",
    )


def _target(column: Column, table: Table) -> Target:
    look = table.represented.get(column.name) if table.represented else None
    if look is None or look.from_json is None:
        return Target(column.name, column.type, column.default)
    return Target(column.name, "json", column.default, look.from_json)


def check_safe_update(mutation: Mutation) -> None:
    """Raise 21000 for an UPDATE or DELETE of every row, as pg-safeupdate does."""
    if isinstance(mutation, Insert) or mutation.where:
        return
    if isinstance(mutation, Update) and not mutation.body.targets:
        return
    verb = "UPDATE" if isinstance(mutation, Update) else "DELETE"
    raise RestError("21000", f"{verb} requires a WHERE clause", status=400)
