"""Recognise statements that reach beyond their database: roles, databases, the server itself.

Stands before every replay on a shadow database: the shadow shares its server with the real one.
"""

from __future__ import annotations

import re

from gavan.database.migration.split import Statement

_WORDS = re.compile(
    r"\b(?:role|user|group|database|tablespace|system|owned|subscription)\b", re.IGNORECASE
)
_FIRST = frozenset({"alter", "comment", "create", "drop", "reassign"})
_RIGHTS = frozenset({"grant", "revoke"})
_KINDS = frozenset({
    "AlterDatabaseRefreshCollStmt", "AlterDatabaseSetStmt", "AlterDatabaseStmt", "AlterRoleSetStmt",
    "AlterRoleStmt", "AlterSubscriptionStmt", "AlterSystemStmt", "AlterTableSpaceOptionsStmt",
    "CreateRoleStmt", "CreateSubscriptionStmt", "CreateTableSpaceStmt", "CreatedbStmt",
    "DropOwnedStmt", "DropRoleStmt", "DropSubscriptionStmt", "DropTableSpaceStmt", "DropdbStmt",
    "GrantRoleStmt", "ReassignOwnedStmt",
})  # fmt: skip
_OBJECTS = frozenset({"OBJECT_DATABASE", "OBJECT_ROLE", "OBJECT_SUBSCRIPTION", "OBJECT_TABLESPACE"})
_TARGETS = ("objtype", "objectType", "renameType")
_IN_BLOCK = re.compile(
    r"\b(?:create|alter|drop)\s+(?:role|user|group|database|tablespace|owned|subscription)\b"
    r"|\balter\s+system\b|\breassign\s+owned\b",
    re.IGNORECASE,
)


def is_server_wide(statement: Statement) -> bool:
    """Tell whether a statement, or the DO block that it is, changes more than its database.

    What a function does that was made elsewhere is not seen.
    """
    if statement.first_word == "do":
        return bool(_IN_BLOCK.search(statement.text))
    if statement.first_word in _RIGHTS:
        # A membership (`grant x to y`) has none of the words.
        return _reaches(statement)
    return bool(
        statement.first_word in _FIRST and _WORDS.search(statement.text) and _reaches(statement)
    )


def _reaches(statement: Statement) -> bool:
    tree = statement.tree()
    targets = {getattr(getattr(tree, name, None), "name", "") for name in _TARGETS}
    return type(tree).__name__ in _KINDS or not targets.isdisjoint(_OBJECTS)
