"""Split SQL text into statements by Postgres' own grammar (pglast), keeping the place of each.

Stands below the migration runner; pure. The pieces are trimmed as the supabase CLI trims them (both
majors on npm trim as JavaScript does), because they become rows of its history table.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

COMMENTS = frozenset({"SQL_COMMENT", "C_COMMENT"})
# Lines that pg_dump writes since 18 for psql; they are no SQL and mean nothing elsewhere.
_RESTRICT = re.compile(r"^\\(?:un)?restrict\b.*$", re.MULTILINE)
_WORD = re.compile(r"\w+")
_OUTSIDE = re.compile(r"--[^\n\r]*|/\*|;")
_PLAIN_GAP = ";\n"
# Of the last statements: the runner, the lint and the forecast ask for them one after another.
_TREES = 2048
# As with trees: the runner splits a file, then the lint does. In characters; others are not kept.
_SMALL = 16_384
_IN_COMMENT = re.compile(r"/\*|\*/")
# What the parser says of a text that is only the beginning of one.
_UNFINISHED = re.compile("unterminated |syntax error at end of input")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
# What JavaScript's trim() takes off. Python's strip() would take \x1c-\x1f and \x85 too.
_BLANK = (
    " \t\n\v\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
# Blanks that only trim() knows, where it takes them off: around a statement. (In a literal it does
# not matter that they are taken for spaces: they stay one character.)
_TRIMMED = re.compile(f"(?:^|(?<=;))[{_BLANK}]+|(?<![{_BLANK}])[{_BLANK}]++(?=;|\\Z)")


class SplitError(Exception):
    """The text does not parse; ``offset`` counts characters from 0.

    ``code`` is of what parses, and yet is not for us.
    """

    def __init__(
        self, message: str, offset: int, hint: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.hint = hint
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A piece of a file between two semicolons; comments in front belong to it.

    ``offset`` is where ``text`` starts in the file, ``first`` where its first word does (equal to
    the end for a piece of comments only). ``is_bracket``: a BEGIN or COMMIT that means nothing.
    """

    text: str
    offset: int
    first: int
    is_bracket: bool = False

    @property
    def is_comment(self) -> bool:
        """Whether there is nothing in it for the server."""
        return self.first == self.offset + len(self.text)

    @property
    def is_run(self) -> bool:
        """Whether the server gets it; the history has it in any case."""
        return not (self.is_comment or self.is_bracket)

    @property
    def command(self) -> str:
        """What is sent to the server: the text without the lines that only psql understands."""
        return _without_restrict(self.text) if "\\" in self.text else self.text

    @property
    def first_word(self) -> str:
        """The first word in lower case."""
        found = _WORD.match(self.text, self.first - self.offset)
        return found[0].lower() if found else ""

    def tree(self) -> Any:
        """Return the parse tree; made on demand, a file of rows never needs it.

        Its locations count characters of ``text``. Many ask for the same one: nobody changes it.
        """
        return _shared_tree(self.text)

    def own_tree(self) -> Any:
        """Return a tree as ``tree`` does, for whoever changes it."""
        return _parse(self.text)


@lru_cache(maxsize=_TREES)
def _shared_tree(text: str) -> Any:
    return _parse(text)


def _parse(text: str) -> Any:
    from pglast import parser  # noqa: PLC0415 - slow to load; a start without news never does

    return parser.parse_sql(_without_restrict(text))[0].stmt


def split(text: str) -> list[Statement]:
    """Return the statements of ``text``; raise SplitError at the first syntax error."""
    return list(_known(text) if len(text) <= _SMALL else _split(text))


@lru_cache(maxsize=_TREES)
def _known(text: str) -> tuple[Statement, ...]:
    return tuple(_split(text))


