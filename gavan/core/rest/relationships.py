"""Foreign keys become every relationship an embed may use: both ways, through views, junctions.

Pure: catalogue facts in, the maps of the schema cache out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from gavan.core.rest.schema_cache import (
    AnyRelationship,
    Cardinality,
    ComputedRelationship,
    Junction,
    Name,
    Pairs,
    Relationship,
    Table,
)

MAX_VARIANTS = 32
"""A view may show one key column several times: bound on the relationships that gives"""

CARDINALITIES = (
    Cardinality.ONE_TO_MANY,
    Cardinality.MANY_TO_ONE,
    Cardinality.ONE_TO_ONE,
    Cardinality.MANY_TO_MANY,
)

Shown = Mapping[tuple[Name, str], Mapping[Name, Sequence[str]]]
"""For each column of a table, the views that show it and under which names"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """A foreign key as the catalogue has it."""

    constraint: str
    table: Name
    foreign: Name
    columns: Pairs
    one_to_one: bool


def build_relationships(
    tables: Mapping[Name, Table],
    keys: Sequence[ForeignKey],
    computed: Sequence[ComputedRelationship],
    shown: Shown,
    schemas: Sequence[str],
) -> dict[Name, tuple[AnyRelationship, ...]]:
    """Return the relationships between exposed relations, by origin."""
    forward = [found for key in keys for found in _forward(key, shown)]
    every = [*forward, *map(_inverse, forward), *_through_junctions(tables, forward)]
    return _by_origin(every, computed, frozenset(schemas))


def _forward(key: ForeignKey, shown: Shown) -> Iterable[Relationship]:
    """Yield the key itself and its likenesses between views and tables."""
    near_sides = _sides(key.table, [near for near, _ in key.columns], shown)
    far_sides = _sides(key.foreign, [far for _, far in key.columns], shown)
    cardinality = Cardinality.ONE_TO_ONE if key.one_to_one else Cardinality.MANY_TO_ONE
    for (near, near_columns), (far, far_columns) in product(near_sides, far_sides):
        yield Relationship(
            table=near,
            foreign=far,
            cardinality=cardinality,
            constraint=key.constraint,
            columns=tuple(zip(near_columns, far_columns, strict=True)),
            table_is_view=near != key.table,
            foreign_is_view=far != key.foreign,
        )


def _sides(table: Name, columns: Sequence[str], shown: Shown) -> list[tuple[Name, tuple[str, ...]]]:
    """Return the table and every view that shows all of these columns, with their names there."""
    sides = [(table, tuple(columns))]
    per_column = [shown.get((table, column), {}) for column in columns]
    for view in per_column[0] if per_column else ():
        if all(view in views for views in per_column):
            variants = product(*(views[view] for views in per_column))
            sides += [
                (view, names) for names, _ in zip(variants, range(MAX_VARIANTS), strict=False)
            ]
    return sides


def _inverse(found: Relationship) -> Relationship:
    to_many = found.cardinality is Cardinality.MANY_TO_ONE
    return replace(
        found,
        table=found.foreign,
        foreign=found.table,
        cardinality=Cardinality.ONE_TO_MANY if to_many else Cardinality.ONE_TO_ONE,
        columns=tuple((far, near) for near, far in found.columns),
        table_is_view=found.foreign_is_view,
        foreign_is_view=found.table_is_view,
        is_parent=True,
    )


def _through_junctions(
    tables: Mapping[Name, Table], forward: Sequence[Relationship]
) -> Iterable[Relationship]:
    """Yield many-to-many: two keys of one table whose columns all belong to its primary key."""
    by_table: dict[Name, list[Relationship]] = defaultdict(list)
    for found in forward:
        if found.cardinality is Cardinality.MANY_TO_ONE:
            by_table[found.table].append(found)
    for junction, keys in by_table.items():
        primary = frozenset(tables[junction].primary_key) if junction in tables else frozenset()
        inside = [key for key in keys if primary.issuperset(near for near, _ in key.columns)]
        for one, two in product(inside, inside):
            if one.constraint != two.constraint:
                yield _many_to_many(junction, one, two)


def _many_to_many(junction: Name, one: Relationship, two: Relationship) -> Relationship:
    return Relationship(
        table=one.foreign,
        foreign=two.foreign,
        cardinality=Cardinality.MANY_TO_MANY,
        constraint="",
        junction=Junction(
            table=junction,
            source_constraint=one.constraint,
            target_constraint=two.constraint,
            source_columns=tuple((far, near) for near, far in one.columns),
            target_columns=tuple((far, near) for near, far in two.columns),
        ),
        table_is_view=one.foreign_is_view,
        foreign_is_view=two.foreign_is_view,
    )


def _by_origin(
    found: Iterable[Relationship],
    computed: Iterable[ComputedRelationship],
    schemas: frozenset[str],
) -> dict[Name, tuple[AnyRelationship, ...]]:
    written = {(item.table, item.function): item for item in computed}
    origins: dict[Name, list[AnyRelationship]] = defaultdict(list)
    for item in found:
        if item.table.schema in schemas:
            origins[item.table]  # known as an origin, even if nothing of it is exposed
        # A function named like the foreign relation overrides what the keys say.
        if (item.table, item.foreign) not in written and _is_exposed(item, schemas):
            origins[item.table].append(item)
    for function in written.values():
        if function.table.schema in schemas and function.function.schema in schemas:
            origins[function.table].append(function)
    return {name: tuple(sorted(items, key=_place)) for name, items in origins.items()}


def _place(item: AnyRelationship) -> tuple[object, ...]:
    """Return the sort key of upstream's list, which an ambiguous embed shows to the client."""
    if isinstance(item, ComputedRelationship):
        return (1, item.function)
    junction = item.junction
    through = (junction.table, junction.source_constraint) if junction else ()
    return (0, item.foreign, CARDINALITIES.index(item.cardinality), item.constraint, through)


def _is_exposed(item: Relationship, schemas: frozenset[str]) -> bool:
    junction = item.junction
    return (
        item.table.schema in schemas
        and item.foreign.schema in schemas
        and (junction is None or junction.table.schema in schemas)
    )
