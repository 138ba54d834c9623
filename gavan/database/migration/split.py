"""Split SQL text into statements by Postgres' own grammar (pglast), keeping every byte's place.

Stands below the migration runner; pure. The pieces are trimmed as the supabase CLI trims them
(supabase/cli:apps/cli-go/pkg/parser), because they become rows of its history table.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

COMMENTS = frozenset({"SQL_COMMENT", "C_COMMENT"})
# Lines that pg_dump writes since 18 for psql; they are no SQL and mean nothing elsewhere.
_RESTRICT = re.compile(r"^\\(?:un)?restrict\b.*$", re.MULTILINE)
_WORD = re.compile(r"\w+")
_OUTSIDE = re.compile(r"--[^\n]*|/\*|;")
_IN_COMMENT = re.compile(r"/\*|\*/")
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
    the end for a piece of comments only).
    """

    text: str
    offset: int
    first: int

    @property
    def is_comment(self) -> bool:
        """Whether there is nothing in it for the server."""
        return self.first == self.offset + len(self.text)

    @property
    def first_word(self) -> str:
        """The first word in lower case."""
        found = _WORD.match(self.text, self.first - self.offset)
        return found[0].lower() if found else ""

    def tree(self) -> Any:
        """Return the parse tree; made on demand, a file of rows never needs it.

        Its locations count characters of ``text``.
        """
        from pglast import parser  # noqa: PLC0415 - slow to load; a start without news never does

        return parser.parse_sql(_without_restrict(self.text))[0].stmt


def split(text: str) -> list[Statement]:
    """Return the statements of ``text``; raise SplitError at the first syntax error."""
    from pglast import parser  # noqa: PLC0415 - slow to load; a start without news never does

    # The parser counts bytes; with one ASCII letter for every other character, bytes are
    # characters. Outside ASCII only identifiers, literals and comments are possible anyway.
    ascii_text = _NOT_ASCII.sub("x", _without_restrict(text))
    try:
        slices = parser.split(ascii_text, only_slices=True)
    except parser.ParseError as error:
        message, offset = error.args[0], error.args[1] if len(error.args) > 1 else 0
        raise SplitError(str(message), int(offset or 0)) from None
    return list(_pieces(text, ascii_text, slices))


def _without_restrict(text: str) -> str:
    return _RESTRICT.sub(lambda found: " " * len(found[0]), text)


def _pieces(text: str, ascii_text: str, slices: Sequence[slice]) -> Iterator[Statement]:
    """Cut at the semicolons between statements; those inside belong to rules and bodies."""
    start, before = 0, 0
    first: int | None = None
    for where in (*slices, None):
        gap_end = where.start if where else len(text)
        for end in _semicolons(ascii_text, before, gap_end):
            yield from _piece(text, (start, end), first)
            start, first = end + 1, None
        if where is not None:
            first, before = where.start, where.stop
    yield from _piece(text, (start, len(text)), first)


def _piece(text: str, bounds: tuple[int, int], first: int | None) -> Iterator[Statement]:
    piece = text[bounds[0] : bounds[1]]
    trimmed = piece.strip()
    if trimmed:
        offset = bounds[0] + len(piece) - len(piece.lstrip())
        begin = offset + len(trimmed) if first is None else first
        yield Statement(text=trimmed, offset=offset, first=begin)


def _semicolons(text: str, start: int, end: int) -> Iterator[int]:
    """Yield the semicolons of a stretch that holds only blanks, comments and semicolons."""
    depth = 0
    at = start
    while found := (_IN_COMMENT if depth else _OUTSIDE).search(text, at, end):
        at = found.end()
        if found[0] == "/*":
            depth += 1
        elif found[0] == "*/":
            depth -= 1
        elif found[0] == ";":
            yield found.start()


def checksum(statements: list[str]) -> str:
    """Return sha256 over the words of the statements: blanks and comments do not count.

    Raises SplitError as ``split`` does.
    """
    from pglast import parser  # noqa: PLC0415 - slow to load; a start without news never does

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
