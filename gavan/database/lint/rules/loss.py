"""Rules about what cannot be taken back, or breaks the release that still runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gavan.database.identifier import quote_identifier
from gavan.database.lint.catalogue import Name, dropped, name_of, spell
from gavan.database.lint.rule import Hit, Kind, Step, rule

CONTRACT = "phase=contract"
_FIRST_LINE = (
    f"a file of its own, released after the code that reads it is gone; its first line:"
    f" -- gavan: {CONTRACT}"
)
_LOST = {"OBJECT_TABLE": "table", "OBJECT_TYPE": "type", "OBJECT_SCHEMA": "schema"}


@rule(
    "GV350",
    "the rows are gone when the file commits, and the release that still runs asks for them",
    "DropStmt", "AlterTableStmt", "TruncateStmt",
)  # fmt: skip
def drops(step: Step) -> Iterator[Hit]:
    if CONTRACT in step.document.directives:
        return
    is_known = step.made.relations.__contains__ if _is_of_types(step.tree) else step.is_new
    for what, name in _lost(step.tree, step.node):
        if not is_known(name) and name[1] not in step.made.schemas:
            yield step.hit(f"{what} loses data", _FIRST_LINE)


def _is_of_types(tree: Any) -> bool:
    """Say whether what is dropped has no rows of its own: a type, a schema."""
    return type(tree).__name__ == "DropStmt" and tree.removeType.name != "OBJECT_TABLE"


def _lost(tree: Any, node: str) -> Iterator[tuple[str, Name]]:
    if node == "TruncateStmt":
        for relation in tree.relations:
            yield f"TRUNCATE {spell(name_of(relation))}", name_of(relation)
    elif node == "AlterTableStmt":
        name = name_of(tree.relation)
        for command in tree.cmds:
            if command.subtype.name == "AT_DropColumn":
                yield f"DROP COLUMN {spell(name)}.{quote_identifier(command.name)}", name
    elif tree.removeType.name in _LOST:
        for parts in tree.objects:
            name = _dropped(parts)
            yield f"DROP {_LOST[tree.removeType.name].upper()} {quote_identifier(name[1])}", name


def _dropped(parts: Any) -> Name:
    """A table is a tuple of texts, a type has its names inside, a schema is one text."""
    if isinstance(parts, tuple):
        return dropped(parts)
    return dropped(parts.names) if hasattr(parts, "names") else ("", parts.sval)


@rule("GV355", "until the new release runs, the old one asks for the old name", "RenameStmt")
def renames(step: Step) -> Iterator[Hit]:
    tree = step.tree
    kind = tree.renameType.name
    if kind not in ("OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_COLUMN"):
        return
    name = name_of(tree.relation)
    if step.is_new(name):
        return
    new = quote_identifier(tree.newname)
    if kind == "OBJECT_COLUMN":
        old = quote_identifier(tree.subname)
        mend = (
            f"add column {new}, fill it and keep both equal by a trigger; drop {old} later, with"
            f" -- gavan: {CONTRACT}"
        )
        yield step.hit(f"RENAME COLUMN {spell(name)}.{old}", mend)
        return
    made = f"create view {spell(name)} with (security_invoker = true) as"
    mend = f"in the same file: {made} table {quote_identifier(name[0])}.{new};"
    yield step.hit(f"RENAME of {spell(name)}", mend)


@rule(
    "GV357",
    "every row is locked and written again in one transaction, or gone",
    "UpdateStmt", "DeleteStmt",
)  # fmt: skip
def whole_tables(step: Step) -> Iterator[Hit]:
    name = name_of(step.tree.relation)
    if step.tree.whereClause is not None or step.is_quiet(name):
        return
    verb = "UPDATE" if step.node == "UpdateStmt" else "DELETE"
    mend = (
        "name the rows: where <what is not done yet>; of a large table do some thousand at a"
        " time, in a job"
    )
    yield step.hit(f"{verb} of every row of {spell(name)}", mend)


@rule(
    "GV360",
    "a down file that stopped half way cannot be run again",
    "DropStmt", "AlterTableStmt",
    kinds=(Kind.DOWN,),
)  # fmt: skip
def careless_drops(step: Step) -> Iterator[Hit]:
    if step.node == "DropStmt":
        if not step.tree.missing_ok and not step.tree.concurrent:
            text = step.statement.text[step.statement.first - step.statement.offset :]
            verb, what, rest = (*text.split(None, 2), "", "")[:3]
            many = what.lower() in ("materialized", "foreign", "event", "access", "text")
            if many:
                second, _, rest = rest.partition(" ")
                what = f"{what} {second}"
            yield step.hit("DROP without IF EXISTS", f"{verb} {what} if exists {rest};")
        return
    for command in step.tree.cmds:
        if command.subtype.name in ("AT_DropColumn", "AT_DropConstraint"):
            if command.missing_ok:
                continue
            what = "column" if command.subtype.name == "AT_DropColumn" else "constraint"
            table, gone = spell(name_of(step.tree.relation)), quote_identifier(command.name)
            mend = f"alter table {table} drop {what} if exists {gone};"
            yield step.hit(f"DROP {what.upper()} without IF EXISTS", mend)


@rule(
    "GV370",
    "Postgres refuses a new value until the transaction that added it has ended (55P04)",
    "InsertStmt", "UpdateStmt", "DeleteStmt", "CreateStmt", "AlterTableStmt", "IndexStmt",
    "ViewStmt", "CreatePolicyStmt", "CreateTableAsStmt", "SelectStmt",
)  # fmt: skip
def young_values(step: Step) -> Iterator[Hit]:
    if "no-transaction" in step.document.directives:
        return
    for value in sorted(step.made.values):
        if f"'{value}'" in step.statement.text:
            mend = "put ALTER TYPE ... ADD VALUE into a migration of its own, before this one"
            yield step.hit(f"'{value}' is used in the file that adds it", mend)


@rule(
    "GV371",
    "the services own these schemas: a hosted project refuses it, an upgrade takes it back",
    "CreateStmt", "AlterTableStmt", "DropStmt", "IndexStmt", "RenameStmt", "ViewStmt",
    "CreateFunctionStmt", "TruncateStmt",
    kinds=(Kind.UP, Kind.DOWN),
)  # fmt: skip
def others_schemas(step: Step) -> Iterator[Hit]:
    for schema, name in _touched(step.tree, step.node):
        if schema in ("auth", "storage", "realtime"):
            mend = (
                "keep what is yours in a schema of your own (a table beside it with a foreign key"
                " on its id); policies and triggers on it are fine"
            )
            yield step.hit(f"changes {schema}.{name}, which is a service's own", mend)


def _touched(tree: Any, node: str) -> Iterator[Name]:
    if node == "DropStmt":
        if tree.removeType.name in ("OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_INDEX"):
            yield from (dropped(parts) for parts in tree.objects)
    elif node == "CreateFunctionStmt":
        yield dropped(tree.funcname)
    elif node == "TruncateStmt":
        yield from map(name_of, tree.relations)
    elif node == "RenameStmt":
        if tree.relation is not None and tree.renameType.name in ("OBJECT_TABLE", "OBJECT_COLUMN"):
            yield name_of(tree.relation)
    else:
        yield name_of(tree.view if node == "ViewStmt" else tree.relation)


@rule(
    "GV375",
    "where the extension is there already the file fails (42710); where it is not, its functions"
    " land in public and callers of the data API see them",
    "CreateExtensionStmt",
)
def extensions(step: Step) -> Iterator[Hit]:
    tree = step.tree
    options = {option.defname for option in tree.options or ()}
    if tree.if_not_exists and "schema" in options:
        return
    missing = "IF NOT EXISTS" if not tree.if_not_exists else "a schema"
    name = tree.extname if tree.extname.isidentifier() else quote_identifier(tree.extname)
    mend = f"create extension if not exists {name} with schema extensions;"
    yield step.hit(f"CREATE EXTENSION {name} without {missing}", mend)


RULES = (drops, renames, whole_tables, careless_drops, young_values, others_schemas, extensions)
