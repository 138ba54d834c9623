"""Split SQL text into statements by Postgres' own grammar (pglast), keeping every byte's place.

Stands below the migration runner; pure. The pieces are trimmed as the supabase CLI trims them
(supabase/cli:apps/cli-go/pkg/parser), because they become rows of its history table.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pglast import parser

COMMENTS = frozenset({"SQL_COMMENT", "C_COMMENT"})
# Lines that pg_dump writes since 18 for psql; they are no SQL and mean nothing elsewhere.
_RESTRICT = re.compile(r"^\\(?:un)?restrict\b.*$", re.MULTILINE)
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


class SplitError(Exception):
    """The text does not parse; ``offset`` counts characters from 0."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A piece of a file between two semicolons; comments in front belong to it.

    ``offset`` is where ``text`` starts in the file, ``first`` where its first word does (equal to
    the end for a piece of comments only). ``node`` names the parse tree's class, ``""`` without.
    """

    text: str
    offset: int
    first: int
    node: str
    tree: Any = None


def split(text: str) -> list[Statement]:
    """Return the statements of ``text``; raise SplitError at the first syntax error."""
    # The parser counts bytes; with one ASCII letter for every other character, bytes are
    # characters. Outside ASCII only identifiers, literals and comments are possible anyway.
    ascii_text = _NOT_ASCII.sub("x", _RESTRICT.sub(lambda found: " " * len(found[0]), text))
    try:
        trees = _parse(ascii_text)
        tokens = parser.scan(ascii_text)
    except parser.ParseError as error:
        message, offset = error.args[0], error.args[1] if len(error.args) > 1 else 0
        raise SplitError(str(message), int(offset or 0)) from None
    return list(_pieces(text, trees, tokens))


def _parse(text: str) -> list[tuple[int, int, Any]]:
    """Return (start, end, tree) of every statement that has one."""
    found: list[tuple[int, int, Any]] = []
    for raw in parser.parse_sql(text):
        start = int(raw.stmt_location or 0)
        end = start + raw.stmt_len if raw.stmt_len else len(text)
        found.append((start, end, raw.stmt))
    return found


def _pieces(text: str, trees: list[tuple[int, int, Any]], tokens: Any) -> Iterator[Statement]:
    start = 0
    index = 0
    for end in [*_top_level_semicolons(trees, tokens), len(text)]:
        tree = None
        first = None
        if index < len(trees) and trees[index][0] < end:
            first, _, tree = trees[index]
            index += 1
        piece = text[start:end]
        trimmed = piece.strip()
        if trimmed:
            offset = start + len(piece) - len(piece.lstrip())
            yield Statement(
                text=trimmed,
                offset=offset,
                first=offset + len(trimmed) if first is None else first,
                node="" if tree is None else type(tree).__name__,
                tree=tree,
            )
        start = end + 1


def _top_level_semicolons(trees: list[tuple[int, int, Any]], tokens: Any) -> Iterator[int]:
    """Yield the semicolons outside every statement: those inside belong to rules and bodies."""
    index = 0
    for token in tokens:
        if token.name != "ASCII_59":
            continue
        while index < len(trees) and trees[index][1] <= token.start:
            index += 1
        inside = index < len(trees) and trees[index][0] <= token.start < trees[index][1]
        if not inside:
            yield token.start


def checksum(statements: list[str]) -> str:
    """Return sha256 over the words of the statements: blanks and comments do not count.

    Raises SplitError as ``split`` does.
    """
    digest = hashlib.sha256()
    for statement in statements:
        ascii_text = _NOT_ASCII.sub("x", statement)
        try:
            tokens = [token for token in parser.scan(ascii_text) if token.name not in COMMENTS]
        except parser.ParseError as error:
            raise SplitError(str(error.args[0]), 0) from None
        for token in tokens:
            digest.update(statement[token.start : token.end + 1].encode() + b"\0")
        if tokens:
            digest.update(b";")
    return digest.hexdigest()


def place(text: str, offset: int) -> tuple[int, int]:
    """Return line and column, both from 1, of a character offset."""
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1
