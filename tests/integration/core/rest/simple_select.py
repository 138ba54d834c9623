"""Reads simple enough to be written twice: as a URL and as SQL that says the right answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from hypothesis import strategies as st
from psycopg import sql

COLUMNS = {
    "client": ("id", "name", "city"),
    "project": ("id", "name", "client_id", "budget", "starts", "tags"),
    "task": ("id", "title", "project_id", "done"),
}
OPERATORS = {
    "eq": "=",
    "neq": "<>",
    "gt": ">",
    "gte": ">=",
    "lt": "<",
    "lte": "<=",
    "like": "like",
    "ilike": "ilike",
    "match": "~",
    "isdistinct": "is distinct from",
}
OF_TEXT = tuple(OPERATORS)
OF_ANY = ("eq", "neq", "gt", "gte", "lt", "lte", "isdistinct")
LAST = ("id", "asc", "nullslast")
NUMBERS = ("1", "2", "3", "10.5", "0")
TEXTS = ("Ada", "B%", "a", "alpha", "%", "x y", "Riga", "plan")
TEXTUAL = ("name", "city", "title")
FITTING = {
    "starts": ("2026-01-01", "2026-01-15", "infinity"),
    "tags": ("{blue}", "{red,blue}", "{}"),
    "done": ("true", "false"),
    **dict.fromkeys(TEXTUAL, TEXTS),
}


@dataclass(frozen=True, slots=True)
class Select:
    """A simple read, once for the URL and once for Postgres."""

    table: str
    columns: tuple[str, ...]
    tests: tuple[tuple[str, str, str, bool], ...]
    any_of: bool
    order: tuple[tuple[str, str, str], ...]
    limit: int | None
    offset: int

    def target(self) -> bytes:
        written = [
            f"{column}.{'not.' if negated else ''}{operator}." + '"' + value + '"'
            for column, operator, value, negated in self.tests
        ]
        pairs = [f"select={','.join(self.columns)}"]
        if written:
            pairs.append(f"{'or' if self.any_of else 'and'}=({','.join(written)})")
        terms = [f"{column}.{way}.{nulls}" for column, way, nulls in self.order]
        pairs += [f"order={','.join(terms)}", f"offset={self.offset}"]
        if self.limit is not None:
            pairs.append(f"limit={self.limit}")
        return f"/{self.table}?{'&'.join(pairs)}".replace("%", "%25").replace(" ", "%20").encode()

    def ask(self, connection: psycopg.Connection[Any]) -> Any:
        """Return rows as JSON, or ``refused``."""
        tests = [
            sql.SQL("{}({} {} {})").format(
                sql.SQL("not " if negated else ""),
                sql.Identifier(column),
                sql.SQL(OPERATORS[operator]),
                sql.SQL("'" + value.replace("'", "''") + "'"),
            )
            for column, operator, value, negated in self.tests
        ]
        terms = [
            sql.SQL("{} {} nulls {}").format(
                sql.Identifier(column), sql.SQL(way), sql.SQL(nulls.removeprefix("nulls"))
            )
            for column, way, nulls in self.order
        ]
        query = sql.SQL(
            "select coalesce(json_agg(row), '[]') from (select {} from {} where {} order by {}"
            " limit {} offset {}) row"
        ).format(
            sql.SQL(", ").join(map(sql.Identifier, self.columns)),
            sql.Identifier(self.table),
            sql.SQL(" or " if self.any_of else " and ").join(tests) if tests else sql.SQL("true"),
            sql.SQL(", ").join(terms),
            sql.Literal(self.limit),
            sql.Literal(self.offset),
        )
        try:
            row = connection.execute(query).fetchone()
        except psycopg.Error:
            return "refused"
        return row[0] if row else None


@st.composite
def selects(draw: st.DrawFn) -> Select:
    table = draw(st.sampled_from(sorted(COLUMNS)))
    column = st.sampled_from(COLUMNS[table])
    tests = column.flatmap(
        lambda name: st.tuples(
            st.just(name),
            st.sampled_from(OF_TEXT if name in TEXTUAL else OF_ANY),
            st.sampled_from((*FITTING.get(name, NUMBERS), "x")),
            st.booleans(),
        )
    )
    terms = st.tuples(
        column, st.sampled_from(["asc", "desc"]), st.sampled_from(["nullsfirst", "nullslast"])
    )
    order = draw(st.lists(terms, max_size=2, unique_by=lambda term: term[0]))
    return Select(
        table=table,
        columns=tuple(draw(st.lists(column, min_size=1, max_size=4, unique=True))),
        tests=tuple(draw(st.lists(tests, max_size=3))),
        any_of=draw(st.booleans()),
        # The key last, so that there is one right order.
        order=(*order, *([] if any(term[0] == "id" for term in order) else [LAST])),
        limit=draw(st.none() | st.integers(0, 4)),
        offset=draw(st.integers(0, 5)),
    )