def _split(text: str) -> Iterator[Statement]:
    from pglast import parser  # noqa: PLC0415 - slow to load; a start without news never does

    ascii_text = _as_ascii(_without_restrict(text))
    try:
        slices = parser.split(ascii_text, only_slices=True)
    except parser.ParseError as error:
        message, offset = error.args[0], error.args[1] if len(error.args) > 1 else 0
        raise _split_error(text, str(message), int(offset or 0)) from None
    return _pieces(text, ascii_text, slices)


def split_front(text: str) -> tuple[list[Statement], int]:
    """Return the statements that end within ``text``, a piece of a file, and how far they reach.

    ``text`` ends behind a `;`, which may be the end of a statement or not; 0 means that none ends.
    Raises SplitError for a mistake that the rest of the file cannot mend.
    """
    try:
        return split(text), len(text)
    except SplitError as error:
        if not _UNFINISHED.match(error.message):
            raise
        is_open = error.message.startswith("unterminated")
        cut = _end_of_last_whole(text[: error.offset] if is_open else text)
    try:
        return split(text[:cut]), cut
    except SplitError as error:
        if not _UNFINISHED.match(error.message):
            raise
        return [], 0


def _end_of_last_whole(text: str) -> int:
    """Return the end of the last statement but one, by the words alone; 0 where there is none."""
    from pglast import parser  # noqa: PLC0415 - slow to load; a start without news never does

    ascii_text = _as_ascii(_without_restrict(text))
    slices = parser.split(ascii_text, with_parser=False, only_slices=True)
    if len(slices) < 2:
        return 0
    return max(_semicolons(ascii_text, slices[-2].stop, slices[-1].start), default=-1) + 1


def _as_ascii(text: str) -> str:
    """Return a text of the same length whose characters are bytes, as the parser counts.

    Outside ASCII only identifiers, literals and comments are possible, and blanks around.
    """
    if text.isascii():
        return text
    # Line ends stay: one may end a comment.
    spaced = _TRIMMED.sub(lambda found: _NOT_ASCII.sub(" ", found[0]), text)
    return _NOT_ASCII.sub("x", spaced)


def _split_error(text: str, message: str, offset: int) -> SplitError:
    """Return the error with the word of the file in it, not the one the parser was given."""
    found = re.search(r' at or near "(.*)"$', message, re.DOTALL)
    if found:
        word = text[offset : offset + len(found[1])]
        message = f'{message[: found.start()]} at or near "{word}"'
    return SplitError(message, offset)


def _without_restrict(text: str) -> str:
    return _RESTRICT.sub(lambda found: " " * len(found[0]), text)


def _pieces(text: str, ascii_text: str, slices: Sequence[slice]) -> Iterator[Statement]:
    """Cut at the semicolons between statements; those inside belong to rules and bodies."""
    start, before = 0, 0
    first: int | None = None
    for where in (*slices, None):
        gap_end = where.start if where else len(text)
        # Between most statements of many there is nothing else.
        is_plain = ascii_text[before:gap_end] == _PLAIN_GAP
        for end in (before,) if is_plain else _semicolons(ascii_text, before, gap_end):
            piece = _piece(text, start, end, first)
            if piece is not None:
                yield piece
            start, first = end + 1, None
        if where is not None:
            first, before = where.start, where.stop
    piece = _piece(text, start, len(text), first)
    if piece is not None:
        yield piece


def _piece(text: str, start: int, end: int, first: int | None) -> Statement | None:
    front = text[start:end].lstrip(_BLANK)
    trimmed = front.rstrip(_BLANK)
    if not trimmed:
        return None
    offset = end - len(front)
    begin = offset + len(trimmed) if first is None else first
    return Statement(text=trimmed, offset=offset, first=begin)


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
        if tokens:
            words = [statement[token.start : token.end + 1] for token in tokens]
            digest.update("\0".join([*words, ";"]).encode())
    return digest.hexdigest()


def place(text: str, offset: int) -> tuple[int, int]:
    """Return line and column, both from 1, of a character offset."""
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1
