"""What a rule is: a code, why it matters, and a function from a statement to its hits.

Stands under the rules; its title and default level are in the schema of the stack file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gavan.database.lint.catalogue import Catalogue, Name
from gavan.database.lint.document import Document
from gavan.database.migration.split import Statement

SMALL_ROWS = 10_000
"""Up to here a table is read faster than anybody waits."""


class Kind(StrEnum):
    """What a file is for; not every rule speaks of every kind."""

    UP = "up"
    DOWN = "down"
    SEED = "seed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One place a rule objects to; ``offset`` counts characters of the file, ``mend`` is SQL
    wherever SQL can mend it."""

    offset: int
    message: str
    mend: str
    length: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A statement among what is known at it.

    ``made`` is what this file has made before it, ``whole`` what all files together make.
    """

    document: Document
    kind: Kind
    statement: Statement
    tree: Any
    made: Catalogue
    whole: Catalogue
    exposed: tuple[str, ...]
    rows: Mapping[Name, int] | None = None
    """How many rows the tables of the database have; None: no database is asked."""

    def is_new(self, name: Name) -> bool:
        """Say whether nobody uses the table yet: the file makes it, or an earlier one that is
        not applied."""
        is_unknown = self.rows is not None and name not in self.rows
        return name in self.made.relations or is_unknown

    def is_empty(self, name: Name) -> bool:
        """Say whether the table has no row that a change could meet."""
        has_none = self.rows is not None and not self.rows.get(name)
        return self.is_new(name) or has_none

    def is_quiet(self, name: Name) -> bool:
        """Say whether nobody waits for long when the table is locked: it is new, or small."""
        is_small = self.rows is not None and self.rows.get(name, 0) <= SMALL_ROWS
        return self.is_new(name) or is_small

    @property
    def node(self) -> str:
        """The kind of the statement, by pglast's name: ``IndexStmt``."""
        return type(self.tree).__name__

    def hit(self, message: str, mend: str, *, at: int | None = None) -> Hit:
        """Return a hit at the statement's first word, or at a ``location`` of its tree."""
        offset = self.statement.first if at is None else self.statement.offset + at
        text = self.document.text
        end = offset
        while end < len(text) and (text[end].isalnum() or text[end] in '_"'):
            end += 1
        return Hit(offset=offset, message=message, mend=mend, length=max(end - offset, 1))


Check = Callable[[Step], Iterator[Hit]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """``nodes`` are the statements it looks at; empty: it is found while parsing."""

    code: str
    why: str
    check: Check | None = None
    nodes: frozenset[str] = frozenset()
    kinds: frozenset[Kind] = frozenset({Kind.UP})


def rule(code: str, why: str, *nodes: str, kinds: tuple[Kind, ...] = (Kind.UP,)) -> (
    Callable[[Check], Rule]
):  # fmt: skip
    """Turn a generator of hits into a rule that sees the statements named in ``nodes``."""

    def declare(check: Check) -> Rule:
        return Rule(code=code, why=why, check=check, nodes=frozenset(nodes), kinds=frozenset(kinds))

    return declare
