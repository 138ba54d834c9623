"""Find the statements that make one schema of another, by trying them on a shadow.

Stands on the catalogue and the DDL. Postgres is the judge of what depends on what: statements that
are refused are tried again after the others, and after each round the two schemas are compared
anew, until they are equal or a round changes nothing. What lost its place on the way (the
privileges of a view that had to be made again) is a difference of the next round.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import psycopg

from gavan.database.migration.catalogue import (
    Change,
    Difference,
    Schema,
    compare_schemas,
    read_schema,
)
from gavan.database.migration.ddl import Ddl, read_ddl
from gavan.database.migration.history import Connection
from gavan.database.migration.sameness import really_different

ROUNDS = 12
Key = tuple[str, str]
Plans = Mapping[Key, Ddl]

# In this order things are made; they are removed in the reverse one.
_ORDER = (
    "schema", "extension", "type", "sequence", "function", "procedure", "table", "foreign table",
    "column", "cast", "operator", "aggregate", "view", "materialized view", "constraint", "index",
    "statistics", "rule", "trigger", "policy", "event trigger", "publication", "comment",
    "default privileges",
)  # fmt: skip
_REPLACED = frozenset({"function", "procedure", "view"})
_REMADE = frozenset({
    "constraint", "index", "trigger", "rule", "policy", "materialized view", "statistics",
    "aggregate", "cast", "event trigger", "publication",
})  # fmt: skip
# What may take others along: all of them are made again, and none of them has rows.
_CASCADES = frozenset({
    "function", "procedure", "view", "materialized view", "constraint", "table",
})  # fmt: skip
_MADE_OF = """
select distinct case
    when y.oid is not null then format('drop policy %%I on %%s', y.polname, y.polrelid::regclass)
    when g.oid is not null then format('drop trigger %%I on %%s', g.tgname, g.tgrelid::regclass)
    when u.rulename <> '_RETURN'
        then format('drop rule %%I on %%s', u.rulename, u.ev_class::regclass)
    else format('drop %%s if exists %%s cascade',
        case c.relkind when 'm' then 'materialized view' else 'view' end, c.oid::regclass) end
from pg_depend as d
join pg_attribute as a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
left join pg_policy as y on d.classid = 'pg_policy'::regclass and y.oid = d.objid
left join pg_trigger as g on d.classid = 'pg_trigger'::regclass and g.oid = d.objid
left join pg_rewrite as u on d.classid = 'pg_rewrite'::regclass and u.oid = d.objid
left join pg_class as c on c.oid = u.ev_class
where d.refclassid = 'pg_class'::regclass and d.refobjid = %s::regclass
    and quote_ident(a.attname) = %s and coalesce(y.oid, g.oid, u.oid) is not null
"""
_RIGHT = re.compile(
    r"(?P<verb>(?:alter default privileges .*?)?(?:grant|revoke)) (?P<right>[A-Z]+)(?P<rest> on .*)"
)


@dataclass(slots=True)
class Converged:
    """The ``statements`` in the order in which they ran, and the differences that are ``left``."""

    statements: list[str] = field(default_factory=list)
    left: list[Difference] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Why the server refused the statements of the last round."""
    remade: list[str] = field(default_factory=list)
    """Tables and columns that are not the ones of before: their rows would be lost."""


def converge(start: Connection, goal: Connection) -> Converged:
    """Bring the schema of ``start``, a shadow, to that of ``goal``; ``goal`` is only read."""
    wanted, plans = read_schema(goal), read_ddl(goal)
    done = Converged()
    before = _columns(start)
    tried: set[Difference] = set()
    for _ in range(ROUNDS):
        done.left = compare_schemas(wanted, read_schema(start))
        if not tried.isdisjoint(done.left):
            # Made as it should be, and still described otherwise.
            done.left = really_different(start, done.left, plans, read_ddl(start))
        tried |= set(done.left)
        ways = list(_ways(start, done.left, plans)) if done.left else []
        ran, done.refused = _try_all(start, ways)
        done.statements += ran
        if not ran:
            break
    done.remade = _remade(before, _columns(start), wanted)
    done.statements = _merge(done.statements)
    return done


def _ways(
    start: Connection, differences: Sequence[Difference], wanted: Plans
) -> Iterator[list[str]]:
    """Yield, per difference, the statements that may mend it; the first that works is taken."""
    found = read_ddl(start)
    extra = {one.name for one in differences if one.change is Change.EXTRA}
    for one in sorted(differences, key=_rank):
        key = (one.kind, one.name)
        goal, now = wanted.get(key), found.get(key)
        if one.change is Change.EXTRA and now is not None:
            if now.parent not in extra - {one.name} or one.kind == "publication":
                yield from _removal(one.kind, now)
        elif one.change is Change.GONE and goal is not None:
            if goal.create is not None:
                yield [goal.create]
            elif not goal.parent or one.kind.startswith("privileges"):
                yield from (list(setting.ways) for setting in goal.settings.values())
        elif goal is not None and now is not None:
            changes = _change(one.kind, goal, now)
            yield from _loosened(start, one.name, now, changes) if one.kind == "column" else changes


