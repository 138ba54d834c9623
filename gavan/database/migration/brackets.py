"""BEGIN and COMMIT in a migration: one pair around it means nothing, all else would break it.

Stands between the split and what is known of a parsed file; pure.
"""

from __future__ import annotations

from gavan.database.migration.split import SplitError, Statement

_WORDS = frozenset({"abort", "begin", "commit", "end", "prepare", "rollback", "start"})
_SAVEPOINTS = frozenset({"TRANS_STMT_SAVEPOINT", "TRANS_STMT_RELEASE", "TRANS_STMT_ROLLBACK_TO"})
# What many write around a whole file; the transaction of the runner takes its place.
_PAIR = (("TRANS_STMT_BEGIN", "TRANS_STMT_START"), ("TRANS_STMT_COMMIT",))


class Brackets:
    """Sees the statements of one file in order; ``count`` are the commands that meant nothing."""

    def __init__(self) -> None:
        self.count = 0
        self._last: Statement | None = None

    def is_bracket(self, statement: Statement) -> bool:
        """Tell whether a statement is one of the pair.

        Raises SplitError for any other command that begins or ends a transaction.
        """
        if statement.first_word not in _WORDS:
            return False
        tree = statement.tree()
        if type(tree).__name__ != "TransactionStmt" or tree.kind.name in _SAVEPOINTS:
            return False
        wanted = _PAIR[self.count] if self.count < len(_PAIR) else ()
        if tree.kind.name not in wanted or tree.options or tree.chain:
            raise _refusal(statement)
        self.count += 1
        self._last = statement
        return True

    def end(self, *, is_outside: bool = False) -> None:
        """Raise SplitError where half of the pair is missing, or the file has no transaction."""
        if self._last is not None and (self.count != len(_PAIR) or is_outside):
            raise _refusal(self._last)


def _refusal(statement: Statement) -> SplitError:
    return SplitError(
        "a migration is one transaction already",
        statement.first,
        "remove BEGIN, COMMIT and ROLLBACK from the file",
    )
