"""Migration files on disk: their names, their order, their directives.

Stands below the runner; reads a directory, talks to no database.
"""

from __future__ import annotations

import itertools
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from gavan.kit.errors import GavanError

NAME = re.compile(r"([0-9]+)_(.+)\.sql")
DIRECTIVE = re.compile(r"--\s*gavan:\s*(.+)")
IRREVERSIBLE = re.compile(r"\birreversible(?:=(?:\"([^\"]*)\"|(\S+)))?(?:\s|$)")
_ALLOW = re.compile(r"\ballow=\w+(?:\([^()]*\))?")
_DURATION = re.compile(r"\d+(?:us|ms|s|min|h|d)?")
BOM = "\ufeff"
DOWN = "down"
# What a terminal would obey, and the stand-ins for bytes that are not UTF-8.
_UNSHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SKIPPED = re.compile(r"[0-9]{14}_init\.sql")
_SKIPPED_BEFORE = "20211209000000"
"""Where the folder begins with such a file of before it, the supabase CLI leaves that out."""
LARGE_BYTES = 4_000_000
"""Above it a file is rows, not structure: it is read piece by piece, and not judged."""
HEAD_BYTES = 4096
NO_TRANSACTION = "no-transaction"
PHASE = "phase="
LOCK_TIMEOUT = "lock_timeout="
REQUIRES = "requires=ext:"


