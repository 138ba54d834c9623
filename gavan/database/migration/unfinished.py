"""Statements that Postgres runs outside a transaction: what is left of one after a crash.

Stands under the runner, which journals that such a statement began; only the catalogue knows
whether it ended.
"""

from __future__ import annotations

from typing import Any

from psycopg import sql

from gavan.database.identifier import quote_identifier
from gavan.database.migration.history import Connection
from gavan.database.migration.split import Statement

_DATABASE = "select exists (select from pg_database where datname = %s)"
_INVALID = (
    "select n.nspname, c.relname from pg_index as i"
    " join pg_class as c on c.oid = i.indexrelid join pg_namespace as n on n.oid = c.relnamespace"
    " where not i.indisvalid and "
)


def is_finished(connection: Connection, statement: Statement) -> bool:
    """Tell whether a statement that began before a crash did its work to the end.

    False where it cannot be told: what may be run again, as VACUUM or REINDEX.
    """
    tree = statement.tree()
    match type(tree).__name__:
        case "IndexStmt" if tree.idxname:
            return _holds(
                connection,
                "select exists (select from pg_index as i join pg_class as c"
                " on c.oid = i.indexrelid where i.indisvalid and c.relname = %s"
                " and i.indrelid = to_regclass(%s))",
                tree.idxname,
                _relation(tree.relation),
            )
        case "DropStmt":
            names = [_quoted([part.sval for part in parts]) for parts in tree.objects]
            return all(_holds(connection, "select to_regclass(%s) is null", one) for one in names)
        case "CreatedbStmt":
            return _holds(connection, _DATABASE, tree.dbname)
        case "DropdbStmt":
            return not _holds(connection, _DATABASE, tree.dbname)
        case _:
            return False


def clear(connection: Connection, statement: Statement) -> None:
    """Drop the invalid index that a failed CREATE INDEX or REINDEX CONCURRENTLY left.

    IF NOT EXISTS would take such an index for good, and its plain twin would find the name taken.
    """
    tree = statement.tree()
    match type(tree).__name__:
        case "IndexStmt" if tree.idxname:
            which = "c.relname = %s and i.indrelid = to_regclass(%s)"
            values = [tree.idxname, _relation(tree.relation)]
        case "ReindexStmt" if tree.relation:
            # Of a table, or of an index and so of its table.
            which = (
                "c.relname ~ '_cc(new|old)[0-9]*$' and i.indrelid in (to_regclass(%s),"
                " (select x.indrelid from pg_index as x where x.indexrelid = to_regclass(%s)))"
            )
            values = [_relation(tree.relation)] * 2
        case _:
            return
    for schema, name in connection.execute((_INVALID + which).encode(), values).fetchall():
        index = sql.Identifier(str(schema), str(name))
        connection.execute(sql.SQL("drop index concurrently {}").format(index))


def _holds(connection: Connection, question: str, *values: str) -> bool:
    row = connection.execute(question.encode(), values).fetchone()
    return bool(row and row[0])


def _relation(relation: Any) -> str:
    return _quoted([part for part in (relation.schemaname, relation.relname) if part])


def _quoted(parts: list[str]) -> str:
    return ".".join(map(quote_identifier, parts))
