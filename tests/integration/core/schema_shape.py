"""The shape of a schema as the catalogue tells it: what a dump names and what a diff compares."""

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
where c.relnamespace = %s::regnamespace and c.relkind = 'r'
order by c.relname, a.attnum
"""
_INDEXES = "select indexname, indexdef from pg_indexes where schemaname = %s"
# Since Postgres 18 what is not null is a constraint as well; the columns say it already.
_CONSTRAINTS = """
select conrelid::regclass || ' ' || conname, pg_get_constraintdef(oid)
from pg_constraint
where connamespace = %s::regnamespace and contype <> 'n'
"""
_ENUMS = """
select t.typname, array_agg(e.enumlabel order by e.enumsortorder)::text[]
from pg_enum e join pg_type t on t.oid = e.enumtypid
where t.typnamespace = %s::regnamespace
group by t.typname
"""
_GUARDED = """
select relname from pg_class
where relnamespace = %s::regnamespace and relkind = 'r' and relrowsecurity
order by relname
"""
_COLLATIONS = """
select c.relname || '.' || a.attname, l.collname
from pg_class c
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_collation l on l.oid = a.attcollation and l.collname <> 'default'
where c.relnamespace = %s::regnamespace and c.relkind = 'r'
"""
_FUNCTIONS = """
select p.proname || '(' || pg_get_function_arguments(p.oid) || ')',
    array[pg_get_function_result(p.oid), p.provolatile::text,
        case when p.prosecdef then 'definer' else 'invoker' end, r.rolname]
from pg_proc p join pg_roles r on r.oid = p.proowner
where p.pronamespace = %s::regnamespace
"""
_TRIGGERS = """
select t.tgname, pg_get_triggerdef(t.oid)
from pg_trigger t join pg_class c on c.oid = t.tgrelid
where c.relnamespace = %s::regnamespace and not t.tgisinternal
"""
_GRANTS = """
select c.relname || ' ' || g.grantee::regrole,
    array_agg(g.privilege_type || case when g.is_grantable then '*' else '' end
        order by g.privilege_type)
from pg_class c, aclexplode(c.relacl) g
where c.relnamespace = %s::regnamespace and c.relkind = 'r' and g.grantee <> 0
    and g.privilege_type <> 'MAINTAIN'
group by c.relname, g.grantee
"""
_CALLERS = """
select p.proname || ' ' || r.rolname,
    has_function_privilege(r.oid, p.oid, 'execute')
from pg_proc p, pg_roles r
where p.pronamespace = %s::regnamespace
    and r.rolname in ('anon', 'authenticated', 'service_role', 'postgres')
"""
_BY_NAME = {
    "indexes": _INDEXES,
    "constraints": _CONSTRAINTS,
    "enums": _ENUMS,
    "collations": _COLLATIONS,
    "functions": _FUNCTIONS,
    "triggers": _TRIGGERS,
    "grants": _GRANTS,
    "callers": _CALLERS,
}


def shape(connection: psycopg.Connection[Any], schema: str) -> Shape:
    """Return tables with their columns in order, row security, and the rest by name.

    Grants of tables mark with ``*`` what may be passed on. MAINTAIN, which only newer Postgres
    versions know, is left out.
    """
    connection.execute("set search_path = ''")
    tables: dict[str, list[list[Any]]] = {}
    for table, *column in connection.execute(_COLUMNS, (schema,)).fetchall():
        tables.setdefault(table, []).append(column)
    found: Shape = {
        "tables": tables,
        "row_security": [row[0] for row in connection.execute(_GUARDED, (schema,)).fetchall()],
    }
    for part, query in _BY_NAME.items():
        found[part] = dict(connection.execute(query.encode(), (schema,)).fetchall())
    connection.execute("reset search_path")
    return found
