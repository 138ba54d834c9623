"""Find applied migrations whose work is not there: a history that came without its schema.

Stands on what the statements of the history made; asks the catalogue for it. A version is hollow
when nothing that it made is left; what is gone in part is drift, and `gavan migrate diff` names it.
"""

from __future__ import annotations

from collections.abc import Sequence

from gavan.database.migration.history import Applied, Connection
from gavan.database.migration.made import made_by

_THERE = """
select case t.kind
    when 'relation' then to_regclass(q.name) is not null
    when 'type' then to_regtype(q.name) is not null
    when 'schema' then to_regnamespace(q.name) is not null
    else exists (
        select from pg_proc as p where p.proname = t.name
            and (t.space = '' or p.pronamespace = to_regnamespace(quote_ident(t.space))))
    end
from unnest(%s::text[], %s::text[], %s::text[]) with ordinality as t (kind, space, name, number)
cross join lateral (
    select concat(quote_ident(nullif(t.space, '')) || '.', quote_ident(t.name))
) as q (name)
order by t.number
"""


def hollow_versions(connection: Connection, history: Sequence[Applied]) -> set[str]:
    """Return the versions of ``history`` that made something of which nothing is there."""
    made = [(version, one) for version, objects in made_by(history).items() for one in objects]
    if not made:
        return set()
    kinds, schemas, names = zip(*(one for _, one in made), strict=True)
    rows = connection.execute(_THERE.encode(), (list(kinds), list(schemas), list(names))).fetchall()
    there = {version for (version, _), row in zip(made, rows, strict=True) if row[0]}
    return {version for version, _ in made} - there
