"""``select``, filters, orders and ranges become a tree of SELECTs joined by relationships."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gavan.core.rest.errors import (
    aggregates_not_allowed,
    not_embedded,
    not_implemented,
    related_order_not_to_one,
)
from gavan.core.rest.parse.filters import TEXT_SEARCH
from gavan.core.rest.parse.model import (
    Condition,
    Field,
    Filter,
    OrderTerm,
    SelectEmbed,
    SelectField,
    SelectItem,
)
from gavan.core.rest.plan.model import (
    Embed,
    FunctionJoin,
    Group,
    KeyJoin,
    Lifted,
    NullEmbed,
    Output,
    ReadNode,
    Ref,
    Shape,
    Sort,
    Test,
    Where,
)
from gavan.core.rest.plan.relationship import find_relationship
from gavan.core.rest.plan.scope import Scope, check_paths, child_scopes
from gavan.core.rest.schema_cache import (
    PLAIN,
    AnyRelationship,
    ComputedRelationship,
    Name,
    SchemaCache,
    Table,
)

AS_THEY_ARE = TEXT_SEARCH | {"is", "isdistinct", "like", "ilike"}
"""Operators whose value is not of the column's type"""
JSON_TYPES = frozenset({"json", "jsonb"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadContext:
    """What every node of one tree shares; ``max_rows`` None leaves ranges alone."""

    cache: SchemaCache
    aggregates: bool
    max_rows: int | None
    legacy_names: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a node stands: ``table`` is its name in the cache, ``source`` what it reads."""

    table: Name
    source: Name | None
    alias: str
    depth: int = 0
    spread: Shape | None = None
    """How it is spread into its parent, if it is"""


def plan_tree(
    context: ReadContext, place: Place, items: Sequence[SelectItem], scope: Scope
) -> ReadNode:
    """Return the tree under ``place``; raise PGRST108, 118, 123, 127, 200 or 201."""
    check_paths(items, scope, legacy=context.legacy_names)
    return _node(context, place, items, scope)


def _node(
    context: ReadContext, place: Place, items: Sequence[SelectItem], scope: Scope
) -> ReadNode:
    scopes = child_scopes(items, scope, legacy=context.legacy_names)
    embeds = tuple(
        _embed(context, place, item, scopes.get(index, Scope()))
        for index, item in enumerate(items)
        if isinstance(item, SelectEmbed)
    )
    if ordered := {term.relation for term in scope.order if term.relation is not None}:
        embeds = tuple(_with_columns(embed) if embed.key in ordered else embed for embed in embeds)
    by_name = {embed.key: embed for embed in embeds}
    table = context.cache.tables.get(place.table)
    limit = scope.range.limit
    if context.max_rows is not None:
        limit = context.max_rows if limit is None else min(limit, context.max_rows)
    return ReadNode(
        source=place.source,
        alias=place.alias,
        outputs=_outputs(context, place, items, table, embeds),
        where=tuple(_where(item, table, by_name) for item in scope.conditions),
        order=tuple(_sort(term, place, table, by_name) for term in scope.order),
        limit=limit,
        offset=scope.range.offset if limit != 0 else 0,
        embeds=embeds,
        hoists=place.spread is Shape.SPREAD,
    )


def resolve(field: Field, table: Table | None, *, text_search: bool = False) -> Ref:
    """Return the field as the statement needs it; unknown columns are left to Postgres."""
    column = table.columns.get(field.name) if table is not None else None
    is_json = column is not None and column.type in JSON_TYPES
    wrap = text_search and column is not None and column.base_type != "tsvector"
    return Ref(field.name, field.path, bool(field.path) and not is_json, wrap)


def conditions(items: Sequence[Condition], table: Table | None) -> tuple[Where, ...]:
    """Return the conditions of a mutation's own WHERE, where no embed can be named."""
    return tuple(_where(item, table, {}) for item in items)


def _where(item: Condition, table: Table | None, embeds: Mapping[str, Embed]) -> Where:
    if not isinstance(item, Filter):
        children = tuple(_where(child, table, embeds) for child in item.children)
        return Group(item.op, children, item.negated)
    predicate = item.predicate
    embed = embeds.get(item.field.name) if not item.field.path else None
    if embed is not None and predicate.op == "is" and predicate.value == "NULL":
        return NullEmbed(embed.join_alias, predicate.negated)
    text_search = predicate.op in TEXT_SEARCH
    ref = resolve(item.field, table, text_search=text_search)
    if table is not None and table.represented and predicate.op not in AS_THEY_ARE:
        look = table.represented.get(ref.name)
        if look is not None and not ref.path:
            return Test(ref, predicate, look.from_text)
    return Test(ref, predicate)


def _sort(term: OrderTerm, place: Place, table: Table | None, embeds: Mapping[str, Embed]) -> Sort:
    if term.relation is None:
        ref = resolve(term.field, table)
        return Sort(ref=ref, direction=term.direction, nulls=term.nulls)
    embed = embeds.get(term.relation)
    if embed is None:
        raise not_embedded(term.relation)
    if not embed.to_one:
        raise related_order_not_to_one(place.table.name, term.relation)
    ref = resolve(term.field, None)
    return Sort(ref=ref, direction=term.direction, nulls=term.nulls, join=embed.join_alias)


def _outputs(
    context: ReadContext,
    place: Place,
    items: Sequence[SelectItem],
    table: Table | None,
    embeds: Sequence[Embed],
) -> tuple[Output, ...]:
    fields = [item for item in items if isinstance(item, SelectField)]
    lifted = any(column.aggregate for embed in embeds for column in embed.spread)
    aggregated = lifted or any(item.aggregate for item in fields)
    if aggregated and not context.aggregates:
        raise aggregates_not_allowed()
    if aggregated and place.spread is Shape.SPREAD_ARRAYS:
        raise not_implemented(
            "Aggregates are not implemented for one-to-many or many-to-many spreads."
        )
    hoisted = place.spread is Shape.SPREAD
    # A spread names each column in its parent, a GROUP BY names each column here, and a look of
    # its own is given to each column by itself.
    looks = table.represented if table is not None else PLAIN
    expands = bool(place.spread or aggregated or looks)
    outputs: list[Output] = []
    for item in fields:
        if item.field.name == "*" and not item.aggregate and expands:
            names = table.columns if table is not None else ()
            outputs += [_output(SelectField(Field(name)), table, hoisted=False) for name in names]
        else:
            outputs.append(_output(item, table, hoisted=hoisted))
    return tuple(outputs)


def _output(item: SelectField, table: Table | None, *, hoisted: bool) -> Output:
    shown_by = None
    if table is not None and table.represented and not (item.field.path or item.aggregate):
        look = table.represented.get(item.field.name)
        shown_by = look.to_json if look is not None else None
    named = item.field.name if shown_by is not None else None
    return Output(
        ref=resolve(item.field, table),
        alias=item.alias or _implied_alias(item) or named,
        shown_by=shown_by,
        cast=item.cast,
        aggregate=item.aggregate,
        aggregate_cast=item.aggregate_cast,
        hoisted=hoisted and item.aggregate is not None,
    )


def _implied_alias(item: SelectField) -> str | None:
    if item.aggregate:
        return item.aggregate
    if item.field.path:
        keys = [step.key for step in item.field.path if isinstance(step.key, str)]
        return keys[-1] if keys else item.field.name
    return item.field.name if item.cast else None


def _embed(context: ReadContext, parent: Place, item: SelectEmbed, scope: Scope) -> Embed:
    found = find_relationship(context.cache, parent.table, item.target, item.hint)
    depth = parent.depth + 1
    place = Place(
        table=found.foreign,
        source=found.foreign,
        alias=f"{_far_name(found)}_{depth}",
        depth=depth,
        spread=_spread_shape(found.to_one) if item.spread else None,
    )
    node = _node(context, place, item.items, scope)
    shape = _shape(item, node, to_one=found.to_one)
    return Embed(
        key=item.name,
        join_alias=f"{parent.table.name}_{item.name}_{depth}",
        shape=shape,
        to_one=found.to_one,
        inner=item.inner,
        join=_join(found),
        node=node,
        spread=_lifted(node) if item.spread else (),
    )


def _with_columns(embed: Embed) -> Embed:
    """Return an embed that an order names; one without columns gets all, to order by any."""
    if embed.shape is not Shape.HIDDEN or embed.node.embeds:
        return embed
    return replace(embed, node=replace(embed.node, outputs=(Output(ref=Ref("*")),)))


def _far_name(found: AnyRelationship) -> str:
    return found.function.name if isinstance(found, ComputedRelationship) else found.foreign.name


def _join(found: AnyRelationship) -> KeyJoin | FunctionJoin:
    if isinstance(found, ComputedRelationship):
        return FunctionJoin(function=found.function, row_type=found.table)
    if found.junction is None:
        return KeyJoin(columns=found.columns)
    junction = found.junction
    return KeyJoin(
        columns=tuple((near, far) for far, near in junction.target_columns),
        junction=junction.table,
        junction_to_parent=junction.source_columns,
    )


def _shape(item: SelectEmbed, node: ReadNode, *, to_one: bool) -> Shape:
    if item.spread:
        return _spread_shape(to_one)
    if not node.outputs and all(embed.shape is Shape.HIDDEN for embed in node.embeds):
        return Shape.HIDDEN
    return Shape.OBJECT if to_one else Shape.ARRAY


def _spread_shape(to_one: bool) -> Shape:
    return Shape.SPREAD if to_one else Shape.SPREAD_ARRAYS


def _lifted(node: ReadNode) -> tuple[Lifted, ...]:
    lifted = []
    for output in node.outputs:
        aggregate = output.aggregate if output.hoisted else None
        cast = output.aggregate_cast if output.hoisted else None
        lifted.append(Lifted(output.alias or output.ref.name, aggregate, cast))
    for embed in node.embeds:
        if embed.shape in {Shape.SPREAD, Shape.SPREAD_ARRAYS}:
            lifted += embed.spread
        elif embed.shape is not Shape.HIDDEN:
            lifted.append(Lifted(embed.key))
    return tuple(lifted)


def needed_columns(node: ReadNode, primary_key: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the columns that a mutation or call must return so that ``node`` can be read.

    ``("*",)`` when all are selected, or when an embed is computed from the whole row.
    """
    names = [output.ref.name for output in node.outputs]
    for embed in node.embeds:
        if isinstance(embed.join, FunctionJoin):
            return ("*",)
        pairs = embed.join.junction_to_parent if embed.join.junction else embed.join.columns
        names += [near for near, _ in pairs]
    if "*" in names:
        return ("*",)
    names += primary_key
    return tuple(dict.fromkeys(names))
