"""Compare the files with the history: what is applied, pending, changed, missing, out of order.

Stands between the files, the history and the runner; asks no database.
"""

from __future__ import annotations

import difflib
import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from gavan.database.migration.errors import StatementError
from gavan.database.migration.files import MigrationFile, Phase
from gavan.database.migration.history import Applied, Done
from gavan.database.migration.large import stored_digest
from gavan.database.migration.parsed import parse
from gavan.database.migration.split import SplitError, checksum, split
from gavan.kit.errors import GavanError

INCLUDE_ALL = "include-all"


class State(StrEnum):
    APPLIED = "applied"
    REFORMATTED = "ok (reformatted)"
    PENDING = "pending"
    CHANGED = "changed"
    MISSING = "missing"
    OUT_OF_ORDER = "out-of-order"
    HOLLOW = "hollow"


BLOCKING = {
    State.CHANGED: ("GV308", "was edited after it was applied"),
    State.MISSING: ("GV309", "is applied but its file is not here"),
    State.OUT_OF_ORDER: ("GV310", "is older than the newest applied migration"),
}
MENDS = {
    State.CHANGED: "put the file back as it was (gavan migrate status shows the difference), and"
    " write a new migration for the change; or accept it as it is now:"
    " gavan migrate repair VERSION --status applied",
    State.MISSING: "git checkout the file (or merge the branch that has it); taken back by hand:"
    " gavan migrate repair VERSION --status reverted",
    State.OUT_OF_ORDER: "give it a newer version, or: gavan migrate up --include-all",
    State.HOLLOW: "nothing that it made is in the database; to run it again:"
    " gavan migrate repair VERSION --status reverted, then gavan migrate up",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One version; ``file`` is None when only the database knows it, ``applied`` the reverse.

    ``done`` is what our log says of it, where somebody asked.
    """

    version: str
    name: str
    state: State
    file: MigrationFile | None
    applied: Applied | None
    done: Done | None = None


def compare(files: Sequence[MigrationFile], history: Sequence[Applied]) -> list[Entry]:
    """Return one entry per version in text order; the verdicts are the supabase CLI's."""
    local = {file.version: file for file in files}
    remote = {row.version: row for row in history}
    newest = max(remote, default="")
    entries = []
    for version in sorted({*local, *remote}):
        file, row = local.get(version), remote.get(version)
        if file is None:
            state = State.MISSING
        elif row is None:
            state = State.OUT_OF_ORDER if version < newest else State.PENDING
        else:
            state = _compare_text(file, row)
        name = file.name if file else row.name if row else ""
        entries.append(Entry(version=version, name=name, state=state, file=file, applied=row))
    return entries


def pending(
    entries: Sequence[Entry], *, order: str, squashed: Mapping[str, str] = MappingProxyType({})
) -> list[MigrationFile]:
    """Return the files to apply now; ``squashed`` tells what became of versions without a file.

    Raises GavanError GV308 (changed), GV309 (missing), GV310 (out of order, unless ``order`` is
    ``include-all``) naming every version at fault; nothing may be applied then.
    """
    blocked = [entry for entry in entries if entry.state in BLOCKING]
    if order == INCLUDE_ALL:
        blocked = [entry for entry in blocked if entry.state is not State.OUT_OF_ORDER]
    if blocked:
        raise _refusal(blocked, squashed)
    wanted = (State.PENDING, State.OUT_OF_ORDER)
    return [entry.file for entry in entries if entry.file and entry.state in wanted]


def choose(
    files: Sequence[MigrationFile], entries: Sequence[Entry], *, to: str | None, phase: Phase | None
) -> list[MigrationFile]:
    """Return those of the pending ``files`` that are up to ``to`` and of ``phase``.

    Versions are applied in their order, so a phase ends where the other one begins. Raises
    GavanError: GV333 when there is no migration ``to``, GV337 when a file of ``phase`` comes after
    one of the other phase that is pending too and must run first.
    """
    if to is not None and to not in {entry.version for entry in entries if entry.file}:
        known = [entry.version for entry in entries if entry.file]
        raise GavanError(
            "GV333",
            f"there is no migration {to} here; nothing was applied",
            hint=f"one of: {', '.join(known[-5:]) or 'none'}",
            exit_code=2,
        )
    chosen = [file for file in files if to is None or file.version <= to]
    if phase is None:
        return chosen
    leading = list(itertools.takewhile(lambda file: file.phase is phase, chosen))
    behind = [file for file in chosen[len(leading) :] if file.phase is phase]
    if behind and (phase is Phase.EXPAND or not leading):
        raise _out_of_phase(behind[0], chosen[len(leading)])
    return leading


def _out_of_phase(behind: MigrationFile, before: MigrationFile) -> GavanError:
    error = GavanError(
        "GV337",
        f"migration {behind.path.stem} is of phase {behind.phase} and comes after"
        f" {before.path.stem}, which is of phase {before.phase}; nothing was applied",
        details="versions are applied in their order, so the later one would have to wait",
        hint=f"gavan migrate up --phase {before.phase} first, or give {before.path.name} a newer"
        " version than all that expand",
        exit_code=5,
    )
    error.where = f"{behind.path}:1:1"
    return error


def difference(entry: Entry) -> str:
    """Return a unified diff of a changed file against the statements that were applied.

    Empty where either is too large to be compared line by line.
    """
    if (
        entry.file is None
        or entry.file.held is None
        or entry.applied is None
        or entry.applied.statements is None
    ):
        return ""
    try:
        now = [statement.text for statement in split(entry.file.text)]
    except SplitError:
        now = [entry.file.text]
    lines = difflib.unified_diff(
        "\n;\n".join(entry.applied.statements).splitlines(),
        "\n;\n".join(now).splitlines(),
        fromfile=f"{entry.version} as applied",
        tofile=str(entry.file.path),
        lineterm="",
        n=2,
    )
    return "\n".join(lines)


def _compare_text(file: MigrationFile, row: Applied) -> State:
    if file.held is None or row.digest is not None:
        return State.APPLIED if _is_same(file, row) else State.CHANGED
    if row.statements is None:
        return State.APPLIED
    try:
        statements = [statement.text for statement in split(file.text)]
        if statements == row.statements:
            return State.APPLIED
        same = checksum(statements) == checksum(row.statements)
    except SplitError:
        return State.CHANGED
    return State.REFORMATTED if same else State.CHANGED


def mend(entry: Entry, squashed: Mapping[str, str]) -> str:
    """Return what mends an entry whose state is one of ``MENDS``."""
    if entry.state is State.MISSING and entry.version in squashed:
        into = squashed[entry.version]
        return (
            f"it was squashed into {into}; tell the history of this database: gavan migrate squash"
        )
    return MENDS[entry.state].replace("VERSION", entry.version)


def _is_same(file: MigrationFile, row: Applied) -> bool:
    """Compare byte by byte what is too large for more; what our log knows is not parsed again."""
    if row.raw_sha256 is not None:
        with file.path.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() == row.raw_sha256:
                return True
    if row.statements is None and row.digest is None:
        return True
    theirs = row.digest or _digest(row.statements or [])
    try:
        parsed = parse(file)
        return theirs == (parsed.large.checksum() if parsed.large else _digest(parsed.texts))
    except StatementError:
        return False


def _digest(statements: Sequence[str]) -> str:
    return stored_digest(len(statements), (one.encode() for one in statements))


def _refusal(blocked: list[Entry], squashed: Mapping[str, str]) -> GavanError:
    first = blocked[0]
    code, why = BLOCKING[first.state]
    lines = [f"{entry.version}_{entry.name}: {entry.state}" for entry in blocked]
    error = GavanError(
        code,
        f"migration {first.version}_{first.name} {why}; nothing was applied",
        details="\n".join(lines) if len(lines) > 1 else None,
        hint=mend(first, squashed),
        exit_code=5,
    )
    if first.file is not None:
        error.where = f"{first.file.path}:1:1"
    return error
