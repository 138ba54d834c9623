"""How large the tables of a database are, as its own statistics know it.

Stands under the plans and the lint of what is about to run; reads the catalogue alone, and so never
waits for a lock on a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gavan.database.lint.catalogue import Name
from gavan.database.migration.history import Connection

# What was never analysed is told by its counters; what has bytes has had a row at least.
_SIZES = """
select n.nspname, c.relname,
    greatest(c.reltuples, pg_stat_get_live_tuples(c.oid),
        case when c.relkind in ('r', 'm') and pg_relation_size(c.oid) > 0 then 1 else 0 end,
        (select sum(greatest(p.reltuples, pg_stat_get_live_tuples(p.oid), 0))
            from pg_partition_tree(c.oid) as t join pg_class as p on p.oid = t.relid
            where c.relkind = 'p' and t.isleaf))::bigint,
    case when c.relkind = 'p' then (select sum(pg_total_relation_size(t.relid))::bigint
            from pg_partition_tree(c.oid) as t)
        when c.relkind in ('r', 'm') then pg_total_relation_size(c.oid) else 0 end
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'm', 'v', 'f') and n.nspname not in ('information_schema', 'pg_toast')
    and n.nspname not like 'pg\\_temp%'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """``rows`` is an estimate, ``size_bytes`` are the table with its indexes."""

    rows: int
    size_bytes: int


def read_sizes(connection: Connection) -> Mapping[Name, Size]:
    """Return the size of every table, materialized view and view (of which it is 0)."""
    rows = connection.execute(_SIZES.encode()).fetchall()
    return {
        (str(schema), str(name)): Size(rows=max(int(count), 0), size_bytes=int(size or 0))
        for schema, name, count, size in rows
    }
