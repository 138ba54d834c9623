"""A file as the lint reads it: its statements, its mistakes of syntax, what it allows.

Stands on the split. A file with the mistakes that have a rule of their own (a reserved word as a
name, MySQL) is read on as if they were mended, so that one run finds all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gavan.database.migration.errors import from_split
from gavan.database.migration.files import BOM, DIRECTIVE
from gavan.database.migration.split import SplitError, Statement, split

_LINE = re.compile(r"--[ \t]*gavan:(?P<words>[^\n]*)")
_ALLOW = re.compile(r"\ballow=(?P<code>\w+)(?:\((?P<reason>[^()]*)\))?")
_WORD = re.compile(r"\w+")
_TABLE_OPTIONS = re.compile(
    r"(?:(?:default\s+)?(?:engine|charset|character\s+set|collate|auto_increment|row_format|comment)"
    r"\s*=?\s*(?:'[^']*'|\w+)[\s,]*)+",
    re.IGNORECASE,
)
_UNIQUE_KEY = re.compile(
    r"(?P<word>key|index)\s+(?P<name>\w+)\s*\((?P<columns>[^()]*)\)", re.IGNORECASE
)
_IDENTITY = "generated always as identity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A mistake of syntax; ``code`` is the rule's, or GV307 or GV311."""

    code: str
    offset: int
    length: int
    message: str
    mend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Allow:
    """`-- gavan: allow=GV353(reason)`; ``start`` and ``end`` bound what it speaks of."""

    code: str
    reason: str
    offset: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """``text`` is the file's own; ``statements`` may be of a mended copy of the same length, in
    which ``renamed`` words stand for others."""

    path: Path
    text: str
    statements: tuple[Statement, ...]
    faults: tuple[Fault, ...]
    renamed: dict[str, str]
    allows: tuple[Allow, ...]

    @property
    def directives(self) -> frozenset[str]:
        """Words after `-- gavan:` on the first line."""
        found = DIRECTIVE.match(self.text.split("\n", 1)[0].strip())
        return frozenset(found[1].split()) if found else frozenset()


def read_document(path: Path, text: str) -> Document:
    """Read a file; a mistake without a rule of its own hides what follows it."""
    faults: list[Fault] = []
    renamed: dict[str, str] = {}
    mended = text
    if text.startswith(BOM):
        faults.append(Fault(code="GV306", offset=0, length=1, message="a byte order mark",
                            mend="remove the first character of the file"))  # fmt: skip
        mended = " " + text[1:]
    statements: list[Statement] = []
    while True:
        try:
            statements = split(mended)
            break
        except SplitError as error:
            fault, mended_now = _mend(path, text, mended, error, renamed)
            faults.append(fault)
            if mended_now == mended:
                before = mended.rfind(";", 0, fault.offset) + 1
                statements = _until(mended, before)
                break
            mended = mended_now
    return Document(
        path=path,
        text=text,
        statements=tuple(statements),
        faults=tuple(faults),
        renamed=renamed,
        allows=tuple(_allows(text, statements)),
    )


def _until(text: str, end: int) -> list[Statement]:
    """Return what parses in front of a mistake."""
    try:
        return split(text[:end])
    except SplitError:
        return []


def _mend(
    path: Path, text: str, mended: str, error: SplitError, renamed: dict[str, str]
) -> tuple[Fault, str]:
    """Return the mistake and the text with it out of the way, every other character in place."""
    offset = min(error.offset, len(mended))
    found = _mysql(mended, offset)
    if found is not None:
        return found
    raised = from_split(path, mended, error)
    word = _WORD.match(mended, offset)
    length = len(word[0]) if word else 1
    fault = Fault(
        code=raised.code,
        offset=offset,
        length=length,
        message=raised.message,
        mend=raised.hint or "see the place in the line; Postgres' grammar is the judge",
    )
    if raised.code == "GV361" and word:
        stand_in = "_" + word[0][1:]
        renamed[stand_in.lower()] = word[0].lower()
        message = f"{word[0]} is a reserved word"
        line = _line(text, offset, length, f'"{word[0].lower()}"')
        fault = Fault(code="GV361", offset=offset, length=length, message=message, mend=line)
        return fault, mended[:offset] + stand_in + mended[offset + length :]
    if raised.code == "GV307":
        end = mended.find("\n", offset)
        end = len(mended) if end < 0 else end
        return fault, mended[:offset] + " " * (end - offset) + mended[end:]
    return fault, mended


def _mysql(text: str, offset: int) -> tuple[Fault, str] | None:
    """Recognise MySQL at a mistake: backticks, AUTO_INCREMENT, UNIQUE KEY, options of a table."""
    if text[offset : offset + 1] == "`":
        end = text.find("`", offset + 1)
        if end < 0:
            return None
        name = text[offset + 1 : end]
        fault = _of_mysql(offset, end + 1 - offset, "backticks", f'write the name as "{name}"')
        return fault, f'{text[:offset]}"{name}"{text[end + 1 :]}'
    word = _WORD.match(text, offset)
    options = _TABLE_OPTIONS.match(text, offset)
    key = _UNIQUE_KEY.match(text, offset)
    if key and re.search(r"\bunique\s+$", text[:offset], re.IGNORECASE):
        line = f'constraint "{key["name"]}" unique ({key["columns"].strip()})'
        fault = _of_mysql(offset, len(key["word"]), "UNIQUE KEY", line)
        return fault, _blank(text, offset, key.end("name"))
    if word and word[0].lower() == "auto_increment":
        line = _line(text, offset, len(word[0]), _IDENTITY)
        fault = _of_mysql(offset, len(word[0]), word[0], line)
        return fault, _blank(text, offset, offset + len(word[0]))
    if options and re.search(r"\)\s*$", text[:offset]):
        fault = _of_mysql(offset, len(options[0].rstrip()), "options of a table", "remove them")
        return fault, _blank(text, offset, options.end())
    return None


def _of_mysql(offset: int, length: int, what: str, mend: str) -> Fault:
    message = f"{what}: syntax of MySQL"
    return Fault(code="GV362", offset=offset, length=length, message=message, mend=mend)


def _blank(text: str, start: int, end: int) -> str:
    return text[:start] + re.sub(r"[^\n]", " ", text[start:end]) + text[end:]


def _line(text: str, offset: int, length: int, instead: str) -> str:
    """Return the line of the file with a word replaced."""
    start = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", offset)
    end = len(text) if end < 0 else end
    return (text[start:offset] + instead + text[offset + length : end]).strip()


def _allows(text: str, statements: list[Statement]) -> Iterator[Allow]:
    """Yield the allow comments: the first line speaks for the file, others for a statement."""
    real = [statement for statement in statements if not statement.is_comment]
    for found in _LINE.finditer(text):
        start, end = _bounds(text, real, found.start())
        for one in _ALLOW.finditer(found["words"]):
            reason = (one["reason"] or "").strip()
            yield Allow(code=one["code"], reason=reason, offset=found.start(), start=start, end=end)


def _bounds(text: str, statements: list[Statement], offset: int) -> tuple[int, int]:
    if "\n" not in text[:offset]:
        return 0, len(text) + 1
    line = text.rfind("\n", 0, offset) + 1
    for statement in statements:
        end = statement.offset + len(statement.text)
        behind = bool(text[line:offset].strip()) and line <= end < offset
        if behind or end > offset:
            return statement.first, end + 1
    return offset, offset
