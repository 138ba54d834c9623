"""Questions to a data API, put together at random from parts of its grammar.

The schema is the one of the data API's own tests, with the functions below. Left out is what
PostgREST 12 answers otherwise than 14 (test_postgrest.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

FUNCTIONS = """
create type comp as (a int, b text);
create function f_null() returns int language sql stable as 'select null::int';
create function f_bool(b boolean) returns boolean language sql stable as 'select b';
create function f_arr(a int[]) returns int[] language sql stable as 'select a';
create function f_comp() returns comp language sql stable as $$ select (1, 'x')::comp $$;
create function f_compnull() returns comp language sql stable as 'select null::comp';
create function f_table(n int) returns table (x int, y text) language sql stable as
    $$ select g, 'y' from generate_series(1, n) g $$;
create function f_out(a int, out b int, out c text) language sql stable as $$ select a + 1, 'c' $$;
create function f_inout(inout a int) language sql stable as 'select a * 2';
create function f_setout(out a int, out b int) returns setof record language sql stable as
    'select 1, 2 union all select 3, 4';
create function f_def(a int, b text default 'bb', c boolean default null) returns text
    language sql stable as $$ select a::text || b || coalesce(c::text, 'n') $$;
create function f_var(p text, variadic v int[]) returns text language sql stable as
    'select p || v::text';
create function f_void() returns void language sql as '';
create function f_mood(m mood) returns mood language sql stable as 'select m';
create function f_pos(p positive) returns positive language sql stable as 'select p';
create function f_texts() returns setof text language sql stable as
    $$ values ('a'), ('b'), (null) $$;
create function f_empty() returns setof client language sql stable as
    'select * from client where false';
create function f_clients() returns setof client language sql stable rows 3 as
    'select * from client order by id';
create function f_none() returns client language sql stable as
    'select * from client where id = -1';
create function f_char(c char(3)) returns char(3) language sql stable as 'select c';
create function f_raise() returns int language plpgsql as
    $$ begin raise exception 'boom' using hint = 'h', detail = 'd'; end $$;
create function f_ov(a int) returns int language sql stable as 'select a';
create function f_ov(a int, b int) returns int language sql stable as 'select a + b';
create function f_ov() returns int language sql stable as 'select 0';
create function "f odd"("a b" int) returns int language sql stable as 'select "a b"';
"""
CALLED = [
    "f_null",
    "f_bool",
    "f_arr",
    "f_comp",
    "f_compnull",
    "f_table",
    "f_out",
    "f_inout",
    "f_setout",
    "f_def",
    "f_var",
    "f_void",
    "f_mood",
    "f_pos",
    "f_texts",
    "f_empty",
    "f_clients",
    "f_none",
    "f_char",
    "f_raise",
    "f_ov",
    "f%20odd",
]
ARGUMENTS = (
    """
 |a=1|a=x|a=1&b=2|a=1&b=zz&c=true|a={1,2}|n=3|b=true|m=calm|m=rage|p=3|p=-3|p=a&v=1&v=2
