"""A migration file that is known to parse, and whether it can run inside a transaction.

Stands between the split and the runner; pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from gavan.database.migration.brackets import Brackets
from gavan.database.migration.client_copy import refuse_client_copy
from gavan.database.migration.errors import from_split
from gavan.database.migration.files import NO_TRANSACTION, MigrationFile
from gavan.database.migration.large import SILENT, LargeStatements
from gavan.database.migration.split import SplitError, Statement, place, split

_ALWAYS_OUTSIDE = {
    "AlterSystemStmt", "CreatedbStmt", "CreateTableSpaceStmt", "DropTableSpaceStmt",
    "DropdbStmt", "VacuumStmt",
}  # fmt: skip
_CONCURRENTLY = {"IndexStmt", "DropStmt"}
_OF_ONE_TABLE = {"REINDEX_OBJECT_INDEX", "REINDEX_OBJECT_TABLE"}
_OUTSIDE_WORDS = re.compile(
    r"\b(?:cluster|concurrently|database|discard|reindex|system|tablespace|vacuum)\b", re.IGNORECASE
)


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
    def large(self) -> LargeStatements | None:
        """The statements of a large file; None for all others."""
        return self.statements if isinstance(self.statements, LargeStatements) else None

    def place(self, number: int) -> tuple[int, int]:
        """Return line and column, both from 1, of the first word of a statement."""
        if self.large is not None:
            return self.large.first_place(number)
        return place(self.file.text, self.statements[number].first)

    @property
    def texts(self) -> list[str]:
        return [statement.text for statement in self.statements]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it for the server."""
        if self.large is not None:
            return all(self.large.kind(number) == SILENT for number in range(len(self.large)))
        return not any(statement.is_run for statement in self.statements)

    @property
    def is_outside(self) -> bool:
        """Whether it runs without a transaction: marked, or nothing else is possible.

        One such statement is enough, as for the supabase CLI (`db push` of 2.122 and 3.1). A large
        file must say so: nobody knows all of it before it runs.
        """
        if NO_TRANSACTION in self.file.directives or self.large is not None:
            return self.large is None
        return any(needs_no_transaction(one) for one in self.statements if one.is_run)


def parse(file: MigrationFile, direction: Direction = Direction.UP) -> Parsed:
    """Split a file; raise StatementError where it does not parse or ends the transaction itself.

    One BEGIN and one COMMIT are let stand: the whole file is one transaction anyway. A large file
    is parsed when its statements are asked for; one without a transaction is held for once.
    """
    if file.held is None and NO_TRANSACTION not in file.directives:
        return Parsed(file=file, statements=LargeStatements(file.path), direction=direction)
    text = file.text
    if file.held is None:
        file = MigrationFile.of_text(file.version, file.name, file.path, text)
    brackets = Brackets()
    try:
        statements = [
            replace(one, is_bracket=True) if brackets.is_bracket(one) else one
            for one in split(text)
        ]
        for one in statements:
            refuse_client_copy(one)
        parsed = Parsed(file=file, statements=statements, direction=direction)
        brackets.end(is_outside=parsed.is_outside)
    except SplitError as error:
        raise from_split(file.path, text, error) from None
    return parsed


def needs_no_transaction(statement: Statement) -> bool:
    """Tell whether Postgres refuses the statement inside a transaction."""
    if not _OUTSIDE_WORDS.search(statement.text):
        return False
    tree = statement.tree()
    kind = type(tree).__name__
    if kind in _ALWAYS_OUTSIDE:
        return kind != "VacuumStmt" or bool(tree.is_vacuumcmd)
    if kind == "ReindexStmt":
        is_of_one = tree.kind.name in _OF_ONE_TABLE
        return not is_of_one or any(one.defname == "concurrently" for one in tree.params or ())
    if kind == "DiscardStmt":
        return bool(tree.target.name == "DISCARD_ALL")
    if kind == "ClusterStmt":
        return tree.relation is None
    if kind == "AlterTableStmt":
        return any(getattr(one.def_, "concurrent", False) for one in tree.cmds)
    return kind in _CONCURRENTLY and bool(tree.concurrent)
