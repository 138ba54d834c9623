"""The shape of schema auth as a catalogue tells it: what a dump names and what a diff compares."""

from __future__ import annotations

from typing import Any

import psycopg

Shape = dict[str, Any]

_COLUMNS = """
select c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
    a.attgenerated = 's', pg_get_expr(d.adbin, d.adrelid)
from pg_class c
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
where c.relnamespace = 'auth'::regnamespace and c.relkind = 'r'
order by c.relname, a.attnum
"""
_INDEXES = "select indexname, indexdef from pg_indexes where schemaname = 'auth'"
# Since Postgres 18 what is not null is a constraint as well; the columns say it already.
_CONSTRAINTS = """
select conrelid::regclass || ' ' || conname, pg_get_constraintdef(oid)
from pg_constraint
where connamespace = 'auth'::regnamespace and contype <> 'n'
"""
_ENUMS = """
select t.typname, array_agg(e.enumlabel order by e.enumsortorder)::text[]
from pg_enum e join pg_type t on t.oid = e.enumtypid
where t.typnamespace = 'auth'::regnamespace
group by t.typname
"""
_GUARDED = """
select relname from pg_class
where relnamespace = 'auth'::regnamespace and relkind = 'r' and relrowsecurity
order by relname
"""


def shape(connection: psycopg.Connection[Any]) -> Shape:
    """Return tables with their columns in order, indexes, constraints, enums, row security."""
    connection.execute("set search_path = ''")
    tables: dict[str, list[list[Any]]] = {}
    for table, *column in connection.execute(_COLUMNS).fetchall():
        tables.setdefault(table, []).append(column)
    found = {
        "tables": tables,
        "indexes": dict(connection.execute(_INDEXES).fetchall()),
        "constraints": dict(connection.execute(_CONSTRAINTS).fetchall()),
        "enums": dict(connection.execute(_ENUMS).fetchall()),
        "row_security": [row[0] for row in connection.execute(_GUARDED).fetchall()],
        "versions": [
            row[0]
            for row in connection.execute(
                "select version from auth.schema_migrations order by version"
            ).fetchall()
        ],
    }
    connection.execute("reset search_path")
    return found
