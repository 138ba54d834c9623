"""Turn a failed statement into what a person needs: file, line, column, why, and the mend.

Stands below the runner; pure, except that it is made from the driver's error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import psycopg

from gavan.database.migration.client_copy import HINT as COPY_HINT
from gavan.database.migration.client_copy import follows_copy
from gavan.database.migration.split import SplitError, Statement, place
from gavan.kit.errors import GavanError

EXCERPT_LINES = 12
Before = tuple[int, int]
"""How many lines of a file, and how many characters of a line, are before a piece of it."""
START = (0, 0)
NOTHING = "nothing of this file was applied"
_NAME_COMES_NEXT = re.compile(
    r"\b(?:table(?:\s+if\s+(?:not\s+)?exists)?|into|from|join|update|references|on|column"
    r"|view|only)\s+$",
    re.IGNORECASE,
)
_MYSQL_INDEX = re.compile(r"\b(?:index|key)\s+(\w+)\s*\(([^()]*)\)", re.IGNORECASE)
_TABLE = re.compile(r"create\s+table\s+(?:if\s+not\s+exists\s+)?([\w.\"]+)", re.IGNORECASE)
_BROKEN = frozenset({"23502", "23503", "23505", "23514", "23P01"})
_BLOCK_LINE = re.compile(r"^PL/pgSQL function inline_code_block line (\d+) at ", re.MULTILINE)
_BODY = re.compile(r"\$(?:[^\W\d]\w*)?\$")
# What real migrations ask for and this distribution does not have (operations.md 4.7).
_ELSEWHERE = "the engines compose and kubernetes run the image that has it"


class StatementError(GavanError):
    """A statement of a file failed; ``where`` is file:line:column."""

    def __init__(self, code: str, message: str, *, details: str, hint: str | None) -> None:
        super().__init__(code, message, details=details, hint=hint)
        self.sqlstate = ""


def from_split(path: Path, text: str, error: SplitError, before: Before = START) -> StatementError:
    """Return the error of a file that does not parse; the database was not touched by it."""
    offset = min(error.offset, len(text))
    if text[offset : offset + 1] == "\\":
        fault = Fault(path, text, offset, "psql meta-command", "42601", before=before)
        return fault.error("GV307", "psql commands work in psql alone: remove the line")
    if error.code is None and follows_copy(text, offset):
        fault = Fault(path, text, offset, "rows for COPY FROM STDIN", "42601", before=before)
        return fault.error("GV307", COPY_HINT)
    fault = Fault(path, text, offset, error.message, "42601", before=before)
    code, hint = _syntax_hint(text, offset)
    return fault.error(error.code or code, error.hint or hint)


def from_database(
    path: Path,
    text: str,
    statement: Statement,
    error: psycopg.Error,
    left: str = NOTHING,
    before: Before = START,
) -> StatementError:
    """Return the error of a statement that the server refused; ``left`` is what stays of the file.

    Its transaction, if it had one, is rolled back. ``text`` is the file, or a piece of it.
    """
    diagnosis = error.diag
    offset = _offset(statement, diagnosis)
    message = diagnosis.message_primary or str(error)
    sqlstate = error.sqlstate or ""
    code, hint = _database_hint(sqlstate, message, text, statement, offset)
    facts = tuple(filter(None, (diagnosis.message_detail, _context(diagnosis.context))))
    fault = Fault(path, text, offset, message, sqlstate, facts, left, before)
    return fault.error(code, hint or diagnosis.message_hint)


def from_commit(
    path: Path,
    text: str,
    statement: Statement | None,
    error: psycopg.Error,
    left: str = NOTHING,
    before: Before = START,
) -> StatementError:
    """Return the error of what the server checks after ``statement``, when its work is kept.

    A deferred constraint does not say which statement broke it; the last one is pointed at.
    """
    diagnosis = error.diag
    message = diagnosis.message_primary or str(error).strip()
    facts = tuple(
        filter(None, ("found when the transaction was to be kept", diagnosis.message_detail))
    )
    offset = statement.first if statement else 0
    fault = Fault(path, text, offset, message, error.sqlstate or "", facts, left, before)
    hint = "set constraints all immediate; shows where" if error.sqlstate in _BROKEN else None
    return fault.error("GV311", hint or diagnosis.message_hint)


def from_history(error: psycopg.Error, left: str) -> GavanError:
    """Return the error of the history, or our record of a file, which the server refused."""
    return GavanError(
        "GV345",
        f"no access to the history of the migrations: {error.diag.message_primary or error}",
        details="\n".join(filter(None, [left, error.diag.message_detail])),
        hint="its tables are in the schemas supabase_migrations and gavan: the role that runs this"
        " must own them",
        exit_code=3,
    )


def _offset(statement: Statement, diagnosis: psycopg.errors.Diagnostic) -> int:
    """Return where in the file the server met the error, counted in characters."""
    position = diagnosis.statement_position
    if position:
        return statement.offset + int(position) - 1
    line = _BLOCK_LINE.search(diagnosis.context or "")
    body = _BODY.search(statement.text, statement.first - statement.offset)
    if line is None or body is None:
        return statement.first
    # The block counts its lines from the one on which its quotes open.
    lines = statement.text[body.end() :].split("\n")[: int(line[1]) - 1]
    offset = body.end() + sum(len(one) + 1 for one in lines)
    rest = statement.text[offset:]
    return statement.offset + offset + len(rest) - len(rest.lstrip())


@dataclass(frozen=True, slots=True)
class Fault:
    """Where and what; ``offset`` in characters of ``text``, ``facts`` are DETAIL and CONTEXT."""

    path: Path
    text: str
    offset: int
    message: str
    sqlstate: str
    facts: tuple[str, ...] = ()
    left: str = NOTHING
    before: Before = START

    def error(self, code: str, hint: str | None) -> StatementError:
        line, column = place(self.text, self.offset)
        excerpt = _excerpt(self.text, (line, column), self.before[0])
        lines = [f"SQLSTATE {self.sqlstate}; {self.left}", excerpt, *self.facts]
        column += self.before[1] if line == 1 else 0
        line += self.before[0]
        error = StatementError(code, self.message, details="\n".join(lines), hint=hint)
        error.where = f"{self.path}:{line}:{column}"
        error.sqlstate = self.sqlstate
        return error


def _excerpt(text: str, where: tuple[int, int], lines_before: int) -> str:
    line, column = where
    source = text.split("\n")[line - 1].rstrip("\r")
    start = max(0, column - 80)
    shown = source[start : start + 120].replace("\t", " ")
    return f"{line + lines_before:>4} | {shown}\n     | {' ' * (column - 1 - start)}^"


def _syntax_hint(text: str, offset: int) -> tuple[str, str | None]:
    """Recognise a reserved word where a name is expected (D1)."""
    from pglast import keywords  # noqa: PLC0415 - slow to load, wanted only by a failure

    found = re.compile(r"\w+").match(text, offset)
    word = str(found[0]) if found else ""
    if word.lower() in keywords.RESERVED_KEYWORDS | keywords.TYPE_FUNC_NAME_KEYWORDS and (
        _NAME_COMES_NEXT.search(text[:offset])
    ):
        return "GV361", f'{word} is a reserved word; as a name write it in quotes: "{word}"'
    if "`" in text[max(0, offset - 1) : offset + 1]:
        return "GV362", 'backticks are MySQL; Postgres quotes a name so: "name"'
    return "GV311", None


def _database_hint(
    sqlstate: str, message: str, text: str, statement: Statement, offset: int
) -> tuple[str, str | None]:
    if sqlstate == "42601":
        code, hint = _syntax_hint(text, offset)
        return code, hint
    if sqlstate == "42704" and statement.first_word == "create":
        return _undefined_type_hint(message, statement)
    if sqlstate == "42704":
        return "GV311", _unknown_type_hint(message)
    if sqlstate == "42P01":
        return "GV311", (
            "is it created by a later migration, or in another schema? Write schema.name"
        )
    if sqlstate == "0A000" and "extension" in message:
        return "GV230", f"the embedded engine does not have this extension; {_ELSEWHERE}"
    if sqlstate == "25001":
        return (
            "GV356",
            "put it into a file of its own with the first line: -- gavan: no-transaction",
        )
    if sqlstate == "53200" and "shared memory" in message:
        return "GV311", (
            "a transaction keeps a lock on all that it makes: split the file, or raise"
            " max_locks_per_transaction"
        )
    if sqlstate == "2D000":
        return "GV311", "what commits by itself needs the first line: -- gavan: no-transaction"
    return "GV311", None


def _undefined_type_hint(message: str, statement: Statement) -> tuple[str, str | None]:
    """Recognise MySQL's INDEX inside CREATE TABLE, which Postgres reads as a column (D3)."""
    for name, columns in _MYSQL_INDEX.findall(statement.text):
        if re.search(rf'type "{re.escape(name)}', message):
            table = _TABLE.search(statement.text)
            target = table[1] if table else "the_table"
            line = f"create index {name} on {target} ({columns.strip()});"
            return "GV362", f"an index is no part of CREATE TABLE; after it write: {line}"
    return "GV311", _unknown_type_hint(message)


def _unknown_type_hint(message: str) -> str | None:
    found = re.search(r'type "([^"]+)" does not exist', message)
    if found is None:
        return None
    return (
        f"if an extension has it: create extension if not exists ... with schema extensions, and"
        f" write extensions.{found[1]} where search_path is empty"
    )


def _context(context: str | None) -> str | None:
    return None if context is None else "\n".join(context.splitlines()[:EXCERPT_LINES])