|p=a&v={1,2}|c=abcdef|a%20b=4|a=1&a=2|a=eq.1|x=gt.1|id=eq.1|id=gt.1&order=id.desc|limit=1|offset=1
|order=x.desc|select=x|select=id,name|select=id,project(id)|n=3&select=y,x&x=gt.1|select=*
|a=1&select=b
""".replace("\n", "")
    .strip()
    .split("|")
)
BODIES: tuple[Any, ...] = (
    *({}, {"a": 1}, {"a": "x"}, {"a": 1, "b": "q"}, {"a": 1, "b": 2}, {"a": [1, 2]}, {"n": 2}),
    *({"b": True}, {"b": "true"}, {"m": "calm"}, {"m": "rage"}, {"p": 3}, {"p": -1}),
    *({"p": "a", "v": [1, 2]}, {"c": "abcdef"}, {"a b": 3}, [{"a": 1}, {"a": 2}], [], [1]),
    *({"zz": 1}, {"a": None}),
)
AFTER = ("", "", "", "?select=id", "?limit=1", "?columns=a", "?order=id", "?a=1", "?id=gt.1")

SELECTS = """
*|id|id,name|*,client(*)|id,client(name),task(*)|id,...client(name)|id,data->k|id,data->k->>n
|data->k->n->2|b:budget,tags|tags->0|id,starts::text|client(id,project(id))|id,task!inner(id)
|id,task!left(id)|id,task()|initials|id,client!inner(name)|id,task(person(name))|id, name|id,x:name
|id,client!project_client_id_fkey(id)|*,initials|client_id,client(*,biggest_project(*))|id,data->>s
|id,task(id,task_person(*))|"id"|id::text|id,words|id,|id,,name|client(|client)|client()|id,client
|name.name|*,*|id,id
""".replace("\n", "").split("|")
FILTERS = """
id=eq.1|id=in.(1,2)|id=in.(1,"2")|id=not.in.(1)|id=in.(1,x)|id=in.1|id=in.()|name=like.a*
|name=ilike.*A*|name=like(any).{a*,b*}|name=eq(all).{alpha}|name=neq.alpha|name=match.^a
|name=imatch.^A|budget=gt.10|budget=is.null|budget=not.is.null|name=is.true|tags=cs.{red}
|tags=cd.{red,blue}|tags=ov.{red}|during=sl.[5,9)|during=sr.[1,2)|during=adj.[5,6)|during=nxr.[1,9)
|during=nxl.[1,2)|data->k=eq.null|data->>s=eq.text|data->s=eq."text"|data=cs.{"s":"text"}
|data->k->n->0=eq.1|words=fts.ship|words=wfts(english).sailing|words=plfts(french).sailing
|name=fts.alpha|or=(id.eq.1,name.eq.beta)|and=(id.gt.1,or(id.eq.2,id.eq.3))
|not.or=(id.eq.1,id.eq.2)|or=(id.in.(1,2),name.like.g*)|or=(tags.cs.{red},id.eq.3)
|or=(name.eq."alpha")|or=(data->>s.eq.text)|or=(name.not.eq.alpha)|or=(not.id.eq.1)|and=()
|or=(id.eq.1,)|client.id=eq.1|client.name=eq.Ada|task.done=is.true|client=not.is.null|task=is.null
|starts=gte.2026-01-15|starts=eq.x|id=eq|id=|id=eq.1&id=eq.2|initials=eq.B|id=foo.1|id=not.foo.1
|id=not.eq.1|id=eq.1.2|name=isdistinct.alpha|client.order=id&order=name.desc|order=client(name)
|order=task(id)|order=id.asc.nullsfirst,name|order=budget.nullslast|order=budget.desc.nullsfirst
|order=data->k|order=id.ascending|order=|limit=2&order=id|limit=2&offset=1&order=id
|offset=3&order=id|limit=x|task.limit=1&task.order=id|task.offset=1|client.limit=0|columns=id
""".replace("\n", "").split("|")
JSON = "application/json"
READ_HEADERS: tuple[dict[str, str], ...] = (
    *({}, {}, {"prefer": "count=exact"}, {"range": "0-0"}, {"accept": "text/csv"}),
    {"accept": "application/vnd.pgrst.object+json"},
    {"accept": "application/vnd.pgrst.array+json;nulls=stripped"},
    {"accept": "application/vnd.pgrst.object+json;nulls=stripped"},
    *({"prefer": "count=planned"}, {"prefer": "handling=strict,foo"}),
    {"prefer": "handling=strict,count=exact,timezone=UTC"},
)
WRITTEN: dict[str, tuple[tuple[str, ...], tuple[Any, ...]]] = {
    "client": (
        ("id", "name", "city"),
        (
            *({"id": 10, "name": "a"}, {"id": 1, "name": "up"}, {"id": 11, "name": None}),
            *({"name": "noid"}, {"id": "x", "name": "a"}, {"id": 12, "name": "b", "zzz": 1}),
            [{"id": 13, "name": "a"}, {"id": 14, "name": "b"}],
            [{"id": 13, "name": "a"}, {"id": 1, "name": "b"}],
            *([{"id": 13, "name": "a"}, {"id": 14}], [], {}, [{}], 5, "s", None, [1], [None], [[]]),
            [{"id": 1, "name": "x"}, {"id": 1, "name": "y"}],
        ),
    ),
    "pair": (
        ("a", "b", "note"),
        (
            *({"a": 1, "b": 1}, {"a": 9, "b": 9}, {"a": 9, "b": 9, "note": None}, {"a": 1}),
            [{"a": 1, "b": 1, "note": "x"}, {"a": 7, "b": 7, "note": "y"}],
        ),
    ),
    "keyless": (("id", "name"), ({"id": 1, "name": "x"}, [{"id": 1}, {"id": 2}], {})),
    "generated": (
        ("id", "plain", "doubled"),
        ({"id": 4}, {"doubled": 1}),
    ),
    "sea": (
        ("id", "mood", "depth"),
        ({"id": 5, "mood": "calm", "depth": 3}, {"id": 5, "depth": -1}, {"id": 1, "mood": "x"}),
    ),
    "project": (
        ("id", "name", "client_id"),
        (
            {"id": 50, "name": "p", "tags": ["a"], "during": "[1,4)", "data": {"x": [1]}},
            *({"id": 50, "name": "p", "client_id": 1}, {"id": 50, "name": "p", "client_id": 99}),
            *({"id": 1, "name": "re", "data": None}, {"id": 51, "name": "p", "tags": "{q,r}"}),
        ),
    ),
    "write_only": (("id", "name"), ({"id": 1, "name": "w"},)),
    "secret": (("id", "id"), ({"id": 1},)),
    "project_view": (
        ("project_id", "title", "client"),
        ({"project_id": 60, "title": "v", "client": 1}, {"title": "v"}),
    ),
    "late_unique": (("id", "id"), ([{"id": 1}, {"id": 1}], {"id": 3})),
    "person": (("id", "name"), ({"id": 9, "name": "Ann"}, {"id": 9, "name": "Z", "boss_id": 1})),
}
WRITE_PREFERENCES = (
    *("return=representation", "return=minimal", "return=headers-only", "count=exact"),
    *("resolution=merge-duplicates", "resolution=ignore-duplicates", "missing=default"),
    *("missing=null", "count=planned", "handling=strict", "handling=lenient", "foo=bar"),
    *("timezone=UTC",),
)


@dataclass(frozen=True)
class Question:
    """One request; ``json`` None sends no body."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    json: Any = None


