"""Tell whether two objects that the server describes with other words are the same.

Stands on the catalogue and the DDL, under every comparison. What the server says of a constraint or
a view is not always what it says of one made from those very words ('-1'::integer becomes
'-1'::integer AS int4). So both are made on a shadow, and what it says then is compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import psycopg

from gavan.database.migration.catalogue import Change, Difference, read_schema
from gavan.database.migration.ddl import Ddl
from gavan.database.migration.history import Connection

# Those whose description is an expression or a query of somebody.
_SPOKEN = frozenset({
    "column", "constraint", "index", "materialized view", "policy", "rule", "statistics", "trigger",
    "view",
})  # fmt: skip


def really_different(
    shadow: Connection,
    differences: Sequence[Difference],
    wanted: Mapping[tuple[str, str], Ddl],
    found: Mapping[tuple[str, str], Ddl],
) -> list[Difference]:
    """Return the differences that stay when both objects are made anew on ``shadow``.

    What is made there is rolled back.
    """
    return [
        one
        for one in differences
        if one.change is not Change.DIFFERENT
        or one.kind not in _SPOKEN
        or not _is_same(shadow, one, wanted.get((one.kind, one.name)), found)
    ]


def _is_same(
    shadow: Connection, one: Difference, goal: Ddl | None, found: Mapping[tuple[str, str], Ddl]
) -> bool:
    now = found.get((one.kind, one.name))
    if goal is None or now is None:
        return False
    first, second = (_described(shadow, one, made) for made in (goal, now))
    return first is not None and first == second


def _described(shadow: Connection, one: Difference, ddl: Ddl) -> str | None:
    """Return what the server says of an object made by ``ddl`` in the place of the one there."""
    try:
        with shadow.transaction(force_rollback=True):
            if one.kind == "column":
                for setting in ddl.settings.values():
                    _try(shadow, setting.ways[0])
            elif ddl.create is None or ddl.drop is None:
                return None
            else:
                # The same name: the drop is that of either.
                shadow.execute(f"{ddl.drop} cascade; {ddl.create}".encode())
            return read_schema(shadow).get((one.kind, one.name))
    except psycopg.Error:
        return None


def _try(shadow: Connection, statement: str) -> None:
    """Run a statement; one that is refused leaves the column as it was, for both alike."""
    try:
        with shadow.transaction():
            shadow.execute(statement.encode())
    except psycopg.Error:
        return
