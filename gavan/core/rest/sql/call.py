"""A function call and the tree read from its result."""

from __future__ import annotations

from gavan.core.rest.plan.model import (
    CALL,
    SCALAR,
    SOURCE,
    Arguments,
    BodyArguments,
    CallPlan,
    NamedArguments,
)
from gavan.core.rest.schema_cache import Parameter, Returns
from gavan.core.rest.sql.answer import PAGE, answer, body_of, explained
from gavan.core.rest.sql.body import ALIAS, body_rows
from gavan.core.rest.sql.count import total
from gavan.core.rest.sql.fragments import Params, array_literal, column, qualified
from gavan.core.rest.sql.read import select_tree
from gavan.database.identifier import quote_identifier
from gavan.database.session import Statement


def call_statement(plan: CallPlan) -> Statement:
    """Return the statement of a call; its row follows ``answer.COLUMNS``."""
    params = Params()
    scalar = plan.returns is not Returns.COMPOSITE
    source = _call(plan, params, scalar=scalar)
    single = not plan.returns_set
    page = "1" if single else PAGE
    inner = select_tree(plan.node, params)
    body = body_of(plan.format, scalar=scalar, single=single)
    text = f"WITH {SOURCE} AS ({source}) " + answer(
        inner, body, total=total(plan.node, plan.count, page, params), page=page
    )
    if plan.format.explain is not None:
        text = explained(plan.format.explain, text)
    return params.statement(text)


def _call(plan: CallPlan, params: Params, *, scalar: bool) -> str:
    before, arguments = _arguments(plan.arguments, params)
    called = f"{qualified(plan.function)}({arguments})"
    if scalar:
        return f"SELECT {called} AS {SCALAR}" + (f" FROM {before}" if before else "")
    lateral = f"{before}, LATERAL " if before else ""
    shown = ", ".join(column(CALL, name) for name in plan.returning) or f"{CALL}.*"
    return f"SELECT {shown} FROM {lateral}{called} AS {CALL}"


def _arguments(arguments: Arguments, params: Params) -> tuple[str, str]:
    """Return (a FROM item the arguments come from, the argument list)."""
    match arguments:
        case NamedArguments():
            given = [_named(parameter, value, params) for parameter, value in arguments.values]
            return "", ", ".join(given)
        case BodyArguments():
            if not arguments.parameters:
                return "", ""
            given = [
                _argument(item, f"{ALIAS}.{quote_identifier(item.name)}")
                for item in arguments.parameters
            ]
            return body_rows(arguments.body, params, first_only=True), ", ".join(given)
        case _:
            # Text of a bytea would be read as its escape format: bytes go as hexadecimal.
            raw = arguments.raw
            value = b"\\x" + raw.hex().encode() if arguments.type == "bytea" else raw
            return "", f"{params.bind(value)}::{arguments.type}"


def _named(parameter: Parameter, value: str | tuple[str, ...], params: Params) -> str:
    text = array_literal(value) if isinstance(value, tuple) else value
    return _argument(parameter, f"{params.bind(text)}::{parameter.type}")


def _argument(parameter: Parameter, value: str) -> str:
    variadic = "VARIADIC " if parameter.variadic else ""
    return f"{variadic}{quote_identifier(parameter.name)} := {value}"