def reads(random: Random, number: int) -> Iterator[Question]:
    """Yield reads of a relation."""
    for _ in range(number):
        filters = "&".join(random.sample(FILTERS, random.choice((1, 1, 2, 3))))
        url = f"/project?select={random.choice(SELECTS)}&{filters}"
        yield Question("GET", url, random.choice(READ_HEADERS))


def writes(random: Random, number: int) -> Iterator[Question]:
    """Yield inserts, upserts, updates and deletes that are rolled back."""
    for _ in range(number):
        table = random.choice(list(WRITTEN))
        columns, bodies = WRITTEN[table]
        method = random.choice(("POST", "POST", "PATCH", "PUT", "DELETE"))
        query = _write_query(random, method, columns)
        wishes = random.sample(WRITE_PREFERENCES, random.choice((0, 1, 2, 2, 3)))
        headers = {"prefer": ",".join(("tx=rollback", *wishes))}
        if random.random() < 0.2 and method != "PUT":
            headers["accept"] = random.choice(("text/csv", "application/vnd.pgrst.object+json"))
        body = None if method == "DELETE" else random.choice(bodies)
        yield Question(method, f"/{table}?{query}", headers, body)


def _write_query(random: Random, method: str, columns: tuple[str, ...]) -> str:
    key, second = columns[0], columns[1]
    some = (key, ",".join(columns[:2]), "nope", ",".join(columns))
    parts = []
    if method != "POST":
        asked = random.choice(["eq.1", "eq.10", "in.(1,2)", "gt.0", "eq.99", "eq.x", "not.eq.1"])
        parts.append(f"{key}={asked}")
    elif random.random() < 0.2:
        parts.append(f"on_conflict={random.choice(columns[:2])}")
    if method in {"PATCH", "DELETE"} and random.random() < 0.3:
        parts.append(random.choice((f"{second}=neq.1", f"or=({key}.eq.1,{key}.eq.2)")))
    if random.random() < 0.4:
        parts.append(f"select={random.choice((*some, '*', f'x:{key}', f'{second}::text'))}")
    if random.random() < 0.2 and method != "DELETE":
        parts.append(f"columns={random.choice(some)}")
    return "&".join(parts)


