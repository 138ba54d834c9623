"""A migration file that is known to parse, and whether it can run inside a transaction.

Stands between the split and the runner; pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from gavan.database.migration.errors import from_split
from gavan.database.migration.files import MigrationFile
from gavan.database.migration.split import SplitError, Statement, split

NO_TRANSACTION = "no-transaction"
_ALWAYS_OUTSIDE = {
    "AlterSystemStmt", "CreatedbStmt", "CreateTableSpaceStmt", "DropTableSpaceStmt",
    "DropdbStmt", "VacuumStmt",
}  # fmt: skip
_SAVEPOINTS = {"TRANS_STMT_SAVEPOINT", "TRANS_STMT_RELEASE", "TRANS_STMT_ROLLBACK_TO"}
_CONCURRENTLY = {"IndexStmt", "DropStmt"}
_OUTSIDE_WORDS = re.compile(
    r"\b(?:concurrently|vacuum|system|database|tablespace)\b", re.IGNORECASE
)
_ENDS_TRANSACTION = {"abort", "begin", "commit", "end", "prepare", "rollback", "start"}


class Direction(StrEnum):
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A file that is known to parse."""

    file: MigrationFile
    statements: Sequence[Statement]
    direction: Direction = Direction.UP

    @property
    def texts(self) -> list[str]:
        return [statement.text for statement in self.statements]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it for the server."""
        return all(statement.is_comment for statement in self.statements)

    @property
    def is_outside(self) -> bool:
        """Whether it runs without a transaction: marked, or nothing else is possible."""
        real = [statement for statement in self.statements if not statement.is_comment]
        marked = NO_TRANSACTION in self.file.directives
        return marked or (bool(real) and all(map(needs_no_transaction, real)))


def parse(file: MigrationFile, direction: Direction = Direction.UP) -> Parsed:
    """Split a file; raise StatementError where it does not parse or ends the transaction itself."""
    try:
        statements = split(file.text)
    except SplitError as error:
        raise from_split(file.path, file.text, error) from None
    for statement in statements:
        if statement.first_word in _ENDS_TRANSACTION and _is_transaction_command(statement):
            problem = SplitError("a migration is one transaction already", statement.first)
            raised = from_split(file.path, file.text, problem)
            raised.hint = "remove BEGIN, COMMIT and ROLLBACK from the file"
            raise raised
    return Parsed(file=file, statements=statements, direction=direction)


def needs_no_transaction(statement: Statement) -> bool:
    """Tell whether Postgres refuses the statement inside a transaction."""
    if not _OUTSIDE_WORDS.search(statement.text):
        return False
    tree = statement.tree()
    kind = type(tree).__name__
    if kind in _ALWAYS_OUTSIDE:
        return kind != "VacuumStmt" or bool(tree.is_vacuumcmd)
    if kind == "ReindexStmt":
        return any(option.defname == "concurrently" for option in tree.params or ())
    return kind in _CONCURRENTLY and bool(tree.concurrent)


def _is_transaction_command(statement: Statement) -> bool:
    tree = statement.tree()
    return type(tree).__name__ == "TransactionStmt" and tree.kind.name not in _SAVEPOINTS
