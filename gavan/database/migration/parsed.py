"""A migration file that is known to parse, and whether it can run inside a transaction.

Stands between the split and the runner; pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
# What many write around a whole file; the transaction of the runner takes its place.
_PAIR = (("TRANS_STMT_BEGIN", "TRANS_STMT_START"), ("TRANS_STMT_COMMIT",))


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
        return not any(statement.is_run for statement in self.statements)

    @property
    def is_outside(self) -> bool:
        """Whether it runs without a transaction: marked, or nothing else is possible.

        One such statement is enough, as for the supabase CLI (`db push` of 2.122 and 3.1).
        """
        marked = NO_TRANSACTION in self.file.directives
        return marked or any(needs_no_transaction(one) for one in self.statements if one.is_run)


def parse(file: MigrationFile, direction: Direction = Direction.UP) -> Parsed:
    """Split a file; raise StatementError where it does not parse or ends the transaction itself.

    One BEGIN and one COMMIT are let stand: the whole file is one transaction anyway.
    """
    try:
        statements = split(file.text)
    except SplitError as error:
        raise from_split(file.path, file.text, error) from None
    found = [number for number, one in enumerate(statements) if _is_transaction_command(one)]
    if _is_pair([statements[number] for number in found]):
        for number in found:
            statements[number] = replace(statements[number], is_bracket=True)
    parsed = Parsed(file=file, statements=statements, direction=direction)
    if found and (parsed.is_outside or not statements[found[0]].is_bracket):
        problem = SplitError("a migration is one transaction already", statements[found[0]].first)
        raised = from_split(file.path, file.text, problem)
        raised.hint = "remove BEGIN, COMMIT and ROLLBACK from the file"
        raise raised
    return parsed


def _is_pair(commands: Sequence[Statement]) -> bool:
    trees = [one.tree() for one in commands]
    return len(trees) == len(_PAIR) and all(
        tree.kind.name in kinds and not tree.options and not tree.chain
        for tree, kinds in zip(trees, _PAIR, strict=True)
    )


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
    if statement.first_word not in _ENDS_TRANSACTION:
        return False
    tree = statement.tree()
    return type(tree).__name__ == "TransactionStmt" and tree.kind.name not in _SAVEPOINTS