def calls(random: Random, number: int) -> Iterator[Question]:
    """Yield calls of functions by GET and POST."""
    for _ in range(number):
        name, headers = random.choice(CALLED), random.choice(READ_HEADERS)
        if headers.get("accept") == "text/csv":
            headers = {}  # a header row of its own, on purpose
        if random.random() < 0.5:
            yield Question("GET", f"/rpc/{name}?{random.choice(ARGUMENTS).strip()}", headers)
        else:
            url = f"/rpc/{name}{random.choice(AFTER)}"
            yield Question("POST", url, headers, random.choice(BODIES))


COLUMNS = {
    "client": ("id", "name", "city"),
    "project": ("id", "name", "client_id", "budget", "starts"),
    "task": ("id", "title", "project_id", "done"),
    "person": ("id", "name", "boss_id"),
    "passport": ("person_id", "number"),
    "shipment": ("id", "sender_id", "receiver_id"),
    "project_view": ("project_id", "title", "client"),
    "task_person": ("task_id", "person_id"),
}
WAYS = {
    "client": "project biggest_project:project project_view",
    "project": "client task client_id:client project_client_id_fkey:client",
    "task": "project person task_person project_view",
    "person": "task passport person boss_id:person person!boss_id:person"
    " shipment!sender_id:shipment",
    "passport": "person",
    "shipment": "person!sender_id:person sender_id:person person!shipment_receiver_id_fkey:person",
    "project_view": "client task client!project_client_id_fkey:client",
    "task_person": "task person",
}
"""Embeds of each relation; after a colon the relation they lead to, if it is called otherwise"""
TESTS = ("eq.1", "gt.1", "in.(1,2)", "is.null", "not.is.null", "neq.2", "lte.2")


def embeds(random: Random, number: int) -> Iterator[Question]:
    """Yield reads of relations inside relations, with filters, orders and ranges at every level."""
    for _ in range(number):
        table = random.choice(list(COLUMNS))
        parts: list[str] = []
        select = _embedding(random, table, (), parts)
        if random.random() < 0.3:
            parts.append(f"{random.choice(COLUMNS[table])}={random.choice(TESTS)}")
        if not any(part.startswith("order=") for part in parts):
            parts.append(f"order={COLUMNS[table][0]},{COLUMNS[table][1]}")
        query = "&".join((f"select={select}", *parts))
        headers = random.choice(READ_HEADERS)
        # Without a range 14 takes the rows of the page for the count, 12 counts the parents.
        counts = "count" in headers.get("prefer", "")
        yield Question("GET", f"/{table}?{query}", {} if counts else headers)


def _embedding(random: Random, table: str, path: tuple[str, ...], parts: list[str]) -> str:
    """Return a select list; what applies to its embeds is added to ``parts``."""
    columns = COLUMNS[table]
    items = random.sample(columns, random.randint(1, min(3, len(columns))))
    if random.random() < 0.2:
        items[0] = f"x{len(path)}:{items[0]}"
    ways = random.sample(WAYS[table].split(), 1) if len(path) < 3 and random.random() < 0.8 else ()
    for way in ways:
        name, _, far = way.partition(":")
        below = (*path, name.partition("!")[0])
        inner = _embedding(random, far or name, below, parts)
        join = random.choice(("", "", "!inner", "!left"))
        items.append(f"{name}{join}({inner})")
        parts += _applied(random, below, COLUMNS[far or name])
    return ",".join(items)


def _applied(random: Random, path: tuple[str, ...], columns: tuple[str, ...]) -> list[str]:
    where, key = ".".join(path), columns[0]
    parts = [f"{where}.order={','.join(columns[:2])}"]
    choices = (
        (0.25, f"{where}.{random.choice(columns)}={random.choice(TESTS)}"),
        (0.15, f"{where}.limit={random.randint(0, 2)}"),
        (0.1, f"{where}.offset=1"),
        (0.1, f"{where}.or=({key}.eq.1,{key}.eq.2)"),
        (0.15 if len(path) == 1 else 0, f"{where}={random.choice(('is.null', 'not.is.null'))}"),
        (0.1 if len(path) == 1 else 0, f"order={where}({random.choice(columns)})"),
    )
    return parts + [part for chance, part in choices if random.random() < chance]