class Phase(StrEnum):
    """When a migration runs: before the new release serves, or after the old one is gone."""

    EXPAND = "expand"
    CONTRACT = "contract"


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationFile:
    """One ``VERSION_name.sql``; ``version`` keeps its zeros, it is text everywhere.

    ``held`` is its text, None where it is larger than LARGE_BYTES and stays on the disk; ``head``
    is the first line.
    """

    version: str
    name: str
    path: Path
    held: str | None
    head: str

    @classmethod
    def of_text(cls, version: str, name: str, path: Path, text: str) -> MigrationFile:
        return cls(version=version, name=name, path=path, held=text, head=_first_line(text))

    @classmethod
    def read(cls, version: str, name: str, path: Path) -> MigrationFile:
        """Read a file, a large one its first line alone; raise GavanError as ``read_sql`` does."""
        try:
            if not is_large(path):
                return cls.of_text(version, name, path, read_sql(path))
            with path.open("rb") as stream:
                head = stream.readline(HEAD_BYTES).decode("utf-8", "replace").removeprefix(BOM)
        except OSError as error:
            raise _closed(path, error) from error
        return cls(version=version, name=name, path=path, held=None, head=head.strip())

    @property
    def text(self) -> str:
        """The text, from the disk where it is not held."""
        return read_sql(self.path) if self.held is None else self.held

    @property
    def directives(self) -> frozenset[str]:
        """Words after ``-- gavan:`` on the first line."""
        found = DIRECTIVE.match(self.head)
        return frozenset(found[1].split()) if found else frozenset()

    @property
    def phase(self) -> Phase:
        """What its first line says; a file that says nothing expands."""
        is_contract = f"{PHASE}{Phase.CONTRACT}" in self.directives
        return Phase.CONTRACT if is_contract else Phase.EXPAND

    @property
    def lock_timeout(self) -> str | None:
        """How long its statements wait for a lock, where its first line says so."""
        return next(iter(self._values(LOCK_TIMEOUT)), None)

    @property
    def requires(self) -> list[str]:
        """The extensions that a server must have for it."""
        return [name for text in self._values(REQUIRES) for name in text.split(",") if name]

    def _values(self, prefix: str) -> list[str]:
        words = sorted(self.directives)
        return [word.removeprefix(prefix) for word in words if word.startswith(prefix)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A rule that a file breaks."""

    code: str
    path: Path
    message: str
    hint: str

    def __str__(self) -> str:
        return f"{self.path}: {self.code} {self.message} ({self.hint})"


def read_migrations(folder: Path) -> list[MigrationFile]:
    """Return the migrations of ``folder`` in the order they are applied: by text of the version.

    Raises GavanError with the code of the first broken rule (GV301-GV306, GV336, GV344), all of
    them in details.
    A missing folder holds no migrations.
    """
    paths = sql_files(folder)
    unreadable = [*_check_files(paths)]
    if unreadable:
        raise _refusal(unreadable)
    named = [(match[1], match[2], path) for path in paths if (match := NAME.fullmatch(path.name))]
    files = [MigrationFile.read(*one) for one in sorted(named, key=lambda entry: entry[0])]
    findings = [*check_names(paths), *_check_marks(files)]
    if findings:
        raise _refusal(findings)
    return files


def read_sql(path: Path) -> str:
    """Return the text of a file, its line ends as they are, without a byte order mark.

    Raises GavanError GV306 for what no tool can apply: bytes that are not UTF-8, or a zero byte.
    """
    return decode(path, path.read_bytes()).removeprefix(BOM)


def decode(path: Path, data: bytes, offset: int = 0) -> str:
    """Return the text of the bytes at ``offset`` of a file; raise GavanError GV306 as above."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _unreadable(path, offset + error.start, "a byte that is not UTF-8") from None
    refuse_zero(path, data, offset)
    return text


def refuse_zero(path: Path, data: bytes, offset: int) -> None:
    """Raise GavanError GV306 for a zero byte in the bytes at ``offset`` of a file."""
    if b"\0" in data:
        raise _unreadable(path, offset + data.index(b"\0"), "a zero byte")


def _closed(path: Path, error: OSError) -> GavanError:
    failure = GavanError(
        "GV306",
        f"{path.name} cannot be read: {error.strerror}",
        hint="whoever runs this must be allowed to read it",
        exit_code=2,
    )
    failure.where = str(path)
    return failure


def is_large(path: Path) -> bool:
    return path.stat().st_size > LARGE_BYTES


def _first_line(text: str) -> str:
    return text[:HEAD_BYTES].split("\n", 1)[0].strip()


def _unreadable(path: Path, offset: int, what: str) -> GavanError:
    with path.open("rb") as stream:
        before, byte = stream.read(offset), stream.read(1)
    line, column = before.count(b"\n") + 1, offset - (before.rfind(b"\n") + 1) + 1
    error = GavanError(
        "GV306",
        f"{path.name} has {what}: 0x{byte.hex()}",
        hint="save the file as UTF-8",
        exit_code=2,
    )
    error.where = f"{path}:{line}:{column}"
    return error


def sql_files(folder: Path) -> list[Path]:
    """Return what looks like SQL, whatever its name, by name; folders do not.

    A link that leads nowhere is among them: left out in silence, a migration would be missing.
    """
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        names = sorted(one.name for one in entries if _is_sql(one.name) and not one.is_dir())
    return [folder / name for name in names]


def check_names(paths: list[Path]) -> list[Finding]:
    """Return what is wrong with the names of the migrations of one folder: GV301-GV306, GV344."""
    versions = [(match[1], path) for path in paths if (match := NAME.fullmatch(path.name))]
    skipped = _check_first(paths[0]) if paths else ()
    return [*_check_names(paths), *skipped, *_check_versions(versions)]


def read_down(folder: Path, version: str, name: str) -> MigrationFile | Path:
    """Return the down file of a migration, or the path where it should be.

    Raises GavanError as ``read_sql`` does.
    """
    path = folder / DOWN / f"{version}_{name}.sql"
    if not path.is_file():
        return path
    return MigrationFile.read(version, name, path)


def irreversible_reason(head: str) -> str | None:
    """Return why a migration says, in its first line, that it cannot be taken back; or None."""
    found = DIRECTIVE.match(_first_line(head))
    marked = IRREVERSIBLE.search(found[1]) if found else None
    if marked is None:
        return None
    return marked[1] or marked[2] or "its first line says irreversible"


def new_migration(
    folder: Path, name: str, *, with_down: bool = False, now: datetime | None = None
) -> Path:
    """Create an empty migration whose version follows the style found in ``folder``.

    Fixed-width numbers go on in tens; otherwise 14 digits of UTC. ``with_down`` creates an empty
    file of the same name in ``down/`` too.
    Raises GavanError GV302 when nothing of ``name`` can stand in a file name.
    """
    path = next_path(folder, name, now)
    paths = [path, folder / DOWN / path.name] if with_down else [path]
    for one in paths:
        one.parent.mkdir(parents=True, exist_ok=True)
        with one.open("x", encoding="utf-8") as stream:
            stream.write("")
    return path


def next_path(folder: Path, name: str, now: datetime | None = None) -> Path:
    """Return the path of a migration that comes after all others; see ``new_migration``."""
    word = slug(name)
    version = next_version([file.version for file in read_migrations(folder)], now)
    return folder / f"{version}_{word}.sql"


def next_version(versions: Sequence[str], now: datetime | None = None) -> str:
    """Return the version after ``versions``, which are sorted, in their style."""
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%d%H%M%S")
    if not versions or len(versions[-1]) >= len(stamp):
        # Two migrations within one second still get two versions.
        newest = max((int(version) for version in versions), default=0)
        return str(max(int(stamp), newest + 1))
    width = len(versions[-1])
    following = (int(versions[-1]) // 10 + 1) * 10
    return f"{following:0{width}d}"


def slug(name: str) -> str:
    """Return ``name`` as it stands in a file name; raise GavanError GV302 when nothing is left."""
    plain = unicodedata.normalize("NFKC", name).lower()
    word = re.sub(r"[^\w]+", "_", plain).strip("_")
    if not word:
        raise GavanError(
            "GV302",
            f"{name!r} leaves no name for a migration",
            hint="gavan migrate new add_due_date",
            exit_code=2,
        )
    return word


def _is_sql(name: str) -> bool:
    return name.lower().endswith(".sql") and not name.startswith(".")


def _check_files(paths: list[Path]) -> Iterator[Finding]:
    for path in paths:
        if not path.is_file():
            what = "is a link to what is not there" if path.is_symlink() else "is no file"
            yield _finding("GV306", path, what, "remove it, or put the file there")


def _check_names(paths: list[Path]) -> Iterator[Finding]:
    lower = defaultdict(list)
    for path in paths:
        lower[path.name.lower()].append(path)
        if _UNSHOWN.search(path.name):
            shown = path.with_name(_UNSHOWN.sub("?", path.name))
            what = "has a control character, or what is not UTF-8, in its name"
            yield _finding("GV306", shown, what, "rename it")
        elif path.suffix != ".sql":
            yield _finding("GV305", path, "ends in upper case", "rename it to .sql")
        elif " " in path.name:
            yield _finding("GV306", path, "has a space in its name", "use _ instead")
        elif re.fullmatch(r".+\.down\.sql", path.name):
            name = f"{path.name.removesuffix('.down.sql')}.sql"
            hint = f"move it to down/{name}, or: gavan migrate adopt"
            yield _finding("GV304", path, "would be applied as an up migration", hint)
        elif NAME.fullmatch(path.name) is None:
            stamp = f"{datetime.now(UTC):%Y%m%d%H%M%S}"
            hint = f"name it {stamp}_{path.name}, or: gavan migrate adopt"
            yield _finding("GV302", path, "has no version in front and would be skipped", hint)
    for twins in lower.values():
        for path in twins[1:]:
            message = f"differs from {twins[0].name} only by upper and lower case"
            yield _finding("GV305", path, message, "rename one of them")


def _check_marks(files: list[MigrationFile]) -> Iterator[Finding]:
    for file in files:
        found = DIRECTIVE.match(file.head)
        words = IRREVERSIBLE.sub(" ", _ALLOW.sub(" ", found[1])).split() if found else ()
        for word in words:
            problem = _problem_of(word)
            if problem:
                yield _finding("GV336", file.path, *problem)


def _problem_of(word: str) -> tuple[str, str] | None:
    """Return what is wrong with a word of the first line, and the mend.

    One that means nothing is most often one that was to mean something.
    """
    if word.startswith(PHASE) and word.removeprefix(PHASE) not in tuple(Phase):
        hint = f"{PHASE}{Phase.EXPAND} or {PHASE}{Phase.CONTRACT}"
        return f"is of no phase that there is: {word}", hint
    if word.startswith(LOCK_TIMEOUT) and not _DURATION.fullmatch(word.removeprefix(LOCK_TIMEOUT)):
        return f"waits for its locks for no time that there is: {word}", f"{LOCK_TIMEOUT}30s"
    if word == NO_TRANSACTION or word.startswith((PHASE, LOCK_TIMEOUT, REQUIRES)):
        return None
    hint = (
        f"one of: {NO_TRANSACTION}, {PHASE}contract, {LOCK_TIMEOUT}30s, {REQUIRES}vector,"
        ' irreversible="why", allow=GV353(why)'
    )
    return f"has a word on its first line that means nothing: {word}", hint


def _check_first(path: Path) -> Iterator[Finding]:
    if _SKIPPED.fullmatch(path.name) and path.name < _SKIPPED_BEFORE:
        name = path.name.replace("_init.", "_start.")
        yield _finding("GV344", path, "would be skipped by the supabase CLI", f"name it {name}")


def _check_versions(versions: list[tuple[str, Path]]) -> list[Finding]:
    findings = []
    first: dict[str, Path] = {}
    ups = [(version, path) for version, path in versions if not path.name.endswith(".down.sql")]
    for version, path in ups:
        if version in first:
            message = f"has the version of {first[version].name}"
            findings.append(_finding("GV303", path, message, "give it a version of its own"))
        first.setdefault(version, path)
    by_text = sorted(first)
    for before, after in itertools.pairwise(by_text):
        if int(before) == int(after):
            message = f"has the number of {first[before].name}"
            findings.append(_finding("GV303", first[after], message, "give it one of its own"))
        if int(before) > int(after):
            message = f"comes after {before} by text and before it by number"
            hint = "write all versions with the same number of digits"
            findings.append(_finding("GV301", first[after], message, hint))
    return findings


def _finding(code: str, path: Path, message: str, hint: str) -> Finding:
    return Finding(code=code, path=path, message=message, hint=hint)


def _refusal(findings: list[Finding]) -> GavanError:
    first = findings[0]
    error = GavanError(
        first.code,
        f"{first.path.name} {first.message}",
        details="\n".join(map(str, findings)) if len(findings) > 1 else None,
        hint=first.hint,
        exit_code=2,
    )
    error.where = str(first.path)
    return error