def _rank(difference: Difference) -> tuple[int, int, str]:
    kind = difference.kind
    place = _ORDER.index(kind) if kind in _ORDER else len(_ORDER)
    is_extra = difference.change is Change.EXTRA
    return (0, -place, difference.name) if is_extra else (1, place, difference.name)


def _removal(kind: str, now: Ddl) -> Iterator[list[str]]:
    if now.drop is not None:
        yield [now.drop, f"{now.drop} cascade"] if kind in _CASCADES else [now.drop]
    else:
        yield from ([one.undo] for one in now.settings.values() if one.undo)


def _change(kind: str, goal: Ddl, now: Ddl) -> Iterator[list[str]]:
    """Yield what turns an object into what it should be: its settings first, else made anew."""
    steps = [
        [one.undo] for key, one in now.settings.items() if one.undo and key not in goal.settings
    ]
    steps += [list(one.ways) for key, one in goal.settings.items() if key not in now.settings]
    if steps:
        yield from steps
        return
    if goal.create is None or now.drop is None:
        return
    remade = [f"{now.drop};\n{goal.create}"]
    if kind in _CASCADES:
        remade.append(f"{now.drop} cascade;\n{goal.create}")
    if kind in _REPLACED:
        yield [goal.create, *remade]
    elif kind in _REMADE:
        yield remade


def _loosened(
    start: Connection, name: str, now: Ddl, changes: Iterator[list[str]]
) -> Iterator[list[str]]:
    """Add, where the type of a column changes, a way that first removes what is made of it."""
    column = name.removeprefix(f"{now.parent}.")
    rows = start.execute(_MADE_OF.encode(), (now.parent, column)).fetchall()
    drops = "".join(f"{row[0]};\n" for row in rows)
    for ways in changes:
        is_type = f" alter column {column} type " in ways[0]
        yield [*ways, *(f"{drops}{way}" for way in ways)] if drops and is_type else ways


def _try_all(connection: Connection, ways: list[list[str]]) -> tuple[list[str], list[str]]:
    """Run what works, again and again while something does; return that, and the refusals."""
    ran: list[str] = []
    refused: list[str] = []
    while ways:
        refused, waiting = [], []
        # The gentle ways of all come before the harsh ways of any.
        for several in ways:
            reason = _attempt(connection, several[0])
            if reason is None:
                ran.append(several[0])
            else:
                refused.append(f"{reason}: {_first_line(several[0])}")
                waiting.append(several)
        if len(waiting) == len(ways):
            harsher = _try_harsher(connection, waiting, ran)
            if not harsher:
                break
            waiting = [several for several in waiting if several is not harsher]
        ways = waiting
    return ran, refused


def _try_harsher(connection: Connection, ways: list[list[str]], ran: list[str]) -> list[str] | None:
    """Run one of the later ways of one of ``ways``; return which, None when none works."""
    for several in ways:
        for way in several[1:]:
            if _attempt(connection, way) is None:
                ran.append(way)
                return several
    return None


def _attempt(connection: Connection, statement: str) -> str | None:
    """Run a statement in a transaction of its own; return why it was refused, None when not."""
    try:
        with connection.transaction():
            connection.execute(statement.encode())
    except psycopg.Error as error:
        return error.diag.message_primary or str(error)
    return None


def _first_line(statement: str) -> str:
    return " ".join(statement.split())[:120]


def _columns(connection: Connection) -> Mapping[Key, tuple[int, int]]:
    """Return (table, column) -> what identifies it as long as it is not dropped."""
    rows = connection.execute(
        "select c.oid::regclass::text, a.attname, c.oid::bigint, a.attnum"
        " from pg_class as c join pg_attribute as a on a.attrelid = c.oid"
        " where c.relkind in ('r', 'p', 'm') and a.attnum > 0 and not a.attisdropped"
        " and c.relnamespace::regnamespace::text not like 'pg\\_%'"
    ).fetchall()
    return {(str(table), str(name)): (int(oid), int(number)) for table, name, oid, number in rows}


def _remade(
    before: Mapping[Key, tuple[int, int]], after: Mapping[Key, tuple[int, int]], wanted: Schema
) -> list[str]:
    """Return the columns that were dropped and made again; a materialized view has no rows."""
    return sorted(
        ".".join(key)
        for key, place in before.items()
        if key in after and after[key] != place and ("materialized view", key[0]) not in wanted
    )


def _merge(statements: Sequence[str]) -> list[str]:
    """Join rights that stand in a row and differ in nothing else; those of columns stay alone."""
    merged: list[str] = []
    last = ("", "")
    for statement in statements:
        found = _RIGHT.fullmatch(statement)
        tail = (found["verb"], found["rest"]) if found else ("", "")
        if found and tail == last:
            verb, rest = tail
            rights = merged[-1].removeprefix(f"{verb} ").removesuffix(rest)
            merged[-1] = f"{verb} {rights}, {found['right']}{rest}"
        else:
            merged.append(statement)
        last = tail
    return merged
