"""Rules about statements that make others wait: they hold a table while they read all of it.

A table that the same file makes is nobody else's yet; nothing here speaks of it. Neither of one
with few rows, where the database is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from gavan.database.identifier import quote_identifier
from gavan.database.lint.catalogue import Name, kind_of, name_of, spell, type_of, words
from gavan.database.lint.new_column import (
    constraints_of,
    is_computed,
    is_rewritten_by,
    volatile_default,
)
from gavan.database.lint.rule import Hit, Step, rule
from gavan.database.migration.files import NO_TRANSACTION
from gavan.database.migration.parsed import needs_no_transaction

_FIRST_LINE = f"-- gavan: {NO_TRANSACTION}"
_INDEX = re.compile(r"\bindex\b", re.IGNORECASE)


@rule(
    "GV351",
    "the table is locked against readers and writers while every row is read or written again",
    "AlterTableStmt",
)
def rewrites(step: Step) -> Iterator[Hit]:
    name = name_of(step.tree.relation)
    if step.is_quiet(name) or step.tree.objtype.name != "OBJECT_TABLE":
        return
    for command in step.tree.cmds:
        column = command.name or ""
        if command.subtype.name == "AT_AlterColumnType" and not _is_free(step, name, command):
            old, new = quote_identifier(column), quote_identifier(f"{column}_new")
            mend = (
                f"alter table {spell(name)} add column {new} {_type(command.def_)}; fill it in"
                f" batches, let the code read it, drop {old} later"
            )
            yield step.hit(f"the type of {spell(name)}.{old} changes", mend)
        elif command.subtype.name == "AT_SetNotNull" and not step.made.is_proven(name, column):
            if step.whole.is_proven(name, column):
                continue
            yield step.hit(f"SET NOT NULL on {spell(name)}.{quote_identifier(column)}",
                           _not_null(name, column))  # fmt: skip


def _is_free(step: Step, name: Name, command: Any) -> bool:
    """Say whether only the catalogue changes: varchar becomes text."""
    table = step.whole.tables.get(name)
    old = table.columns.get(command.name, "") if table else ""
    return old == "varchar" and type_of(command.def_) == "text" and command.def_.raw_default is None


def _type(column: Any) -> str:
    from pglast.stream import RawStream  # noqa: PLC0415 - slow to load; only a lint needs it

    return str(RawStream()(column.typeName))


def _not_null(name: Name, column: str) -> str:
    table, quoted = spell(name), quote_identifier(column)
    check = quote_identifier(f"{name[1]}_{column}_not_null")
    return (
        f"alter table {table} add constraint {check} check ({quoted} is not null) not valid; in"
        f" the next file: alter table {table} validate constraint {check}; then"
        f" alter table {table} alter column {quoted} set not null, drop constraint {check};"
    )


@rule(
    "GV352",
    "with rows in the table it fails (23502), or every row is written again under a lock",
    "AlterTableStmt",
)
def new_columns(step: Step) -> Iterator[Hit]:
    name = name_of(step.tree.relation)
    if step.is_empty(name):
        return
    for command in step.tree.cmds:
        if command.subtype.name == "AT_AddColumn" and type(command.def_).__name__ == "ColumnDef":
            yield from _new_column(step, name, command.def_)


def _new_column(step: Step, name: Name, column: Any) -> Iterator[Hit]:
    constraints = constraints_of(column)
    start = f"alter table {spell(name)} add column {quote_identifier(column.colname)}"
    kind = type_of(column)
    if is_rewritten_by(column) and step.is_quiet(name):
        return
    if is_computed(column):
        mend = f"{start} bigint; fill it in batches, give new rows their value by a default"
        yield step.hit(f"{kind} column writes every row again", mend, at=column.location)
    elif "DEFAULT" in constraints:
        called = volatile_default(column)
        if called:
            mend = (
                f"{start} {_type(column)}; alter table {spell(name)} alter column"
                f" {quote_identifier(column.colname)} set default {called}(); then fill old"
                " rows in batches"
            )
            yield step.hit(f"default {called}() writes every row again", mend,
                           at=column.location)  # fmt: skip
    elif "NOTNULL" in constraints or "PRIMARY" in constraints:
        mend = f"{start} {_type(column)} not null default (a value);"
        yield step.hit(f"NOT NULL column {quote_identifier(column.colname)} without a default",
                       mend, at=column.location)  # fmt: skip


@rule("GV353", "nobody can write to the table until the index is built", "IndexStmt")
def slow_indexes(step: Step) -> Iterator[Hit]:
    name = name_of(step.tree.relation)
    if step.tree.concurrent or step.is_quiet(name):
        return
    text = _without_comments(step)
    concurrently = _INDEX.sub(lambda found: f"{found[0]} concurrently", text, count=1)
    mend = f"in a file of its own: {_FIRST_LINE} / {concurrently};"
    yield step.hit(f"CREATE INDEX on {spell(name)}, which is in use", mend)


def _without_comments(step: Step) -> str:
    text = step.statement.text[step.statement.first - step.statement.offset :]
    return " ".join(re.sub(r"--[^\n]*", "", text).split())


@rule(
    "GV354",
    "writers wait while every row is checked; a foreign key holds both tables",
    "AlterTableStmt",
)
def checked_constraints(step: Step) -> Iterator[Hit]:
    name = name_of(step.tree.relation)
    if step.is_quiet(name):
        return
    for command in step.tree.cmds:
        if command.subtype.name == "AT_AddConstraint":
            yield from _checked(step, name, command.def_)
        elif command.subtype.name == "AT_ValidateConstraint":
            yield from _early(step, name, command.name)


def _checked(step: Step, name: Name, constraint: Any) -> Iterator[Hit]:
    kind = kind_of(constraint)
    if kind not in ("FOREIGN", "CHECK"):
        return
    table = spell(name)
    if not constraint.skip_validation:
        called = quote_identifier(constraint.conname or _usual_name(name, constraint))
        what = "a foreign key" if kind == "FOREIGN" else "a CHECK"
        mend = (
            f"alter table {table} add constraint {called} {_body(constraint)} not valid; in the"
            f" next file: alter table {table} validate constraint {called};"
        )
        yield step.hit(f"{what} on {table} is checked while it is added", mend)
    elif constraint.conname and (name, constraint.conname) not in step.whole.validated:
        line = f"alter table {table} validate constraint {quote_identifier(constraint.conname)};"
        yield step.hit(f"{constraint.conname} is never validated", f"in the next file: {line}")


def _early(step: Step, name: Name, constraint: str) -> Iterator[Hit]:
    if NO_TRANSACTION not in step.document.directives and constraint in step.made.added:
        line = f"alter table {spell(name)} validate constraint {quote_identifier(constraint)};"
        yield step.hit(
            f"{constraint} is validated in the transaction that adds it",
            f"in the next file: {line}",
        )


def _usual_name(name: Name, constraint: Any) -> str:
    columns = words(constraint.fk_attrs)
    return "_".join((name[1], *columns, "fkey" if columns else "check"))


def _body(constraint: Any) -> str:
    """Return the constraint as SQL without its name."""
    from pglast.stream import RawStream  # noqa: PLC0415 - slow to load; only a lint needs it

    text = str(RawStream()(constraint))
    return re.sub(r'^CONSTRAINT ("(?:[^"]|"")*"|\S+) ', "", text)


@rule("GV356", "one such statement takes the transaction from the whole file (25001)",
      "IndexStmt", "DropStmt", "VacuumStmt", "ReindexStmt", "CreatedbStmt", "DropdbStmt",
      "AlterSystemStmt", "CreateTableSpaceStmt", "DropTableSpaceStmt")  # fmt: skip
def not_in_transactions(step: Step) -> Iterator[Hit]:
    statements = step.document.statements
    real = [statement for statement in statements if not statement.is_comment]
    if not needs_no_transaction(step.statement) or NO_TRANSACTION in step.document.directives:
        return
    if not all(map(needs_no_transaction, real)):
        mend = f"put it into a file of its own with the first line: {_FIRST_LINE}"
        yield step.hit("with this statement the file runs without a transaction", mend)


@rule(
    "GV358",
    "readers and writers wait until the index behind it is built",
    "AlterTableStmt",
)
def built_constraints(step: Step) -> Iterator[Hit]:
    name = name_of(step.tree.relation)
    if step.is_quiet(name):
        return
    for command in step.tree.cmds:
        constraint = command.def_
        if command.subtype.name != "AT_AddConstraint" or constraint.indexname is not None:
            continue
        if kind_of(constraint) not in ("UNIQUE", "PRIMARY"):
            continue
        columns = words(constraint.keys)
        ending = "key" if kind_of(constraint) == "UNIQUE" else "pkey"
        called = quote_identifier(constraint.conname or "_".join((name[1], *columns, ending)))
        listed = ", ".join(map(quote_identifier, columns))
        kind = "unique" if ending == "key" else "primary key"
        mend = (
            f"in a file of its own: {_FIRST_LINE} / create unique index concurrently {called} on"
            f" {spell(name)} ({listed}); in the next: alter table {spell(name)} add constraint"
            f" {called} {kind} using index {called};"
        )
        yield step.hit(f"{kind.upper()} on {spell(name)} builds its index while it is added", mend)


@rule("GV359", "everybody who uses the table waits until it ends",
      "LockStmt", "VacuumStmt", "ClusterStmt", "ReindexStmt")  # fmt: skip
def explicit_locks(step: Step) -> Iterator[Hit]:
    options = {option.defname for option in getattr(step.tree, "options", None) or ()}
    params = {option.defname for option in getattr(step.tree, "params", None) or ()}
    what, mend = {
        "LockStmt": ("LOCK TABLE", "lock the rows that are meant: select ... for update"),
        "VacuumStmt": ("VACUUM FULL", "vacuum (analyze) gives space back to the table itself"),
        "ClusterStmt": ("CLUSTER", "an index that covers the query, or pg_repack"),
        "ReindexStmt": ("REINDEX", f"{_FIRST_LINE} / reindex (concurrently) ..."),
    }[step.node]
    if step.node == "VacuumStmt" and "full" not in options:
        return
    if step.node == "ReindexStmt" and "concurrently" in params:
        return
    yield step.hit(f"{what} stops readers and writers", mend)


RULES = (
    rewrites, new_columns, slow_indexes, checked_constraints, not_in_transactions,
    built_constraints, explicit_locks,
)  # fmt: skip
