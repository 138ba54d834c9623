"""The .env files: our own parser, because every value needs its line and byte-exact text.

Stands beside toml.py: text in, entries and findings out; nothing here expands `${...}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gavan.stack.findings import Finding, Level
from gavan.stack.model import Position

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_START = re.compile(r"[ \t]*(?:export[ \t]+)?(?P<name>[^=\n]*?)[ \t]*=[ \t]*")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One variable of one file; line and column are those of its name."""

    name: str
    value: str
    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DotenvFile:
    """A parsed file; of a name written twice the later value holds."""

    file: Path
    entries: Mapping[str, Entry]
    findings: tuple[Finding, ...]


def read(file: Path) -> DotenvFile:
    """Read and parse a file; a byte that is not UTF-8 is a finding, not an exception."""
    raw = file.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        finding = Finding(
            code="GV109",
            message=f"byte 0x{raw[error.start]:02x} is not UTF-8",
            position=Position(file=file, line=line, column=1),
            why="variables are text in UTF-8",
            mend=f"convert it: iconv -f LATIN1 -t UTF-8 {file.name}",
        )
        return DotenvFile(file=file, entries={}, findings=(finding,))
    return parse(text, file)


def parse(text: str, file: Path) -> DotenvFile:
    """Parse the text of ``file``: `export ` prefix, quotes, `#` after a space, CRLF, BOM."""
    parser = _Parser(text.removeprefix("\ufeff").replace("\r\n", "\n"), file)
    parser.run()
    return DotenvFile(file=file, entries=parser.entries, findings=tuple(parser.findings))


def format_entry(name: str, value: str) -> str:
    """Return one assignment that ``parse`` reads back byte for byte, quoted when needed."""
    if _PLAIN.fullmatch(value):
        return f"{name}={value}"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    escaped = escaped.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    return f'{name}="{escaped}"'


class _Parser:
    def __init__(self, text: str, file: Path) -> None:
        self.entries: dict[str, Entry] = {}
        self.findings: list[Finding] = []
        self._text = text
        self._file = file
        self._lines = text.split("\n")
        self._at = 0

    def run(self) -> None:
        while self._at < len(self._text):
            line = self._rest_of_line()
            if not line.strip() or line.lstrip().startswith("#"):
                self._skip_line()
                continue
            self._assignment(line)

    def _assignment(self, line: str) -> None:
        start = _START.match(line)
        if start is None or not _NAME.fullmatch(start["name"]):
            self._refuse(self._at, "expected NAME=value", 'write NAME=value, or begin with "#"')
            self._skip_line()
            return
        name_at = self._at + start.start("name")
        number, column = self._place(name_at)
        self._at += start.end()
        value = self._value()
        if value is None:
            self._skip_line()
            return
        if "\0" in value:
            self._refuse(name_at, "the value holds a NUL character", "remove it")
            return
        entry = Entry(name=start["name"], value=value, line=number, column=column)
        self._warn_of_twice(entry, name_at)
        self.entries[entry.name] = entry

    def _value(self) -> str | None:
        quote = self._text[self._at : self._at + 1]
        if quote == '"':
            return self._double_quoted()
        if quote == "'":
            return self._single_quoted()
        return self._unquoted()

    def _unquoted(self) -> str:
        rest = self._rest_of_line()
        # Behind `NAME=` itself a comment may start at once; elsewhere only after a space.
        comment = re.search(r"(?:^|[ \t])#", rest)
        bare = rest[: comment.start()] if comment else rest
        value = bare.rstrip(" \t")
        if comment is None and value != bare:
            self._note(
                self._at + len(value),
                "GV172",
                "space at the end of the value is left out",
                "many programs would keep it, and nobody sees it",
                "remove it, or keep it by quotes",
            )
        self._skip_line()
        return value

    def _single_quoted(self) -> str | None:
        begin = self._at + 1
        end = self._text.find("'", begin, begin + len(self._rest_of_line()))
        if end < 0:
            self._refuse(self._at, "this quote is not closed on its line", "close it with '")
            return None
        self._at = end + 1
        self._end_of_value()
        return self._text[begin:end]

    def _double_quoted(self) -> str | None:
        begin, at = self._at, self._at + 1
        value: list[str] = []
        while at < len(self._text) and self._text[at] != '"':
            character = self._text[at]
            following = self._text[at + 1 : at + 2]
            if character == "\\" and following in _ESCAPES:
                value.append(_ESCAPES[following])
                at += 2
                continue
            value.append(character)
            at += 1
        if at >= len(self._text):
            self._refuse(begin, "this quote is never closed", 'close it with "')
            return None
        self._at = at + 1
        self._end_of_value()
        return "".join(value)

    def _end_of_value(self) -> None:
        rest = self._rest_of_line()
        if rest.strip() and not re.match(r"[ \t]+#", rest):
            self._refuse(self._at, "text behind the closing quote", "escape inner quotes by \\")
        self._skip_line()

    def _warn_of_twice(self, entry: Entry, at: int) -> None:
        before = self.entries.get(entry.name)
        if before is not None:
            self._note(
                at,
                "GV171",
                f"{entry.name} is set twice, in line {before.line} and line {entry.line}",
                "the later one holds",
                "remove one of them",
            )

    def _refuse(self, at: int, message: str, mend: str) -> None:
        self._note(at, "GV170", message, "the line sets no variable", mend, Level.ERROR)

    def _note(
        self,
        at: int,
        code: str,
        message: str,
        why: str,
        mend: str,
        level: Level = Level.WARNING,
    ) -> None:
        line, column = self._place(at)
        # No source line: it would print a value, and values here are often secrets.
        position = Position(file=self._file, line=line, column=column)
        self.findings.append(
            Finding(code=code, message=message, position=position, why=why, mend=mend, level=level)
        )

    def _place(self, at: int) -> tuple[int, int]:
        return self._text.count("\n", 0, at) + 1, at - self._text.rfind("\n", 0, at)

    def _rest_of_line(self) -> str:
        end = self._text.find("\n", self._at)
        return self._text[self._at : end if end >= 0 else len(self._text)]

    def _skip_line(self) -> None:
        end = self._text.find("\n", self._at)
        self._at = end + 1 if end >= 0 else len(self._text)
