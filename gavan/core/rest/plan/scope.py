"""Filters, orders and ranges of the query string, hung on the tree of embeds they apply to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gavan.core.rest.errors import not_embedded
from gavan.core.rest.parse.model import (
    ALL_ROWS,
    Condition,
    OrderTerm,
    Path,
    QueryParams,
    RowRange,
    SelectEmbed,
    SelectItem,
)


@dataclass(slots=True)
class Scope:
    """What applies to one node of the tree; ``children`` by name as the query writes it."""

    conditions: list[Condition] = field(default_factory=list)
    order: tuple[OrderTerm, ...] = ()
    range: RowRange = ALL_ROWS
    children: dict[str, Scope] = field(default_factory=dict)

    def at(self, path: Path) -> Scope:
        """Return the scope of a path, made if new."""
        scope = self
        for name in path:
            scope = scope.children.setdefault(name, Scope())
        return scope


def build_scope(params: QueryParams, root_range: RowRange, *, is_mutation: bool) -> Scope:
    """Return the tree of what applies where.

    Of a mutation the root's filters belong to the statement itself, and ranges are ignored.
    """
    root = Scope()
    for path, _ in reversed(params.filters):
        root.at(path)  # of several faults the one of the last filter is told
    for path, condition in (*params.filters, *params.logic):
        if path or not is_mutation:
            root.at(path).conditions.append(condition)
    for path, terms in params.order:
        scope = root.at(path)
        scope.order = scope.order or terms
    if not is_mutation:
        for path, row_range in params.ranges.items():
            root.at(path).range = row_range
        root.range = root_range
    return root


def child_scopes(
    items: Sequence[SelectItem], scope: Scope, *, legacy: bool = True
) -> dict[int, Scope]:
    """Return the scope of each embed by its place in ``items``.

    An embed is named by its alias or, unless ``legacy`` names are off, by its target too. Raises
    PGRST108 for a name without embed.
    """
    found: dict[int, Scope] = {}
    for name, child in scope.children.items():
        index = next((i for i, item in enumerate(items) if _answers_to(item, name, legacy)), None)
        if index is None:
            raise not_embedded(name, None if legacy else _alias_of(items, name))
        known = found.get(index)
        found[index] = child if known is None else _merge(known, child)
    return found


def check_paths(items: Sequence[SelectItem], scope: Scope, *, legacy: bool = True) -> None:
    """Raise PGRST108 if anything in the tree names what is not embedded."""
    scopes = child_scopes(items, scope, legacy=legacy)
    for index, child in scopes.items():
        item = items[index]
        if isinstance(item, SelectEmbed):
            check_paths(item.items, child, legacy=legacy)


def _answers_to(item: SelectItem, name: str, legacy: bool) -> bool:
    if not isinstance(item, SelectEmbed):
        return False
    return name in {item.alias, item.target} if legacy else name == item.name


def _alias_of(items: Sequence[SelectItem], target: str) -> str | None:
    embeds = (item for item in items if isinstance(item, SelectEmbed))
    return next((item.alias for item in embeds if item.target == target), None)


def _merge(one: Scope, two: Scope) -> Scope:
    return Scope(
        conditions=one.conditions + two.conditions,
        order=one.order or two.order,
        range=one.range if one.range != ALL_ROWS else two.range,
        children={**one.children, **two.children},
    )
