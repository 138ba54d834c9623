"""What the statements of applied migrations have made and nothing took away since, by version.

Stands under the search for hollow versions; pure. In doubt an object is forgotten: what hides in a
DO block, or went with a CASCADE, must not be missed later.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gavan.database.migration.history import Applied
from gavan.database.migration.split import Statement

_FIRST = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/)*(\w*)", re.DOTALL)
_PARSED = frozenset({"create", "drop", "alter"})
_DROPS = re.compile(r"\b(?:drop|execute|rename)\b", re.IGNORECASE)
_SEARCH_PATH = re.compile(r"\bsearch_path\b", re.IGNORECASE)
RELATION, TYPE, FUNCTION, SCHEMA = "relation", "type", "function", "schema"
_DROPPED = {
    "OBJECT_TABLE": RELATION, "OBJECT_VIEW": RELATION, "OBJECT_MATVIEW": RELATION,
    "OBJECT_SEQUENCE": RELATION, "OBJECT_INDEX": RELATION, "OBJECT_FOREIGN_TABLE": RELATION,
    "OBJECT_TYPE": TYPE, "OBJECT_DOMAIN": TYPE, "OBJECT_FUNCTION": FUNCTION,
    "OBJECT_PROCEDURE": FUNCTION, "OBJECT_ROUTINE": FUNCTION, "OBJECT_SCHEMA": SCHEMA,
}  # fmt: skip


class Made(NamedTuple):
    """One object; ``schema`` is empty where the statement does not say it."""

    kind: str
    schema: str
    name: str


@dataclass(slots=True)
class _Work:
    """version -> what it made; ``of`` is the table of an index, and nothing for the others."""

    versions: dict[str, set[Made]] = field(default_factory=dict)
    of: dict[Made, Made] = field(default_factory=dict)

    def add(self, version: str, made: Made, of: Made | None = None) -> None:
        if not any(made in objects for objects in self.versions.values()):
            self.versions.setdefault(version, set()).add(made)
            if of is not None:
                self.of[made] = of

    def forget(self, *gone: Made) -> None:
        for objects in self.versions.values():
            objects -= {one for one in objects if one in gone or self.of.get(one) in gone}

    def forget_schema(self, name: str) -> None:
        for objects in self.versions.values():
            objects -= {one for one in objects if one.schema == name}

    def forget_all_but_tables(self, tables: set[Made]) -> None:
        for objects in self.versions.values():
            objects &= tables


def made_by(history: Sequence[Applied]) -> dict[str, set[Made]]:
    """Return version -> the objects it made that no later statement of the history removed."""
    work, tables = _Work(), set[Made]()
    for row in history:
        texts = row.statements or []
        has_path = any(_SEARCH_PATH.search(text) and _word(text) == "set" for text in texts)
        for text in texts:
            for one, of in _learn(text, work, tables):
                if one.schema or one.kind == SCHEMA or not has_path:
                    work.add(row.version, one, of)
    return {version: objects for version, objects in work.versions.items() if objects}


def _learn(text: str, work: _Work, tables: set[Made]) -> Iterator[tuple[Made, Made | None]]:
    """Take away from ``work`` what a statement removes; yield what it makes."""
    word = _word(text)
    if word in ("do", "call", "select") and _DROPS.search(text):
        work.versions.clear()
        return
    if word not in _PARSED:
        return
    tree = _tree(text)
    if getattr(getattr(tree, "behavior", None), "name", "") == "DROP_CASCADE":
        work.forget_all_but_tables(tables)
    node = type(tree).__name__
    if node == "DropStmt":
        _drop(tree, work)
    elif node in ("RenameStmt", "AlterObjectSchemaStmt"):
        _rename(tree, work)
    elif node == "IndexStmt" and tree.idxname:
        table = _relation(tree.relation)
        yield Made(RELATION, table.schema, tree.idxname), table
    elif node == "CreateSchemaStmt" and tree.schemaname:
        yield Made(SCHEMA, "", tree.schemaname), None
    elif node in _RELATIONS:
        yield from _new_relation(node, _RELATIONS[node](tree), tables)
    elif node in _NAMED:
        kind, parts = _NAMED[node]
        yield _named(kind, getattr(tree, parts)), None


_RELATIONS: dict[str, Callable[[Any], Any]] = {
    "CreateStmt": lambda tree: tree.relation,
    "CreateForeignTableStmt": lambda tree: tree.base.relation,
    "CreateTableAsStmt": lambda tree: tree.into.rel,
    "ViewStmt": lambda tree: tree.view,
    "CreateSeqStmt": lambda tree: tree.sequence,
    "CompositeTypeStmt": lambda tree: tree.typevar,
}
_NAMED = {
    "CreateEnumStmt": (TYPE, "typeName"),
    "CreateRangeStmt": (TYPE, "typeName"),
    "CreateDomainStmt": (TYPE, "domainname"),
    "CreateFunctionStmt": (FUNCTION, "funcname"),
}


def _new_relation(
    node: str, relation: Any, tables: set[Made]
) -> Iterator[tuple[Made, Made | None]]:
    if relation.relpersistence == "t":
        return
    made = _relation(relation)
    if node == "CreateStmt":
        tables.add(made)
    yield (made._replace(kind=TYPE) if node == "CompositeTypeStmt" else made), None


def _drop(tree: Any, work: _Work) -> None:
    kind = _DROPPED.get(tree.removeType.name)
    for target in tree.objects if kind else ():
        parts = getattr(target, "objname", None) or getattr(target, "names", target)
        if kind == SCHEMA:
            work.forget_schema(parts.sval)
            work.forget(Made(SCHEMA, "", parts.sval))
        else:
            _forget_name(work, str(kind), parts)


def _rename(tree: Any, work: _Work) -> None:
    kind = getattr(tree, "renameType", None) or tree.objectType
    if kind.name == "OBJECT_SCHEMA":
        work.forget_schema(tree.subname)
        work.forget(Made(SCHEMA, "", tree.subname))
    elif kind.name in _DROPPED and tree.relation is not None:
        table = _relation(tree.relation)
        work.forget(table, table._replace(schema=""), table._replace(schema="public"))
    elif kind.name in _DROPPED:
        parts = getattr(tree.object, "objname", None) or tree.object
        _forget_name(work, _DROPPED[kind.name], parts)


def _forget_name(work: _Work, kind: str, parts: Any) -> None:
    """Forget an object by its name; without a schema on either side the two may be one."""
    one = _named(kind, parts)
    for objects in work.versions.values():
        same = {
            other
            for other in objects
            if other[::2] == one[::2] and (not one.schema or other.schema in ("", one.schema))
        }
        work.forget(*same)


def _named(kind: str, parts: Any) -> Made:
    texts = [part.sval for part in parts]
    return Made(kind, texts[-2] if len(texts) > 1 else "", texts[-1])


def _relation(relation: Any) -> Made:
    return Made(RELATION, relation.schemaname or "", relation.relname)


def _tree(text: str) -> Any:
    """Return the tree of a statement of the history; None for what another tool cut wrongly."""
    from pglast.parser import ParseError  # noqa: PLC0415 - slow to load; only a status needs it

    try:
        return Statement(text=text, offset=0, first=0).tree()
    except (ParseError, IndexError):
        return None


def _word(text: str) -> str:
    found = _FIRST.match(text)
    return found[1].lower() if found else ""
