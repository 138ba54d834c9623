"""Rules about the shape of tables: keys, indexes and types that are regretted later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gavan.database.identifier import quote_identifier
from gavan.database.lint.catalogue import (
    Name,
    index_text,
    kind_of,
    name_of,
    spell,
    type_of,
    words,
)
from gavan.database.lint.rule import Hit, Step, rule

_TYPES = {
    "timestamp": ("timestamptz", "it keeps no zone: the same text is another moment elsewhere"),
    "varchar": ("text", "a longer text needs a change of the type; text is as fast"),
    "bpchar": ("text", "it pads with blanks, which compare oddly"),
    "json": ("jsonb", "it has no equality and no index"),
    **{
        name: (f"{kind} generated always as identity", "its sequence has rights of its own")
        for name, kind in (
            ("serial", "integer"), ("serial4", "integer"), ("bigserial", "bigint"),
            ("serial8", "bigint"), ("smallserial", "smallint"), ("serial2", "smallint"),
        )
    },
}  # fmt: skip


@rule(
    "GV365",
    "every DELETE above reads the whole table; rows without key cannot be told apart (Realtime,"
    " replication); an index twice is paid for twice",
    "CreateStmt",
    "AlterTableStmt",
    "IndexStmt",
)
def keys(step: Step) -> Iterator[Hit]:
    if step.node == "IndexStmt":
        yield from _twice(step)
        return
    relation = step.tree.relation
    name = name_of(relation)
    table = step.whole.tables.get(name)
    if table is None or relation.relpersistence == "t":
        return
    if step.node == "CreateStmt" and not (table.has_key or table.may_have_key):
        line = f"alter table {spell(name)} add column id uuid primary key"
        mend = f"{line} default gen_random_uuid();"
        yield step.hit(f"{spell(name)} has no primary key", mend, at=relation.location)
    yield from _unindexed(step, name)


def _unindexed(step: Step, name: Name) -> Iterator[Hit]:
    for constraint, columns in _foreign_keys(step):
        if columns and not step.whole.has_index(name, columns):
            called = quote_identifier("_".join((name[1], *columns)))
            listed = ", ".join(map(quote_identifier, columns))
            mend = f"create index {called} on {spell(name)} ({listed});"
            yield step.hit(f"foreign key ({listed}) has no index", mend, at=constraint.location)


def _foreign_keys(step: Step) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Yield the foreign keys that the statement makes with their columns."""
    if step.node == "CreateStmt":
        elements = list(step.tree.tableElts or ())
    else:
        elements = [command.def_ for command in step.tree.cmds if command.def_ is not None]
    for element in elements:
        node = type(element).__name__
        of_column = [
            (one, (element.colname,))
            for one in (element.constraints or () if node == "ColumnDef" else ())
        ]
        of_table = [(element, words(element.fk_attrs))] if node == "Constraint" else []
        yield from (pair for pair in (*of_column, *of_table) if kind_of(pair[0]) == "FOREIGN")


def _twice(step: Step) -> Iterator[Hit]:
    text = index_text(step.tree)
    same = [index for index in step.whole.indexes if index.text == text]
    if len(same) > 1 and any(index.text == text for index in step.made.indexes):
        called = quote_identifier(step.tree.idxname or "")
        yield step.hit(f"index {called} does what another does", "remove this statement")


@rule("GV366", "changing the type of a column that is full of rows writes all of them again",
      "CreateStmt", "AlterTableStmt")  # fmt: skip
def types(step: Step) -> Iterator[Hit]:
    for column in _columns(step):
        name = type_of(column)
        if name not in _TYPES or column.typeName.pct_type:
            continue
        if name in ("varchar", "bpchar") and not column.typeName.typmods:
            continue
        better, reason = _TYPES[name]
        mend = f"{quote_identifier(column.colname)} {better}"
        yield step.hit(f"{name}: {reason}", mend, at=column.typeName.location)


def _columns(step: Step) -> Iterator[Any]:
    if step.node == "CreateStmt":
        yield from (e for e in step.tree.tableElts or () if _is_column(e))
        return
    for command in step.tree.cmds:
        if command.subtype.name == "AT_AddColumn" and _is_column(command.def_):
            yield command.def_


def _is_column(element: Any) -> bool:
    return type(element).__name__ == "ColumnDef" and element.typeName is not None


@rule("GV362", "Postgres reads it as a column and then misses its type (42704)", "CreateStmt")
def inline_indexes(step: Step) -> Iterator[Hit]:
    for column in _columns(step):
        arguments = column.typeName.typmods or ()
        names = [words(getattr(one, "fields", None))[-1:] for one in arguments]
        if column.colname not in ("index", "key") or not names or not all(names):
            continue
        listed = ", ".join(quote_identifier(name[0]) for name in names)
        index = quote_identifier(type_of(column))
        line = f"create index {index} on {spell(name_of(step.tree.relation))} ({listed});"
        yield step.hit(f"INDEX inside CREATE TABLE: {index}", f"after the table: {line}",
                       at=column.location)  # fmt: skip


@rule("GV367", "its lists are cut by the rows that are there: of none, it finds little later",
      "IndexStmt")  # fmt: skip
def empty_lists(step: Step) -> Iterator[Hit]:
    tree = step.tree
    name = name_of(tree.relation)
    if tree.accessMethod != "ivfflat" or name not in step.made.relations:
        return
    part = tree.indexParams[0]
    operators = f" {'.'.join(words(part.opclass))}" if part.opclass else ""
    column = quote_identifier(part.name or "")
    index = f"create index on {spell(name)} using hnsw ({column}{operators});"
    mend = f"{index} or build it after the rows are loaded"
    yield step.hit("ivfflat on an empty table", mend)


@rule("GV369", "REFRESH MATERIALIZED VIEW CONCURRENTLY needs one; without, readers wait",
      "CreateTableAsStmt")  # fmt: skip
def views_without_key(step: Step) -> Iterator[Hit]:
    if step.tree.objtype.name != "OBJECT_MATVIEW":
        return
    name = name_of(step.tree.into.rel)
    if not any(index.table == name and index.unique for index in step.whole.indexes):
        mend = f"create unique index on {spell(name)} (its key);"
        yield step.hit(f"{spell(name)} has no unique index", mend, at=step.tree.into.rel.location)


@rule("GV376", "Postgres refuses to change and delete rows that a publication cannot tell apart",
      "AlterPublicationStmt", "CreatePublicationStmt")  # fmt: skip
def anonymous_rows(step: Step) -> Iterator[Hit]:
    action = getattr(step.tree, "action", None)
    if (action is not None and action.name == "AP_DropObjects") or _only_inserts(step.tree):
        return
    for published in step.tree.pubobjects or ():
        if published.pubtable is None:
            continue
        relation = published.pubtable.relation
        name = name_of(relation)
        table = step.whole.tables.get(name)
        if table is not None and table.is_anonymous:
            mend = f"alter table {spell(name)} replica identity full;"
            message = f"{spell(name)} is published without replica identity"
            yield step.hit(message, mend, at=relation.location)


def _only_inserts(publication: Any) -> bool:
    told = [one.arg.sval for one in publication.options or () if one.defname == "publish"]
    return bool(told) and not {"update", "delete"} & {word.strip() for word in told[0].split(",")}


RULES = (keys, types, inline_indexes, empty_lists, views_without_key, anonymous_rows)
