"""COPY between the server and its client: only psql has rows to send, or a place for those it gets.

Stands between the split and what is known of a parsed file; pure.
"""

from __future__ import annotations

import re

from gavan.database.migration.split import SplitError, Statement

_WORD = "copy"
_ROWS_FOLLOW = re.compile(r"\bcopy\b.*\bfrom\s+stdin\b", re.IGNORECASE | re.DOTALL)
HINT = (
    "rows in a migration are inserts: dump them with `pg_dump --inserts`;"
    " or load them with psql, outside of the migrations"
)


def refuse_client_copy(statement: Statement) -> None:
    """Raise SplitError for COPY FROM STDIN and COPY TO STDOUT."""
    if statement.first_word != _WORD:
        return
    tree = statement.tree()
    if type(tree).__name__ == "CopyStmt" and tree.filename is None:
        where = "FROM STDIN" if tree.is_from else "TO STDOUT"
        raise SplitError(f"COPY {where} works in psql alone", statement.first, HINT, "GV307")


def follows_copy(text: str, offset: int) -> bool:
    """Tell whether what does not parse at ``offset`` are the rows behind a COPY FROM STDIN."""
    end = text.rfind(";", 0, offset)
    return bool(_ROWS_FOLLOW.search(text, text.rfind(";", 0, max(end, 0)) + 1, max(end, 0)))
