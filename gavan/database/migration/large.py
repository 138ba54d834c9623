"""The statements of a file too large to be held: found window by window, read again at need.

Stands on the split, under whoever runs, compares or shows a file. A window is cut behind a `;`, and
the grammar says whether that was the end of a statement. Only where the statements lie is kept in
memory, twelve bytes for each.
"""

from __future__ import annotations

import hashlib
import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import add, sub
from pathlib import Path
from typing import overload

from gavan.database.migration.brackets import Brackets
from gavan.database.migration.client_copy import refuse_client_copy
from gavan.database.migration.errors import StatementError, from_split
from gavan.database.migration.files import decode, refuse_zero
from gavan.database.migration.plain import Places, plain_rows
from gavan.database.migration.split import SplitError, Statement, place, split, split_front
from gavan.kit.errors import GavanError

WINDOW_BYTES = 512 * 1024
MOST_BYTES = 1024 * 1024 * 1024
"""Of one statement, by Postgres' own limit of a message (src/include/libpq/libpq.h)."""
SILENT, SINGLE, ROWS = range(3)
"""Kinds of statements: nothing for the server; any; rows, of which many may be sent together."""
_ROWS_WORD = "insert"
# Stretches in a row that are not rows alone; after them it is no longer tried.
_MOST_MISSES = 4
_ARRAY_HEAD = struct.Struct("!iiiii")
_TEXT_OID = 25
LENGTH = struct.Struct("!i")


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of the file with the statements ``first`` to before ``last`` of it."""

    offset: int
    data: bytes
    first: int
    last: int


class LargeStatements(Sequence[Statement]):
    """The statements of ``path``; who first asks for one has the whole file read and parsed.

    Their offsets are those of their own text. That first reading raises StatementError for what
    does not parse, GavanError GV306 for bytes that no text has; later ones GV349 when the file is
    no longer the same.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.raw_sha256 = ""
        self._silenced: frozenset[int] = frozenset()
        self._starts, self._sizes, self._firsts = array("Q"), array("I"), array("I")
        self._kinds = array("B")
        self._windows: list[tuple[int, int, int, int]] = []

    def without(self, numbers: Iterable[int]) -> LargeStatements:
        """Return the same statements of which ``numbers`` are not for the server."""
        self.find()
        other = LargeStatements(self.path)
        vars(other).update(vars(self))
        other._silenced = self._silenced.union(numbers)
        return other

    def find(self) -> None:
        """Read and parse the file, if nobody did."""
        if not self.raw_sha256:
            for _ in self.windows():
                pass

    def windows(self) -> Iterator[Window]:
        """Yield the file in order; the first time this is what reads and parses it."""
        return self._again() if self.raw_sha256 else self._first_time()

    def kind(self, number: int) -> int:
        """Return SILENT, SINGLE or ROWS for a statement that was found."""
        return SILENT if number in self._silenced else self._kinds[number]

    def numbers(self, kind: int) -> Iterator[int]:
        """Yield the numbers of the statements of one kind."""
        return (number for number in range(len(self)) if self.kind(number) == kind)

    def bounds(self, first: int, last: int) -> tuple[int, int]:
        """Return where statements that were found begin and end in the file, in bytes."""
        return self._starts[first], self._starts[last - 1] + self._sizes[last - 1]

    def pieces(self) -> Iterator[bytes]:
        """Yield the statements as they become elements of the history."""
        self.find()
        for window in self.windows():
            for number in range(window.first, window.last):
                start = self._starts[number] - window.offset
                yield window.data[start : start + self._sizes[number]]

    def end_of_rows(self, first: int, stop: int, most: int) -> int:
        """Return the end of the rows that begin with ``first`` and are ``most`` bytes together.

        One row alone may be more; ``first`` itself where that is none.
        """
        last = max(first + 1, bisect_right(self._starts, self._starts[first] + most, first, stop))
        kinds = self._kinds[first:last].tobytes()
        last = first + len(kinds) - len(kinds.lstrip(bytes([ROWS])))
        last = min([last, *(number for number in self._silenced if first <= number < last)])
        while last > first + 1 and self.bounds(first, last)[1] > self._starts[first] + most:
            last -= 1
        return last

    def stored(self) -> Iterator[bytes]:
        """Yield the statements as an array in Postgres' binary form, a window at a time."""
        self.find()
        yield array_head(len(self))
        for window in self.windows():
            count = window.last - window.first
            sizes = self._sizes[window.first : window.last]
            heads = struct.pack(f"!{count}i", *sizes)
            starts = [one - window.offset for one in self._starts[window.first : window.last]]
            parts = [b""] * (2 * count)
            parts[::2] = [heads[at : at + LENGTH.size] for at in range(0, len(heads), LENGTH.size)]
            parts[1::2] = map(window.data.__getitem__, map(slice, starts, map(add, starts, sizes)))
            yield b"".join(parts)

    def stored_bytes(self) -> int:
        """Return the size of the statements as an array in Postgres' binary form."""
        return _ARRAY_HEAD.size + LENGTH.size * len(self) + sum(self._sizes)

    def checksum(self) -> str:
        """Return `encode(sha256(array_send(statements)), 'hex')` of the row of the history."""
        digest = hashlib.sha256()
        for part in self.stored():
            digest.update(part)
        return digest.hexdigest()

    def statement(self, number: int, data: bytes) -> Statement:
        """Return a statement that was found from its bytes."""
        is_bracket = self.kind(number) == SILENT
        text = data.decode()
        return Statement(text=text, offset=0, first=self._firsts[number], is_bracket=is_bracket)

    def at(self, number: int) -> Statement:
        """Return a statement that was found, from the disk."""
        start, end = self.bounds(number, number + 1)
        with self.path.open("rb") as stream:
            stream.seek(start)
            return self.statement(number, stream.read(end - start))

    def place(self, offset: int) -> tuple[int, int]:
        """Return how many lines, and how many characters of a line, are before a byte."""
        lines, last = 0, b""
        with self.path.open("rb") as stream:
            while offset > 0 and (data := stream.read(min(offset, WINDOW_BYTES))):
                offset -= len(data)
                lines += data.count(b"\n")
                last = data.rpartition(b"\n")[2] if b"\n" in data else last + data
        return lines, len(last.decode("utf-8", "replace"))

    def first_place(self, number: int) -> tuple[int, int]:
        """Return line and column, both from 1, of the first word of a statement that was found."""
        one = self.at(number)
        lines, columns = self.place(self._starts[number])
        line, column = place(one.text, one.first)
        return lines + line, column + (columns if line == 1 else 0)

    def __len__(self) -> int:
        self.find()
        return len(self._starts)

    @overload
    def __getitem__(self, number: int) -> Statement: ...
    @overload
    def __getitem__(self, number: slice) -> list[Statement]: ...
    def __getitem__(self, number: int | slice) -> Statement | list[Statement]:
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        if not -len(self) <= number < len(self):
            raise IndexError(number)
        return self.at(number % len(self))

    def __iter__(self) -> Iterator[Statement]:
        for number, data in enumerate(self.pieces()):
            yield self.statement(number, data)

    def _again(self) -> Iterator[Window]:
        digest = hashlib.sha256()
        with self.path.open("rb") as stream:
            for offset, size, first, last in self._windows:
                data = stream.read(size)
                digest.update(data)
                yield Window(offset, data, first, last)
            digest.update(stream.read(1))
        if digest.hexdigest() != self.raw_sha256:
            raise GavanError(
                "GV349",
                f"{self.path.name} was changed while it was read",
                hint="again: gavan migrate up",
                exit_code=4,
            )

    def _first_time(self) -> Iterator[Window]:
        # Nothing is left of an attempt that was given up half-way.
        for found in (self._starts, self._sizes, self._firsts, self._kinds, self._windows):
            del found[:]
        digest, brackets = hashlib.sha256(), Brackets()
        for stretch in _stretches(self.path):
            digest.update(stretch.data)
            first = len(self._starts)
            try:
                self._add(stretch, brackets)
                if stretch.is_last:
                    brackets.end()
            except SplitError as error:
                raise _refusal(self.path, stretch.text, error, stretch.before) from None
            window = Window(stretch.offset, stretch.data, first, len(self._starts))
            self._windows.append((window.offset, len(window.data), window.first, window.last))
            yield window
        self.raw_sha256 = digest.hexdigest()

    def _add(self, stretch: _Stretch, brackets: Brackets) -> None:
        if stretch.rows is not None:
            starts, stops = stretch.rows
            self._starts.extend(map(add, starts, repeat(stretch.offset)))
            self._sizes.extend(map(sub, stops, starts))
            self._firsts.frombytes(bytes(self._firsts.itemsize * len(starts)))
            self._kinds.frombytes(bytes([ROWS]) * len(starts))
            return
        text, at, start = stretch.text, 0, stretch.offset
        is_ascii = len(text) == len(stretch.data)
        for one in stretch.statements:
            gap, size = one.offset - at, len(one.text)
            if not is_ascii:
                gap, size = len(text[at : one.offset].encode()), len(one.text.encode())
            start += gap
            self._starts.append(start)
            self._sizes.append(size)
            self._firsts.append(one.first - one.offset)
            self._kinds.append(_kind(one, brackets))
            if self._kinds[-1] == SINGLE:
                refuse_client_copy(one)
            at, start = one.offset + len(one.text), start + size


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Whole statements of a file; ``before`` is how many lines and characters lead up to them."""

    offset: int
    data: bytes
    text: str
    statements: list[Statement]
    before: tuple[int, int]
    is_last: bool
    rows: Places | None = None
    """Where the statements are in ``data`` when all of them are rows; ``text`` is empty then."""


def _kind(statement: Statement, brackets: Brackets) -> int:
    start = statement.first - statement.offset
    if statement.text[start : start + len(_ROWS_WORD)].lower() == _ROWS_WORD:
        return ROWS if statement.command is statement.text else SINGLE
    return SILENT if statement.is_comment or brackets.is_bracket(statement) else SINGLE


def _stretches(path: Path) -> Iterator[_Stretch]:
    offset, before, rest, wanted = 0, (0, 0), b"", WINDOW_BYTES
    misses = 0
    with path.open("rb") as stream:
        while True:
            more = stream.read(wanted)
            refuse_zero(path, more, offset + len(rest))
            rest += more
            if len(rest) > MOST_BYTES:
                raise _too_long(path, before)
            is_last = len(more) < wanted
            found = None
            if misses < _MOST_MISSES:
                found = _rows(rest, (offset, before), is_last=is_last)
                misses = 0 if found else misses + 1
            found = found or _front(path, rest, (offset, before), is_last=is_last)
            if found is None:
                # One statement is longer than all that was read.
                wanted = len(rest)
                continue
            yield found
            if found.is_last:
                return
            offset, before = offset + len(found.data), _after(before, found.data)
            rest, wanted = rest[len(found.data) :], WINDOW_BYTES


def _too_long(path: Path, before: tuple[int, int]) -> GavanError:
    error = GavanError(
        "GV306",
        f"{path.name} has a statement of more than 1 GB, which Postgres does not take",
        details="it begins there, or what ends it is missing: a quote, a semicolon",
        hint="write rows as many statements of some hundred each",
        exit_code=2,
    )
    error.where = f"{path}:{before[0] + 1}:{before[1] + 1}"
    return error


def _front(
    path: Path, data: bytes, at: tuple[int, tuple[int, int]], *, is_last: bool
) -> _Stretch | None:
    """Return the whole statements in front of what was read; None where there is none."""
    offset, before = at
    end = len(data) if is_last else (data.rfind(b";\n") + 1 or data.rfind(b";") + 1)
    text = decode(path, data[:end], offset)
    try:
        if is_last:
            return _Stretch(offset, data, text, split(text), before, is_last)
        statements, cut = split_front(text)
    except SplitError as error:
        raise _refusal(path, text, error, before) from None
    if not cut:
        return None
    size = end if cut == len(text) else len(text[:cut].encode())
    return _Stretch(offset, data[:size], text[:cut], statements, before, is_last)


def _rows(data: bytes, at: tuple[int, tuple[int, int]], *, is_last: bool) -> _Stretch | None:
    """Return what was read up to its last `;` where that is rows alone."""
    end = len(data) if is_last else data.rfind(b";\n") + 1
    rows = plain_rows(data[:end])
    return rows and _Stretch(at[0], data[:end], "", [], at[1], is_last, rows)


def _after(before: tuple[int, int], data: bytes) -> tuple[int, int]:
    lines, columns = before
    newlines = data.count(b"\n")
    last = len(data[data.rfind(b"\n") + 1 :].decode())
    return lines + newlines, last if newlines else columns + last


def _refusal(path: Path, text: str, error: SplitError, before: tuple[int, int]) -> StatementError:
    refusal = from_split(path, text, error, before)
    if error.hint:
        refusal.hint = error.hint
    return refusal


def stored_digest(count: int, pieces: Iterable[bytes]) -> str:
    """Return what `encode(sha256(array_send(statements)), 'hex')` is of such statements."""
    digest = hashlib.sha256(array_head(count))
    for piece in pieces:
        digest.update(LENGTH.pack(len(piece)) + piece)
    return digest.hexdigest()


def array_head(count: int) -> bytes:
    """Return the beginning of Postgres' binary form of text[]: the elements follow."""
    return _ARRAY_HEAD.pack(1, 0, _TEXT_OID, count, 1)
