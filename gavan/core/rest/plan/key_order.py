"""Embeds that are JSON in jsonb's order of keys without a trip through jsonb.

Upstream makes jsonb of every embed, which sorts its keys and costs Postgres as much as reading the
rows. Where each value looks the same in both, its columns are selected in that order instead.
"""

from __future__ import annotations

from dataclasses import replace

from gavan.core.rest.plan.model import Body, Embed, Format, Output, ReadNode, Shape
from gavan.core.rest.schema_cache import Column, SchemaCache, Table

JSON_BODIES = frozenset({Body.ARRAY, Body.OBJECT})
MADE_OF_JSON = frozenset({Shape.OBJECT, Shape.ARRAY})
SAME_IN_JSONB = frozenset(
    {
        "bigint",
        "boolean",
        "bytea",
        "character",
        "character varying",
        "date",
        "inet",
        "integer",
        "interval",
        "jsonb",
        "name",
        "numeric",
        "smallint",
        "text",
        "time without time zone",
        "timestamp with time zone",
        "timestamp without time zone",
        "uuid",
    }
)
"""Not so: json keeps its own spelling, fractions may have exponents, composites have keys."""


def without_jsonb(node: ReadNode, wanted: Format, cache: SchemaCache) -> ReadNode:
    """Return the tree with the columns of its embeds in jsonb's order of keys where that suffices.

    Only for answers that are JSON: text and CSV also show jsonb's blanks.
    """
    if wanted.body not in JSON_BODIES or wanted.aggregate is not None:
        return node
    return _ordered(node, cache)


def _ordered(node: ReadNode, cache: SchemaCache) -> ReadNode:
    if not node.embeds or _is_aggregated(node):  # nothing can be grouped by json
        return node
    return replace(node, embeds=tuple(_embed(embed, cache) for embed in node.embeds))


def _embed(embed: Embed, cache: SchemaCache) -> Embed:
    if embed.shape not in MADE_OF_JSON:
        return embed
    node = _ordered(embed.node, cache)
    table = cache.tables.get(node.source) if node.source is not None else None
    in_order = table is not None and _is_plain(node, table)
    return replace(embed, node=replace(node, in_key_order=in_order))


def _is_aggregated(node: ReadNode) -> bool:
    lifted = any(column.aggregate for embed in node.embeds for column in embed.spread)
    return lifted or any(output.aggregate for output in node.outputs)


def key_place(key: str) -> tuple[int, bytes]:
    """Return what jsonb sorts its keys by."""
    encoded = key.encode()
    return len(encoded), encoded


def _is_plain(node: ReadNode, table: Table) -> bool:
    keys = [output.alias or output.ref.name for output in node.outputs]
    keys += [embed.key for embed in node.embeds]
    return (
        len(set(keys)) == len(keys)
        and all(_is_same(output, table) for output in node.outputs)
        and all(embed.shape in MADE_OF_JSON for embed in node.embeds)
    )


def _is_same(output: Output, table: Table) -> bool:
    column = table.columns.get(output.ref.name)
    made = output.shown_by or output.cast or output.aggregate or output.ref.path
    return column is not None and not made and _type_is_same(column)


def _type_is_same(column: Column) -> bool:
    element = column.base_type.removesuffix("[]").partition("(")[0]
    return element in SAME_IN_JSONB or bool(column.enum)
