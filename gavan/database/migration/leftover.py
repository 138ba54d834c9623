"""What is left half done in a schema after migrations: invalid indexes, constraints not validated.

Stands under ``apply``, which tells it after every run that changed something. Both look finished to
whoever reads the files, and are not: nobody uses the index, and old rows may break the constraint.
"""

from __future__ import annotations

from gavan.database.migration.history import Connection

# A constraint that is not enforced (18) is never validated either, and is meant so.
_LEFT = """
select format('index %%s is invalid, so no query uses it; mend: reindex index concurrently %%s',
    i.indexrelid::regclass, i.indexrelid::regclass)
from pg_index as i
join pg_class as c on c.oid = i.indexrelid
join pg_namespace as n on n.oid = c.relnamespace
where not i.indisvalid and n.nspname not like 'pg\\_%%'
    -- Of a partitioned table: valid once each part has its own.
    and c.relkind = 'i'
union all
select format('constraint %%I of %%s is not validated, so rows of before may break it;'
    ' mend: alter table %%s validate constraint %%I', k.conname, k.conrelid::regclass,
    k.conrelid::regclass, k.conname)
from pg_constraint as k
join pg_namespace as n on n.oid = k.connamespace
where not k.convalidated and k.conrelid <> 0 and n.nspname not like 'pg\\_%%'
    and coalesce(to_jsonb(k) ->> 'conenforced', 'true') = 'true'
order by 1
limit %s
"""
MOST = 20


def left_over(connection: Connection) -> list[str]:
    """Return a sentence, with the mend, for each of the first ``MOST``."""
    rows = connection.execute(_LEFT.encode(), (MOST,)).fetchall()
    return [str(row[0]) for row in rows]
