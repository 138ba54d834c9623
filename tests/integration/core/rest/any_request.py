"""Hypothesis strategies for requests to the schema of these tests: by the grammar, then spoilt."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import quote

from hypothesis import strategies as st

Pairs = list[tuple[str, str]]
Headers = list[tuple[bytes, bytes]]

RELATIONS = ("client", "project", "task", "person", "pair", "keyless", "sea", "project_view")
RARE = ("secret", "generated", "note", "write_only", 'odd "name', "calm_view", "nope", "")
ROUTINES = ("add", "hello", "nothing", "projects_of", "one_project", "numbers", "pair_out")
MORE = ("echo_body", "echo_text", "joined", "plain_list", "over", "write_row", "bare_record")
COLUMNS = ("id", "name", "title", "client_id", "project_id", "budget", "starts", "tags", "during")
OTHERS = (
    "data",
    "words",
    "done",
    "created_at",
    "city",
    "a",
    "b",
    "note",
    "mood",
    "depth",
    "initials",
)
EMBEDS = (
    "client",
    "project",
    "task",
    "person",
    "passport",
    "biggest_project",
    "projects",
    "reports",
)
OPERATORS = (
    *("eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike", "match", "imatch", "is", "in"),
    *("isdistinct", "fts", "plfts", "phfts", "wfts", "cs", "cd", "ov", "sl", "sr", "nxr", "nxl"),
    "adj",
)
METHODS = (*("GET",) * 3, "HEAD", "POST", "POST", "PATCH", "PUT", "DELETE", "OPTIONS")
VALUES = (
    *(
        "1",
        "2",
        "-1",
        "0",
        "10.5",
        "1e400",
        "99999999999",
        "",
        "null",
        "true",
        "Ada",
        "B*",
        "%",
        "*",
    ),
    *(
        "2026-01-01",
        "infinity",
        "{red}",
        "{}",
        "[1,3)",
        "(1,2)",
        '{"k":1}',
        '"x"',
        "calm",
        "(",
        "a&b",
    ),
    *(
        "(1,2)",
        '("a","b,c")',
        "(null)",
        "[a",
        "\\",
        "'",
        "été",
        "\u0000",
        "fat & cat",
        "(?<",
        "any",
    ),
)
SPECIAL = "().,:!*&=-><\"'\\{}[]%+ $;#?/\u0000é\U0001f600" + "aeN019"
TOKENS = (
    *("return=representation", "return=minimal", "return=headers-only", "count=exact"),
    *("count=planned", "count=estimated", "resolution=merge-duplicates", "missing=default"),
    *("resolution=ignore-duplicates", "handling=strict", "handling=lenient", "max-affected=1"),
    *("timezone=Asia/Tokyo", "timezone=Nowhere", "tx=rollback", "tx=commit", "return=what", "x"),
)
ACCEPTED = (
    *("*/*", "application/json", "text/csv", "application/vnd.pgrst.object+json", "text/plain"),
    *("application/vnd.pgrst.array+json;nulls=stripped", "application/octet-stream", "text/xml"),
    *("application/vnd.pgrst.plan", "application/vnd.pgrst.plan+json;options=analyze|buffers"),
    *("application/vnd.pgrst.object+json;nulls=stripped, text/csv;q=0.5", ";;", "a/b, */*;q=0.1"),
    *("application/openapi+json", 'application/vnd.pgrst.plan+json; for="text/csv"'),
)
SENT = (
    "application/json",
    "text/csv",
    "application/x-www-form-urlencoded",
    "text/plain",
    "text/xml",
)
SENT_RARELY = ("application/octet-stream", "application/json; charset=latin1", "multipart/x", "")

names = st.sampled_from(COLUMNS) | st.sampled_from(OTHERS) | st.just("*")
values = st.sampled_from(VALUES) | st.text(max_size=6)
paths = st.lists(st.sampled_from(["->a", "->>s", "->0", "->>-1", '->"x y"', "->k->n"]), max_size=2)


@dataclass(frozen=True, slots=True)
class Request:
    """What goes over the wire; ``target`` is path and query, encoded."""

    method: str
    target: bytes
    headers: Headers
    body: bytes


@st.composite
def fields(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(["", "", "x:"])) + draw(names) + "".join(draw(paths))
    text += draw(st.sampled_from(["", "", "", "::text", "::int", "::nope"]))
    return text + draw(st.sampled_from(["", "", "", ".sum()", ".count()", ".max()::text", ".no()"]))


def _embed(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(
        lambda mark, name, hint, items: f"{mark}{name}{hint}({','.join(items)})",
        st.sampled_from(["", "", "x:", "..."]),
        st.sampled_from(EMBEDS),
        st.sampled_from(["", "", "!inner", "!left", "!client_id", "!nope", "!inner!boss_id"]),
        st.lists(inner, max_size=3),
    )


items = st.recursive(fields() | st.just("count()"), _embed, max_leaves=6)


@st.composite
def predicates(draw: st.DrawFn) -> str:
    """Return ``op.value`` as a filter has it."""
    operator = draw(st.sampled_from(OPERATORS))
    negated = draw(st.sampled_from(["", "", "not."]))
    option = draw(st.sampled_from(["", "", "", "(any)", "(all)", "(english)", "(nope)"]))
    value = draw(values)
    if operator == "in":
        value = f"({','.join(draw(st.lists(values, max_size=3)))})"
    return f"{negated}{operator}{option}.{value}"


@st.composite
def filters(draw: st.DrawFn) -> tuple[str, str]:
    where = draw(st.sampled_from(["", "", "", *(f"{name}." for name in EMBEDS)]))
    return where + draw(names) + "".join(draw(paths)), draw(predicates())


def _group(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(
        lambda word, children: f"{word}({','.join(children)})",
        st.sampled_from(["and", "or", "not.and", "not.or"]),
        st.lists(inner, max_size=3),
    )


leaves = st.builds(lambda pair: f"{pair[0]}.{pair[1]}", filters())
trees = st.recursive(leaves, _group, max_leaves=5)
groups = st.builds(
    lambda key, children: (key, f"({','.join(children)})"),
    st.sampled_from(["or", "and", "not.or", "project.or", "not.and"]),
    st.lists(trees, max_size=3),
)
orders = st.lists(
    st.builds(
        lambda name, way, nulls: f"{name}{way}{nulls}",
        names | st.sampled_from(["client(name)", "project(id)", "nope(a)", "data->k"]),
        st.sampled_from(["", ".asc", ".desc", ".up"]),
        st.sampled_from(["", ".nullsfirst", ".nullslast"]),
    ),
    min_size=1,
    max_size=3,
).map(",".join)
numbers = st.sampled_from(["0", "1", "2", "-1", "9999999999999999999999", "x", "", "1e3"])


def parameters() -> st.SearchStrategy[Pairs]:
    """Return the pairs of a query string."""
    lists = st.lists(st.sampled_from((*COLUMNS, "nope")), max_size=3).map(",".join)
    return st.lists(
        filters()
        | filters()
        | groups
        | st.tuples(st.just("select"), st.lists(items, max_size=4).map(",".join))
        | st.tuples(st.sampled_from(["order", "order", "project.order"]), orders)
        | st.tuples(st.sampled_from(["limit", "offset", "task.limit", "project.offset"]), numbers)
        | st.tuples(st.sampled_from(["columns", "on_conflict"]), lists)
        | st.tuples(st.sampled_from(["a", "b", "parts", "client", "wanted", "v", ""]), values),
        max_size=5,
    )


@st.composite
def spoilt(draw: st.DrawFn, text: str) -> str:
    """Return the text with a few letters changed."""
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(text)))
        text = (
            text[:place] + draw(st.sampled_from(SPECIAL)) + text[place + draw(st.integers(0, 2)) :]
        )
    return text


@st.composite
def targets(draw: st.DrawFn) -> bytes:
    name = draw(st.sampled_from((*RELATIONS, *RELATIONS, *RARE)))
    if draw(st.integers(0, 3)) == 0:
        name = "rpc/" + draw(st.sampled_from((*ROUTINES, *MORE, "nope")))
    query = "&".join(
        f"{quote(key, safe=SAFE)}={quote(value, safe=SAFE)}" for key, value in draw(parameters())
    )
    text = f"/{quote(name)}" + (f"?{query}" if query else "")
    if draw(st.integers(0, 4)) == 0:
        text = "/" + draw(spoilt(text[1:]))
    # What no client can send: blanks and control characters end the request line.
    return b"".join(
        bytes([byte]) if 0x21 <= byte < 0x7F and byte != ord("#") else b"%%%02X" % byte
        for byte in text.encode()
    )


SAFE = "*:!.,()->\"'{}[]$"


def headers() -> st.SearchStrategy[Headers]:
    """Return headers that mean something here, well formed for HTTP."""
    prefer = st.lists(st.sampled_from(TOKENS), min_size=1, max_size=4).map(", ".join)
    spans = st.sampled_from(
        ["0-0", "1-", "5-2", "-3", "0-99999999999999999999", "a-b", "items=0-1"]
    )
    pairs = (
        st.tuples(st.just("prefer"), prefer)
        | st.tuples(st.just("accept"), st.sampled_from(ACCEPTED))
        | st.tuples(st.just("range"), spans)
        | st.tuples(st.just("content-type"), st.sampled_from((*SENT, *SENT, *SENT_RARELY)))
        | st.tuples(
            st.sampled_from(["accept-profile", "content-profile"]),
            st.sampled_from(["public", "other", "nope", "\u00e9"]),
        )
        | st.tuples(st.just("authorization"), st.sampled_from(["Bearer x", "Bearer a.b.c", "no"]))
    )
    return st.lists(pairs, max_size=4).map(
        lambda found: [(name.encode(), value.encode("latin-1")) for name, value in found]
    )


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | values
rows = st.dictionaries(st.sampled_from((*COLUMNS, *OTHERS, "nope", "")), scalars, max_size=4)


def bodies() -> st.SearchStrategy[bytes]:
    """Return JSON, CSV, forms and garbage."""
    documents = rows | st.lists(rows, max_size=3) | scalars | st.lists(scalars, max_size=2)
    lines = st.lists(st.lists(values, min_size=1, max_size=3).map(",".join), max_size=3)
    form = st.lists(st.tuples(names, values), max_size=3).map(
        lambda pairs: "&".join(f"{key}={quote(value)}" for key, value in pairs)
    )
    return (
        documents.map(lambda value: json.dumps(value).encode())
        | lines.map(lambda found: "\n".join(["id,name", *found]).encode())
        | form.map(str.encode)
        | st.binary(max_size=40)
    )


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Return any request: mostly one that means something."""
    method = draw(st.sampled_from(METHODS))
    with_body = method in {"POST", "PATCH", "PUT"} or draw(st.integers(0, 9)) == 0
    body = draw(bodies()) if with_body else b""
    return Request(method, draw(targets()), draw(headers()), body)
