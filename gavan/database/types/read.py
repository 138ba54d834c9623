"""Read the catalogue of a database in one round trip.

Stands between Postgres and model.py: the query is catalogue.sql, the rest is arithmetic.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gavan.database.migration.lock import connect
from gavan.database.types.model import (
    COMPOSITE,
    Argument,
    Catalogue,
    Column,
    Link,
    Relation,
    Routine,
    Type,
)
from gavan.database.types.order import by_name
from gavan.database.types.view_rule import Origin, origins
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret

QUERY = (Path(__file__).parent / "catalogue.sql").read_text(encoding="utf-8")
Row = Mapping[str, Any]
Origins = Mapping[int, Mapping[int, Origin]]


def read_catalogue(url: Secret, schemas: Sequence[str]) -> Catalogue:
    """Return what typed clients of these schemas show.

    Raises GavanError GV321 when the database is not reachable, GV322 when a schema is not there.
    """
    with connect(url, "types") as connection:
        row = connection.execute(QUERY.encode(), {"schemas": list(schemas)}).fetchone()
    facts: Row = row[0] if row else {}
    missing = [schema for schema in schemas if schema not in facts["schemas"]]
    if missing:
        raise GavanError(
            "GV322",
            f"there is no schema {', '.join(missing)}",
            hint=f"one of: {', '.join(sorted(facts['schemas']))}; gavan migrate up",
            exit_code=2,
        )
    return build(facts, schemas)


def build(facts: Row, schemas: Sequence[str]) -> Catalogue:
    """Return the catalogue of the query's one JSON object."""
    rules = {row["oid"]: origins(row["rule"]) for row in facts["relations"] if row["rule"]}
    relations = {row["oid"]: _relation(row) for row in facts["relations"]}
    return Catalogue(
        schemas=tuple(schemas),
        types={row["oid"]: Type(**{**row, "labels": tuple(row["labels"])})
               for row in facts["types"]},
        relations={oid: _with_nulls(r, relations, rules) for oid, r in relations.items()},
        routines=tuple(_routine(row) for row in facts["routines"]),
        links=_links(facts["keys"], relations, rules),
    )  # fmt: skip


def _relation(row: Row) -> Relation:
    return Relation(
        oid=row["oid"],
        schema=row["schema"],
        name=row["name"],
        kind=row["kind"],
        events=row["events"],
        columns=tuple(Column(**column) for column in row["columns"]),
    )


def _routine(row: Row) -> Routine:
    types, names = row["types"], row["names"]
    modes = row["modes"] or ["i"] * len(types)
    inputs = sum(mode in "ibv" for mode in modes)
    seen = itertools.count(1)
    arguments = tuple(
        Argument(
            name=names[index] if index < len(names) else "",
            type=kind,
            mode=mode,
            has_default=mode in "ibv" and next(seen) > inputs - row["defaults"],
        )
        for index, (kind, mode) in enumerate(zip(types, modes, strict=True))
    )
    return Routine(
        schema=row["schema"],
        name=row["name"],
        signature=row["signature"],
        arguments=arguments,
        returns=row["returns"],
        is_set=row["is_set"],
        rows=row["rows"],
    )


def _path(relation: int, column: int, rules: Origins) -> Iterator[tuple[int, int, bool]]:
    """Yield the columns that a column stands for, down to the table; and if a join may empty it."""
    is_lost = False
    yield relation, column, is_lost
    while (origin := rules.get(relation, {}).get(column)) is not None:
        relation, column = origin.relation, origin.column
        is_lost = is_lost or origin.is_lost
        yield relation, column, is_lost


def _with_nulls(relation: Relation, relations: Mapping[int, Relation], rules: Origins) -> Relation:
    """Return a view whose columns are null only where the columns they show can be."""
    if relation.oid not in rules:
        return relation
    columns = []
    for column in relation.columns:
        *_, (base, number, is_lost) = _path(relation.oid, column.number, rules)
        shown = relations.get(base)
        found = [c for c in shown.columns if c.number == number] if shown else []
        is_known = bool(found) and not is_lost and base != relation.oid
        columns.append(replace(column, is_nullable=not is_known or found[0].is_nullable))
    return replace(relation, columns=tuple(columns))


def _links(
    keys: Sequence[Row], relations: Mapping[int, Relation], rules: Origins
) -> dict[int, tuple[Link, ...]]:
    """Return the foreign keys each relation shows, within its own schema."""
    shown: dict[tuple[int, int], dict[int, list[str]]] = {}
    for relation in relations.values():
        if relation.kind == COMPOSITE:
            continue
        for column in relation.columns:
            *_, (base, number, _lost) = _path(relation.oid, column.number, rules)
            shown.setdefault((base, number), {}).setdefault(relation.oid, []).append(column.name)
    found: dict[int, list[Link]] = {}
    for key in keys:
        sources = list(_showing(key["relation"], key["columns"], shown))
        targets = list(_showing(key["target"], key["target_columns"], shown))
        for (source, columns), (target, target_columns) in itertools.product(sources, targets):
            if relations[source].schema != relations[target].schema:
                continue
            found.setdefault(source, []).append(
                Link(
                    name=key["name"],
                    columns=columns,
                    is_one_to_one=key["is_one_to_one"],
                    target=relations[target].name,
                    target_columns=target_columns,
                )
            )
    return {oid: tuple(sorted(links, key=_link_order)) for oid, links in found.items()}


def _showing(
    relation: int, numbers: Sequence[int], shown: Mapping[tuple[int, int], Mapping[int, list[str]]]
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the relations that show all these columns, and under which names."""
    by_column = [shown.get((relation, number), {}) for number in numbers]
    for oid in by_column[0]:
        if all(oid in names for names in by_column):
            for names in itertools.product(*(names[oid] for names in by_column)):
                yield oid, names


def _link_order(link: Link) -> tuple[Any, ...]:
    return by_name(link.name), by_name(link.target), link.columns, link.target_columns
