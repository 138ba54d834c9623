"""What rows a database has, as one number per column: two that are equal have the same rows.

Stands under the squash, which must lose none.
"""

from __future__ import annotations

from collections.abc import Mapping

from psycopg import sql

from gavan.database.migration.history import Connection

Rows = Mapping[str, tuple[object, ...]]
"""table.column -> count and sum of hashes, in no order of the rows."""

_COLUMNS = """
select n.nspname, c.relname, array_agg(a.attname::text order by a.attname)
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relkind in ('r', 'm') and c.relpersistence <> 't' and n.nspname not like 'pg\\_%'
    and n.nspname not in ('information_schema', 'supabase_migrations', 'gavan')
    and not (n.nspname in ('auth', 'storage', 'realtime') and c.relname like '%migrations')
    and (c.relkind = 'r' or c.relispopulated) and has_table_privilege(c.oid, 'select')
group by 1, 2
"""


def read_rows(connection: Connection) -> Rows:
    """Return the numbers of every table that this role may read; empty tables have none."""
    found: dict[str, tuple[object, ...]] = {}
    with connection.transaction():
        connection.execute("set local timezone to 'UTC'")
        for schema, table, columns in connection.execute(_COLUMNS.encode()).fetchall():
            name = sql.Identifier(str(schema), str(table))
            if not _has_rows(connection, name):
                continue
            sums = sql.SQL(", ").join(
                sql.SQL("sum(hashtextextended({}::text, 0))").format(sql.Identifier(column))
                for column in columns
            )
            query = sql.SQL("select count(*), {} from {}").format(sums, name)
            row = connection.execute(query).fetchone() or ()
            for column, number in zip(columns, row[1:], strict=True):
                found[f"{schema}.{table}.{column}"] = (row[0], number)
    return found


def different_rows(one: Rows, other: Rows) -> list[str]:
    """Return table.column of what is not equal."""
    return sorted(key for key in {*one, *other} if one.get(key) != other.get(key))


def _has_rows(connection: Connection, name: sql.Identifier) -> bool:
    row = connection.execute(sql.SQL("select exists (select from {})").format(name)).fetchone()
    return bool(row and row[0])
