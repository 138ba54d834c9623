"""How many rows there are beside the page: EXISTS instead of joins, no order, no range."""

from __future__ import annotations

from gavan.core.rest.plan.model import Count, Group, NullEmbed, ReadNode, Where
from gavan.core.rest.sql.fragments import Params, condition, group, where_clause
from gavan.core.rest.sql.read import Parent, from_item, join_conditions
from gavan.database.session import Statement


def count_rows(node: ReadNode, params: Params, parent: Parent | None = None) -> str:
    """Return ``SELECT 1 ...`` with one row for each row of the node."""
    tests = [_condition(node, where, params) for where in node.where]
    if parent is not None:
        tests += join_conditions(node, *parent)
    tests += [
        f"EXISTS ({count_rows(embed.node, params, (embed.join, node.alias))})"
        for embed in node.embeds
        if embed.inner
    ]
    return f"SELECT 1 FROM {from_item(node, parent)}{where_clause(tests)}"


def _condition(node: ReadNode, where: Where, params: Params) -> str:
    if isinstance(where, Group):
        return group(where, [_condition(node, child, params) for child in where.children])
    if not isinstance(where, NullEmbed):
        return condition(node.alias, where, params)
    embed = next(embed for embed in node.embeds if embed.join_alias == where.join)
    exists = f"EXISTS ({count_rows(embed.node, params, (embed.join, node.alias))})"
    return exists if where.negated else f"NOT {exists}"


def total(node: ReadNode, count: Count | None, page: str, params: Params) -> str:
    """Return the expression of the total; ``page`` is the one that counts the page.

    A planned count is found by a statement of its own, so its total is NULL here.
    """
    if count is None or count.kind == "planned":
        return "NULL::bigint"
    if not node.limited:
        return page
    rows = count_rows(node, params)
    if count.kind == "estimated" and count.ceiling is not None:
        rows += f" LIMIT {params.bind(str(count.ceiling + 1))}"
    return f"(SELECT count(*) FROM ({rows}) AS pgrst_count)"


def planned(node: ReadNode) -> Statement:
    """Return the EXPLAIN whose top node says how many rows the planner expects."""
    params = Params()
    return params.statement(f"EXPLAIN (FORMAT JSON) {count_rows(node, params)}")
