"""Say what a statement takes away for good: tables, columns, rows.

Stands beside the plans, which show it before anything is run; pure. What hides in a function or a
DO block is not seen.
"""

from __future__ import annotations

from typing import Any

from gavan.database.migration.split import Statement

_WORDS = frozenset({"alter", "delete", "drop", "truncate"})
_KEPT_IN = {
    "OBJECT_TABLE": "table",
    "OBJECT_FOREIGN_TABLE": "foreign table",
    "OBJECT_SCHEMA": "schema",
}
# What else may hang on these goes with them: columns of the type, tables of the extension.
_WITH_CASCADE = {
    "OBJECT_TYPE": "columns of type",
    "OBJECT_DOMAIN": "columns of domain",
    "OBJECT_EXTENSION": "what uses extension",
}


def losses(statement: Statement) -> list[str]:
    """Return what is lost, e.g. ``table board`` or ``column task.due``; empty for most."""
    if statement.is_comment or statement.first_word not in _WORDS:
        return []
    tree = statement.tree()
    match type(tree).__name__:
        case "DropStmt":
            return _dropped(tree)
        case "AlterTableStmt":
            return [
                f"column {_relation(tree.relation)}.{command.name}"
                for command in tree.cmds
                if command.subtype.name == "AT_DropColumn"
            ]
        case "TruncateStmt":
            return [f"all rows of {_relation(relation)}" for relation in tree.relations]
        case "DeleteStmt":
            return [f"rows of {_relation(tree.relation)}"]
        case "DropOwnedStmt":
            return ["everything that these roles own"]
        case "DropdbStmt":
            return [f"database {tree.dbname}"]
        case _:
            return []


def _dropped(tree: Any) -> list[str]:
    kind = tree.removeType.name
    noun = _KEPT_IN.get(kind)
    if noun is None and tree.behavior.name == "DROP_CASCADE":
        noun = _WITH_CASCADE.get(kind)
    return [f"{noun} {_name(target)}" for target in tree.objects] if noun else []


def _relation(relation: Any) -> str:
    return f"{relation.schemaname}.{relation.relname}" if relation.schemaname else relation.relname


def _name(target: Any) -> str:
    """Return a name of DropStmt: a list of parts, a type with such a list, or one word."""
    parts = getattr(target, "names", target)
    if isinstance(parts, list | tuple):
        return ".".join(part.sval for part in parts)
    return str(parts.sval)
