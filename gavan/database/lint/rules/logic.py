"""Rules about what runs without an error and is wrong all the same: seeds, closures of graphs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gavan.database.lint.catalogue import name_of, spell, words
from gavan.database.lint.rule import Hit, Kind, Step, rule

_INTO = re.compile(
    r"insert\s+into\s+(?P<table>[\w.\"]+)[^()]*\(\s*ancestor\s*,\s*descendant\b", re.IGNORECASE
)
# Each side of the new edge: its end, and what the closure knows beyond it. The end itself is left
# out there, or a cycle would name one row twice.
_JOINED = (
    "insert into {table} (ancestor, descendant, depth, type)"
    " select a.id, d.id, a.n + 1 + d.n, new.type"
    " from (select new.src as id, 0 as n union all select ancestor, depth from {table}"
    " where descendant = new.src and type = new.type and ancestor <> new.src) a"
    " cross join (select new.dst as id, 0 as n union all select descendant, depth from {table}"
    " where ancestor = new.dst and type = new.type and descendant <> new.dst) d"
    " on conflict (ancestor, descendant, type)"
    " do update set depth = least({own}.depth, excluded.depth);"
)
_COMMENT = re.compile(r"--[^\n]*")


@rule(
    "GV373",
    "joining 1->2 and 3->4 by 2->3 needs the ends of both sides: 1->3, 2->4 and 1->4",
    "CreateFunctionStmt",
)
def half_closures(step: Step) -> Iterator[Hit]:
    body = _body(step)
    found = _INTO.search(body)
    if found is None or "new." not in body.lower():
        return
    table = found["table"]
    if not _joins_both_ends(body, table):
        mend = _JOINED.format(table=table, own=table.rpartition(".")[2])
        yield step.hit("an edge is added without the paths that it opens", mend)


def _body(step: Step) -> str:
    for option in step.tree.options or ():
        if option.defname == "as":
            return _COMMENT.sub("", " ".join(words(option.arg)))
    return ""


def _joins_both_ends(body: str, table: str) -> bool:
    """Say whether both sides of a new edge may be the edge's own end.

    Ancestors of its source with the source, times descendants of its target with the target: the
    ends themselves must stand beside what the closure knows, by union or by rows (x, x, 0).
    """
    name = re.escape(table.rpartition(".")[2].strip('"'))
    reads = len(re.findall(rf"(?:from|join|,)\s+(?:\w+\.)?\"?{name}\"?\b", body, re.IGNORECASE))
    has_ends = re.search(r"\bunion\b", body, re.IGNORECASE) or re.search(
        r"values\s*\([^()]*\b(new\.\w+)\s*,\s*\1\s*,\s*0", body, re.IGNORECASE
    )
    return reads >= 2 and has_ends is not None


@rule(
    "GV374",
    "a seed that is run again (gavan seed --again, a reset that stopped) leaves its rows twice",
    "InsertStmt",
    kinds=(Kind.SEED,),
)
def seeds_twice(step: Step) -> Iterator[Hit]:
    tree = step.tree
    source = tree.selectStmt
    if tree.onConflictClause is not None or source is None or _asks_first(source):
        return
    name = name_of(tree.relation)
    mend = (
        f"give the rows of {spell(name)} fixed ids and end the statement with:"
        " on conflict (id) do nothing;"
    )
    yield step.hit(f"a second run adds the rows of {spell(name)} again", mend)


def _asks_first(source: object) -> bool:
    """Say whether a SELECT with a condition decides what is inserted."""
    return getattr(source, "whereClause", None) is not None


RULES = (half_closures, seeds_twice)
