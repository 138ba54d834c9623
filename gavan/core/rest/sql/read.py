"""The tree of SELECTs: lateral joins for embeds, JSON made by Postgres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gavan.core.rest.plan.key_order import key_place
from gavan.core.rest.plan.model import (
    SOURCE,
    Embed,
    FunctionJoin,
    KeyJoin,
    Lifted,
    Output,
    ReadNode,
    Shape,
)
from gavan.core.rest.sql.fragments import (
    Params,
    column,
    condition,
    order_clause,
    qualified,
    range_clause,
    reference,
    where_clause,
)
from gavan.database.identifier import quote_identifier


def select_tree(node: ReadNode, params: Params, parent: Parent | None = None) -> str:
    """Return the SELECT of a node and everything embedded in it."""
    columns = [_output(node.alias, output, params) for output in node.outputs]
    columns += [item for embed in node.embeds for item in _embed_outputs(embed, node.hoists)]
    if node.in_key_order:
        columns.sort(key=lambda item: key_place(item.key))
    joins = "".join(_lateral(embed, node.alias, params) for embed in node.embeds)
    tests = [condition(node.alias, where, params) for where in node.where]
    if parent is not None:
        tests += join_conditions(node, *parent)
    shown = ", ".join(item.text for item in columns)
    return (
        f"SELECT {shown} FROM {from_item(node, parent)}{joins}"
        + where_clause(tests)
        + _group_by(columns)
        + order_clause(node.alias, node.order, params)
        + range_clause(node.limit, node.offset, params)
    )


Parent = tuple[KeyJoin | FunctionJoin, str]
"""How a node hangs on its parent, and the parent's alias"""


def from_item(node: ReadNode, parent: Parent | None) -> str:
    """Return what a node reads: a relation, the CTE, a junction beside it, or a function."""
    alias = quote_identifier(node.alias)
    join, origin = parent or (None, "")
    if isinstance(join, FunctionJoin):
        row = f"{quote_identifier(origin)}::{qualified(join.row_type)}"
        return f"{qualified(join.function)}({row}) AS {alias}"
    written = SOURCE if node.source is None else qualified(node.source)
    written = f"{written} AS {alias}"
    if join is not None and join.junction is not None:
        return f"{written}, {qualified(join.junction)} AS {_junction_alias(node)}"
    return written


def join_conditions(node: ReadNode, join: KeyJoin | FunctionJoin, origin: str) -> list[str]:
    """Return the equalities between a node and its parent's row."""
    if isinstance(join, FunctionJoin):
        return []
    if join.junction is None:
        return [f"{column(node.alias, far)} = {column(origin, near)}" for near, far in join.columns]
    junction = _junction_alias(node)
    ours = [
        f"{column(node.alias, far)} = {junction}.{quote_identifier(near)}"
        for near, far in join.columns
    ]
    return ours + [
        f"{junction}.{quote_identifier(far)} = {column(origin, near)}"
        for near, far in join.junction_to_parent
    ]


def _junction_alias(node: ReadNode) -> str:
    return quote_identifier(f"{node.alias}_junction")


@dataclass(frozen=True, slots=True)
class Written:
    """A column of a SELECT list."""

    text: str
    is_aggregate: bool = False
    grouped_by: str | None = None
    """What GROUP BY names instead of the column's place"""
    key: str = ""


def _output(alias: str, output: Output, params: Params) -> Written:
    applied = None if output.hoisted else output.aggregate
    if output.ref.name != "*" or output.aggregate is None:
        written = reference(alias, output.ref, params)
        if output.shown_by is not None:
            written = f"{qualified(output.shown_by)}({written})"
        written = _cast(written, output.cast)
        written = f"{applied}({written})" if applied else written
    else:
        # A hoisted count of rows counts ones: a missing row of the join is NULL there.
        written = "count(*)" if applied else "1"
    if applied:
        written = _cast(written, output.aggregate_cast)
    named = f"{written} AS {quote_identifier(output.alias)}" if output.alias else written
    # Casts do not group: budget::int has a group for each budget, which order= may name then.
    casts = output.cast is not None and not output.ref.path and output.alias == output.ref.name
    return Written(
        named,
        applied is not None,
        column(alias, output.ref.name) if casts else None,
        key=output.alias or output.ref.name,
    )


def _cast(written: str, cast: str | None) -> str:
    # The parser let only name characters through: a quoted type name would not mean the same.
    return f"CAST({written} AS {cast})" if cast else written


def _embed_outputs(embed: Embed, hoists: bool) -> list[Written]:
    alias = quote_identifier(embed.join_alias)
    if embed.shape is Shape.HIDDEN:
        return []
    if embed.shape is Shape.OBJECT:
        made = f"row_to_json({alias}.*){_like_jsonb(embed)} AS {quote_identifier(embed.key)}"
        return [Written(made, key=embed.key)]
    if embed.shape is Shape.ARRAY:
        made = f"COALESCE({alias}.{alias}, '[]') AS {quote_identifier(embed.key)}"
        return [Written(made, key=embed.key)]
    return [_lifted(embed.join_alias, item, hoists) for item in embed.spread]


def _like_jsonb(embed: Embed) -> str:
    return "" if embed.node.in_key_order else "::jsonb"


def _lifted(alias: str, item: Lifted, hoists: bool) -> Written:
    written = column(alias, item.name)
    if item.aggregate is None or hoists:
        return Written(written)
    applied = _cast(f"{item.aggregate}({written})", item.cast)
    return Written(f"{applied} AS {quote_identifier(item.name)}", True)


def _lateral(embed: Embed, origin: str, params: Params) -> str:
    inner = select_tree(embed.node, params, (embed.join, origin))
    alias = quote_identifier(embed.join_alias)
    kind = "INNER" if embed.inner else "LEFT"
    if embed.to_one:
        return f" {kind} JOIN LATERAL ({inner}) AS {alias} ON TRUE"
    arrays = "".join(
        f", COALESCE(json_agg({column(embed.join_alias, item.name)}), '[]')::jsonb"
        f" AS {quote_identifier(item.name)}"
        for item in embed.spread
    )
    made = f"json_agg({alias}){_like_jsonb(embed)}"
    rows = f"SELECT {made} AS {alias}{arrays} FROM ({inner}) AS {alias}"
    match = f"{alias}.{alias} IS NOT NULL" if embed.inner else "TRUE"
    return f" {kind} JOIN LATERAL ({rows}) AS {alias} ON {match}"


def _group_by(columns: Sequence[Written]) -> str:
    if not any(column.is_aggregate for column in columns):
        return ""
    # By position: the same expression with other parameters would not be the same to Postgres.
    places = [
        column.grouped_by or str(n)
        for n, column in enumerate(columns, 1)
        if not column.is_aggregate
    ]
    return f" GROUP BY {', '.join(places)}" if places else ""
