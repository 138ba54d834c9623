"""TOML with places: values by tomllib, line and column of every key and value by tree-sitter.

Stands at the very start of the road; nothing here knows what the keys mean.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import tree_sitter_toml
from tree_sitter import Language, Node, Parser

from gavan.stack.findings import Finding, StackErrors
from gavan.stack.model import KeyPath, Position

_KEYS = ("bare_key", "quoted_key", "dotted_key")
_PLACE = re.compile(r" \(at line (\d+), column (\d+)\)$")
_TWICE = ("Cannot declare", "Cannot overwrite", "Cannot mutate", "Duplicate inline table key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of one line; line and column count from 1, columns and length in characters."""

    line: int
    column: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A parsed file; paths are keys from the top, array items by index."""

    file: Path
    lines: tuple[str, ...]
    values: Mapping[str, object]
    keys: Mapping[KeyPath, Span]
    spans: Mapping[KeyPath, Span]
    """Where each value stands; of a table with a header, its header."""

    def key(self, path: KeyPath) -> Span:
        """Return where the key stands, or the nearest thing around it that is written."""
        return _nearest(self.keys, path)

    def value(self, path: KeyPath) -> Span:
        """Return where the value stands, or the nearest thing around it that is written."""
        return _nearest(self.spans, path)

    def line(self, number: int) -> str:
        """Return the text of a line, counted from 1; empty behind the end."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    def position(self, span: Span) -> Position:
        return Position(file=self.file, line=span.line, column=span.column)


def read(file: Path) -> Document:
    """Read and parse a file.

    Raises:
        StackErrors: GV109 not UTF-8, GV108 a table or key twice, GV100 any other syntax error.
        OSError: the file cannot be read.
    """
    raw = file.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise StackErrors([_not_utf8(file, raw, error)]) from error
    return parse(text, file)


def parse(text: str, file: Path) -> Document:
    """Parse the text of ``file``; see ``read``."""
    # TOML's own newline is either; places are the same after this, and the grammar sees one.
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    lines = tuple(text.split("\n"))
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StackErrors([_syntax(file, lines, error)]) from error
    except RecursionError as error:
        deep = tomllib.TOMLDecodeError("Values are nested too deep (at line 1, column 1)")
        raise StackErrors([_syntax(file, lines, deep)]) from error
    finder = _Finder(text)
    finder.document()
    return Document(file=file, lines=lines, values=values, keys=finder.keys, spans=finder.spans)


class _Finder:
    """Walks the syntax tree once and notes where every path stands."""

    def __init__(self, text: str) -> None:
        self.keys: dict[KeyPath, Span] = {}
        self.spans: dict[KeyPath, Span] = {}
        self._lines = text.encode().split(b"\n")
        self._text = text.encode()
        self._arrays: dict[KeyPath, int] = {}

    def document(self) -> None:
        for node in _parser().parse(self._text).root_node.named_children:
            if node.type == "pair":
                self._pair(node, ())
            elif node.type in ("table", "table_array_element"):
                self._table(node)

    def _table(self, node: Node) -> None:
        header, *body = node.named_children
        path: KeyPath = ()
        parts = list(self._parts(header))
        for number, (name, span) in enumerate(parts, start=1):
            path = (*path, name)
            self._note(path, span, span)
            if number == len(parts) and node.type == "table_array_element":
                self._arrays[path] = self._arrays.get(path, -1) + 1
            if path in self._arrays:
                path = (*path, self._arrays[path])
                self._note(path, span, span)
        # The header of a table names it better than an earlier [table.child] did.
        self.keys[path] = self.spans[path] = parts[-1][1]
        for pair in body:
            if pair.type == "pair":
                self._pair(pair, path)

    def _pair(self, node: Node, path: KeyPath) -> None:
        key, value = (child for child in node.named_children if child.type != "comment")
        for name, span in self._parts(key):
            path = (*path, name)
            self._note(path, span, span)
        self.spans[path] = self._span(value)
        self._value(value, path)

    def _value(self, node: Node, path: KeyPath) -> None:
        children = [child for child in node.named_children if child.type != "comment"]
        if node.type == "inline_table":
            for pair in children:
                self._pair(pair, path)
        elif node.type == "array":
            for index, item in enumerate(children):
                self._note((*path, index), self._span(item), self._span(item))
                self._value(item, (*path, index))

    def _note(self, path: KeyPath, key: Span, value: Span) -> None:
        self.keys.setdefault(path, key)
        self.spans.setdefault(path, value)

    def _parts(self, node: Node) -> Iterator[tuple[str, Span]]:
        if node.type == "dotted_key":
            for child in node.named_children:
                if child.type in _KEYS:
                    yield from self._parts(child)
            return
        text = self._text[node.start_byte : node.end_byte].decode()
        name = text if node.type == "bare_key" else next(iter(tomllib.loads(f"{text} = 0")))
        yield name, self._span(node)

    def _span(self, node: Node) -> Span:
        (row, start), (last_row, end) = node.start_point, node.end_point
        line = self._lines[row]
        stop = end if row == last_row else len(line)
        return Span(
            line=row + 1,
            column=len(line[:start].decode()) + 1,
            length=max(len(line[start:stop].decode()), 1),
        )


@cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_toml.language()))


def _nearest(spans: Mapping[KeyPath, Span], path: KeyPath) -> Span:
    for end in range(len(path), 0, -1):
        if path[:end] in spans:
            return spans[path[:end]]
    return Span(line=1, column=1, length=1)


def _syntax(file: Path, lines: tuple[str, ...], error: tomllib.TOMLDecodeError) -> Finding:
    text = str(error)
    place = _PLACE.search(text)
    message = text[: place.start()] if place else text.removesuffix(" (at end of document)")
    line, column = (int(place[1]), int(place[2])) if place else (len(lines), len(lines[-1]) + 1)
    twice = message.startswith(_TWICE)
    if twice:
        # tomllib stops behind the second one; the reader looks for its beginning.
        column = len(lines[line - 1]) - len(lines[line - 1].lstrip()) + 1
        message = f"{lines[line - 1].partition('=')[0].strip()} is written twice"
    return Finding(
        code="GV108" if twice else "GV100",
        message=message if twice else message[:1].lower() + message[1:],
        position=Position(file=file, line=line, column=column),
        why="a table or key may be written once" if twice else "the file is not valid TOML",
        mend="join the two into one" if twice else "mend this line; nothing after it was read",
        source=lines[line - 1] if line <= len(lines) else "",
    )


def _not_utf8(file: Path, raw: bytes, error: UnicodeDecodeError) -> Finding:
    # utf-8-sig counts from behind the byte order mark.
    start = error.start + (3 if raw.startswith(b"\xef\xbb\xbf") else 0)
    begin = raw.rfind(b"\n", 0, start) + 1
    before = raw[begin:start].decode("utf-8-sig", "replace")
    return Finding(
        code="GV109",
        message=f"byte 0x{raw[start]:02x} is not UTF-8",
        position=Position(file=file, line=raw.count(b"\n", 0, start) + 1, column=len(before) + 1),
        why="TOML is written in UTF-8 and in nothing else",
        mend=f"convert it: iconv -f LATIN1 -t UTF-8 {file.name}",
    )
