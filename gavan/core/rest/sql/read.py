"""The tree of SELECTs: lateral joins for embeds, JSON made by Postgres."""

from __future__ import annotations

from gavan.core.rest.plan.model import (
    SOURCE,
    Embed,
    FunctionJoin,
    KeyJoin,
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
    outputs = [_output(node.alias, output, params) for output in node.outputs]
    outputs += [item for embed in node.embeds for item in _embed_outputs(embed)]
    joins = "".join(_lateral(embed, node.alias, params) for embed in node.embeds)
    tests = [condition(node.alias, where, params) for where in node.where]
    if parent is not None:
        tests += join_conditions(node, *parent)
    return (
        f"SELECT {', '.join(outputs)} FROM {from_item(node, parent)}{joins}"
        + where_clause(tests)
        + _group_by(node)
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


def _output(alias: str, output: Output, params: Params) -> str:
    if output.aggregate is not None and output.ref.name == "*":
        written = "count(*)"
    else:
        written = _cast(reference(alias, output.ref, params), output.cast)
        if output.aggregate is not None:
            written = f"{output.aggregate}({written})"
    if output.aggregate is not None:
        written = _cast(written, output.aggregate_cast)
    return f"{written} AS {quote_identifier(output.alias)}" if output.alias else written


def _cast(written: str, cast: str | None) -> str:
    # The parser let only name characters through: a quoted type name would not mean the same.
    return f"CAST({written} AS {cast})" if cast else written


def _embed_outputs(embed: Embed) -> list[str]:
    alias = quote_identifier(embed.join_alias)
    if embed.shape is Shape.HIDDEN:
        return []
    if embed.shape is Shape.OBJECT:
        return [f"row_to_json({alias}.*)::jsonb AS {quote_identifier(embed.key)}"]
    if embed.shape is Shape.ARRAY:
        return [f"COALESCE({alias}.{alias}, '[]') AS {quote_identifier(embed.key)}"]
    return [column(embed.join_alias, name) for name in embed.spread]


def _lateral(embed: Embed, origin: str, params: Params) -> str:
    inner = select_tree(embed.node, params, (embed.join, origin))
    alias = quote_identifier(embed.join_alias)
    kind = "INNER" if embed.inner else "LEFT"
    if embed.to_one:
        return f" {kind} JOIN LATERAL ({inner}) AS {alias} ON TRUE"
    arrays = "".join(
        f", COALESCE(json_agg({column(embed.join_alias, name)}), '[]')::jsonb"
        f" AS {quote_identifier(name)}"
        for name in embed.spread
    )
    rows = f"SELECT json_agg({alias})::jsonb AS {alias}{arrays} FROM ({inner}) AS {alias}"
    match = f"{alias}.{alias} IS NOT NULL" if embed.inner else "TRUE"
    return f" {kind} JOIN LATERAL ({rows}) AS {alias} ON {match}"


def _group_by(node: ReadNode) -> str:
    if not any(output.aggregate for output in node.outputs):
        return ""
    # By position: the same expression with other parameters would not be the same to Postgres.
    places = [n for n, output in enumerate(node.outputs, 1) if output.aggregate is None]
    shown = sum(len(_embed_outputs(embed)) for embed in node.embeds)
    places += range(len(node.outputs) + 1, len(node.outputs) + 1 + shown)
    return f" GROUP BY {', '.join(map(str, places))}" if places else ""
