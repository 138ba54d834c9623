"""INSERT, UPDATE and DELETE, and the representation read from what they returned."""

from __future__ import annotations

from gavan.core.rest.plan.model import (
    SOURCE,
    Delete,
    Insert,
    MutatePlan,
    Mutation,
    Update,
)
from gavan.core.rest.sql.answer import NO_BODY, ROWS, answer, body_of, explained
from gavan.core.rest.sql.body import ALIAS, body_rows
from gavan.core.rest.sql.fragments import (
    Params,
    column,
    condition,
    qualified,
    where_clause,
)
from gavan.core.rest.sql.read import select_tree
from gavan.database.identifier import quote_identifier
from gavan.database.session import Statement

_COUNTER = "nullif(current_setting('pgrst.inserted', true), '')::int"


def mutate_statement(plan: MutatePlan) -> Statement:
    """Return the statement of a mutation; its row follows ``answer.COLUMNS``."""
    params = Params()
    mutation = _mutation(plan.mutation, plan.returning, params)
    # Without a body no column of ``select`` may be asked for: RETURNING did not bring them.
    inner = select_tree(plan.node, params) if plan.represents else f"SELECT * FROM {SOURCE}"
    body = body_of(plan.format) if plan.represents else NO_BODY
    inserted = _COUNTER if plan.counts_inserted else "NULL::text"
    location = _location(plan.location) if plan.location else "NULL::text"
    text = f"WITH {SOURCE} AS ({mutation}) " + answer(inner, body, extras=f"{inserted}, {location}")
    if plan.format.explain is not None:
        text = explained(plan.format.explain, text)
    return params.statement(text)


def _mutation(mutation: Mutation, returning: tuple[str, ...], params: Params) -> str:
    match mutation:
        case Insert():
            return _insert(mutation, params) + _returning(mutation.table.name, returning)
        case Update():
            return _update(mutation, returning, params)
        case Delete():
            alias = mutation.table.name
            tests = [condition(alias, where, params) for where in mutation.where]
            target = f"{qualified(mutation.table)} AS {quote_identifier(alias)}"
            return f"DELETE FROM {target}{where_clause(tests)}{_returning(alias, returning)}"


def _insert(insert: Insert, params: Params) -> str:
    names = [quote_identifier(target.name) for target in insert.body.targets]
    alias = quote_identifier(insert.table.name)
    columns = f" ({', '.join(names)})" if names else ""
    values = ", ".join(f"{ALIAS}.{name}" for name in names)
    rows = body_rows(insert.body, params)
    tests = [_count(1)] if insert.merge else []
    tests += [condition(ALIAS, where, params) for where in insert.put]
    return (
        f"INSERT INTO {qualified(insert.table)} AS {alias}{columns}"
        f" SELECT {values} FROM {rows}{where_clause(tests)}{_on_conflict(insert, names)}"
    )


def _on_conflict(insert: Insert, names: list[str]) -> str:
    if not insert.conflict:
        return ""
    target = ", ".join(quote_identifier(name) for name in insert.conflict)
    if not (insert.merge and names):
        return f" ON CONFLICT ({target}) DO NOTHING"
    changes = ", ".join(f"{name} = EXCLUDED.{name}" for name in names)
    return f" ON CONFLICT ({target}) DO UPDATE SET {changes} WHERE {_count(-1)}"


def _count(step: int) -> str:
    """Return a condition that is always true and counts: proposed rows up, conflicts down."""
    counted = f"(COALESCE({_COUNTER}, 0) + ({step}))::text"
    return f"set_config('pgrst.inserted', {counted}, true) IS NOT NULL"


def _update(update: Update, returning: tuple[str, ...], params: Params) -> str:
    alias = update.table.name
    target = f"{qualified(update.table)} AS {quote_identifier(alias)}"
    if not update.body.targets:
        shown = ", ".join(column(alias, name) for name in returning) or "1"
        return f"SELECT {shown} FROM {target} WHERE false"
    changes = ", ".join(
        f"{quote_identifier(item.name)} = {ALIAS}.{quote_identifier(item.name)}"
        for item in update.body.targets
    )
    rows = body_rows(update.body, params, first_only=True)
    tests = [condition(alias, where, params) for where in update.where]
    returned = _returning(alias, returning)
    return f"UPDATE {target} SET {changes} FROM {rows}{where_clause(tests)}{returned}"


def _returning(alias: str, names: tuple[str, ...]) -> str:
    return " RETURNING " + (", ".join(column(alias, name) for name in names) or "1")


def _location(keys: tuple[str, ...]) -> str:
    """Return the key of the first row as a JSON array of texts."""
    values = ", ".join(f"{ROWS}.{quote_identifier(key)}::text" for key in keys)
    return f"json_agg(json_build_array({values}))->>0"
