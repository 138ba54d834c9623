"""Which relationship an embed means: none is PGRST200, several are PGRST201."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gavan.core.rest.errors import RestError
from gavan.core.rest.schema_cache import (
    AnyRelationship,
    Cardinality,
    ComputedRelationship,
    Name,
    Relationship,
    SchemaCache,
)
from gavan.core.rest.suggest import closest


def find_relationship(
    cache: SchemaCache, origin: Name, target: str, hint: str | None
) -> AnyRelationship:
    """Return the one relationship from ``origin`` that ``target!hint`` names."""
    candidates = [
        found
        for found in cache.relationships.get(origin, ())
        if _far_schema(found) == origin.schema and _matches(found, target, hint)
    ]
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        raise _not_found(cache, origin, target, hint)
    raise _ambiguous(origin.name, target, candidates)


def _far_schema(found: AnyRelationship) -> str:
    # A computed relationship may return rows of any schema: its function decides.
    if isinstance(found, ComputedRelationship):
        return found.function.schema
    return found.foreign.schema


def _matches(found: AnyRelationship, target: str, hint: str | None) -> bool:
    if isinstance(found, ComputedRelationship):
        return target == found.function.name
    if found.is_self:
        return _matches_self(found, target, hint)
    if hint is None:
        return target == found.foreign.name or (
            not found.foreign_is_view
            and (_is_constraint(found, target) or _is_near_column(found, target))
        )
    return target == found.foreign.name and (
        _is_constraint(found, hint)
        or _is_near_column(found, hint)
        or _is_far_column(found, hint)
        or (found.junction is not None and found.junction.table.name == hint)
    )


def _matches_self(found: Relationship, target: str, hint: str | None) -> bool:
    """One key gives two relationships: the table's name means to-many, the column to-one."""
    to_many = found.cardinality is Cardinality.ONE_TO_MANY
    if hint is not None:
        return to_many and target == found.foreign.name and _is_far_column(found, hint)
    if target == found.foreign.name:
        return to_many
    return found.cardinality is Cardinality.MANY_TO_ONE and _is_near_column(found, target)


def _is_constraint(found: Relationship, name: str) -> bool:
    return found.junction is None and found.constraint == name


def _is_near_column(found: Relationship, name: str) -> bool:
    return len(found.columns) == 1 and found.columns[0][0] == name


def _is_far_column(found: Relationship, name: str) -> bool:
    return len(found.columns) == 1 and found.columns[0][1] == name


def _not_found(cache: SchemaCache, origin: Name, target: str, hint: str | None) -> RestError:
    using = f"using the hint '{hint}' " if hint else ""
    return RestError(
        "PGRST200",
        f"Could not find a relationship between '{origin.name}' and '{target}' in the schema cache",
        status=400,
        details=(
            f"Searched for a foreign key relationship between '{origin.name}' and '{target}'"
            f" {using}in the schema '{origin.schema}', but no matches were found."
        ),
        hint=_hint(cache, origin, target),
    )


def _hint(cache: SchemaCache, origin: Name, target: str) -> str | None:
    known = cache.relationships.get(origin)
    if known is None:
        origins = {name.name for name in cache.relationships if name.schema == origin.schema}
        wrong, right = origin.name, closest(origin.name, origins, 0.33)
    else:
        targets = {found.foreign.name for found in known}
        # A target that is known exactly means that the hint after it was wrong.
        wrong, right = target, None if target in targets else closest(target, targets, 0.33)
    return f"Perhaps you meant '{right}' instead of '{wrong}'." if right else None


def _ambiguous(origin: str, target: str, found: Sequence[AnyRelationship]) -> RestError:
    keys = [item for item in found if isinstance(item, Relationship)]
    choices = ", ".join(f"'{item.foreign.name}!{_label(item)}'" for item in keys)
    return RestError(
        "PGRST201",
        "Could not embed because more than one relationship was found for"
        f" '{origin}' and '{target}'",
        status=300,
        details=[_describe(item) for item in keys],
        hint=(
            f"Try changing '{target}' to one of the following: {choices}."
            " Find the desired relationship in the 'details' key."
        ),
    )


def _label(item: Relationship) -> str:
    return item.junction.table.name if item.junction else item.constraint


def _describe(item: Relationship) -> dict[str, str]:
    near, far = item.table.name, item.foreign.name
    if item.junction is not None:
        junction = item.junction
        source = _columns(pair[1] for pair in junction.source_columns)
        target = _columns(pair[1] for pair in junction.target_columns)
        relationship = (
            f"{junction.table.name} using {junction.source_constraint}{source}"
            f" and {junction.target_constraint}{target}"
        )
    else:
        ours = _columns(pair[0] for pair in item.columns)
        theirs = _columns(pair[1] for pair in item.columns)
        relationship = f"{item.constraint} using {near}{ours} and {far}{theirs}"
    return {
        "cardinality": item.cardinality.value,
        "embedding": f"{near} with {far}",
        "relationship": relationship,
    }


def _columns(names: Iterable[str]) -> str:
    return f"({', '.join(names)})"
