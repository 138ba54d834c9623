"""What a column costs that is added to a table with rows: nothing, or all of them written anew.

Stands under the rules and the forecast of locks; pure.
"""

from __future__ import annotations

from typing import Any

from gavan.database.lint.catalogue import kind_of, type_of, words

_VOLATILE = frozenset({
    "gen_random_uuid", "uuid_generate_v4", "uuid_generate_v1", "uuidv4", "uuidv7", "random",
    "clock_timestamp", "timeofday", "nextval", "gen_random_bytes",
})  # fmt: skip
_SERIAL = frozenset({"serial", "bigserial", "smallserial", "serial4", "serial8", "serial2"})


def constraints_of(column: Any) -> dict[str, Any]:
    """Return the constraints of a ColumnDef by kind."""
    return {kind_of(one): one for one in column.constraints or ()}


def is_computed(column: Any) -> bool:
    """Say whether every row gets a value of its own: serial, identity, generated and stored."""
    constraints = constraints_of(column)
    made = constraints.get("GENERATED")
    is_stored = made is not None and made.generated_kind == "s"
    return type_of(column) in _SERIAL or "IDENTITY" in constraints or is_stored


def volatile_default(column: Any) -> str:
    """Return the function of its default that gives another value each time; empty: none."""
    constraint = constraints_of(column).get("DEFAULT")
    found = sorted(_called(constraint.raw_expr) & _VOLATILE) if constraint is not None else []
    return found[0] if found else ""


def is_rewritten_by(column: Any) -> bool:
    """Say whether adding the column writes every row of its table anew."""
    return is_computed(column) or bool(volatile_default(column))


def _called(expression: Any) -> set[str]:
    """Return the names of the functions an expression calls."""
    from pglast.visitors import Visitor  # noqa: PLC0415 - slow to load; only a lint needs it

    found: set[str] = set()

    class Calls(Visitor):
        def visit_FuncCall(self, _ancestors: Any, node: Any) -> None:
            found.add(words(node.funcname)[-1])

    Calls()(expression)
    return found
