"""The dump of one backup as pg_restore reads it: a folder of files, or one sealed stream.

Stands between the repository and the restores; a sealed dump is opened into a pipe, never into a
file. What pg_restore says on the way becomes progress and, at the end, the reason of a failure.
"""

from __future__ import annotations

import gzip
import io
import re
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from gavan.backups.model import title
from gavan.backups.sealing import Opener
from gavan.database.programs import program
from gavan.kit.errors import GavanError

ERROR_LINES = 20
SALVAGE = "nothing was replaced; the tables that are intact: gavan backup restore ID --salvage"
# `pg_restore -l`: "3556; 0 17958 TABLE DATA public card postgres"
_ENTRY = re.compile(r"(?P<id>\d+); \d+ \d+ (?P<rest>.+)")
_DATA = frozenset({"TABLE DATA", "SEQUENCE SET", "MATERIALIZED VIEW DATA", "BLOBS"})
# Kinds of more than one word, as pg_dump writes them (postgres: src/bin/pg_dump/pg_dump.c).
_LONG_KINDS = (
    *("ACCESS METHOD", "BLOB METADATA", "CHECK CONSTRAINT", "DATABASE PROPERTIES", "DEFAULT ACL"),
    *("EVENT TRIGGER", "FK CONSTRAINT", "FOREIGN DATA WRAPPER", "FOREIGN TABLE", "INDEX ATTACH"),
    *("MATERIALIZED VIEW DATA", "MATERIALIZED VIEW", "OPERATOR CLASS", "OPERATOR FAMILY"),
    *("PROCEDURAL LANGUAGE", "PUBLICATION TABLES IN SCHEMA", "PUBLICATION TABLE", "ROW SECURITY"),
    *("SECURITY LABEL", "SEQUENCE OWNED BY", "SEQUENCE SET", "SHELL TYPE", "STATISTICS DATA"),
    *("SUBSCRIPTION TABLE", "TABLE ATTACH", "TABLE DATA", "TEXT SEARCH CONFIGURATION"),
    *("TEXT SEARCH DICTIONARY", "TEXT SEARCH PARSER", "TEXT SEARCH TEMPLATE", "USER MAPPING"),
)
# A word to psql, which is not there to hear it.
_CONNECT = re.compile(r"^\\connect .*$", re.MULTILINE)
_WORKS = re.compile(r"pg_restore: (?:processing data for table|finished item \d+ TABLE DATA)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of the table of contents. ``schema`` is ``-`` for what has none.

    Postgres separates by blanks what may hold blanks: of ``name owner`` the owner is the last word,
    and a schema is known by its own entry.
    """

    id: int
    kind: str
    schema: str
    name: str
    owner: str
    line: str

    @classmethod
    def parse(cls, line: str, schemas: Sequence[str] = ()) -> Entry | None:
        """Return the entry of a line; None for a comment. ``schemas`` have names with blanks."""
        found = _ENTRY.fullmatch(line)
        if found is None:
            return None
        rest = found["rest"]
        first = rest.partition(" ")[0]
        kind = next((kind for kind in _LONG_KINDS if rest.startswith(f"{kind} ")), first)
        rest = rest.removeprefix(f"{kind} ")
        blank = max((one for one in schemas if rest.startswith(f"{one} ")), key=len, default="")
        schema, more = (blank, rest[len(blank) + 1 :]) if blank else rest.partition(" ")[::2]
        name, _, owner = more.rpartition(" ")
        return cls(id=int(found["id"]), kind=kind, schema=schema, name=name, owner=owner, line=line)

    @property
    def has_data(self) -> bool:
        return self.kind in _DATA

    @property
    def title(self) -> str:
        return title(self.schema, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """How a pg_restore ended: its exit code and the errors it named."""

    code: int
    errors: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """``path`` is the folder of a dump, or the file of a sealed one that ``opener`` opens."""

    path: Path
    opener: Opener
    jobs: int = 2
    heard: Callable[[int], None] = field(default=lambda _count: None)
    """Hears how many tables are filled."""

    @property
    def is_folder(self) -> bool:
        return self.path.is_dir()

    def entries(self, *more: str) -> list[Entry]:
        """Return the table of contents; raise GavanError GV435 when it cannot be read."""
        return read_contents(self.text("--list", *more))

    def text(self, *arguments: str) -> str:
        """Return what pg_restore writes; raise GavanError GV435 when it fails."""
        with tempfile.TemporaryFile() as out:
            said = self._run(arguments, {}, out)
            if said.code != 0:
                raise failed(said)
            out.seek(0)
            return out.read().decode()

    def text_of_database(self, wanted: Callable[[Entry], bool]) -> str:
        """Return the SQL of what is about the database itself, under its old name.

        ``wanted`` chooses among the entries. Raises GavanError GV435.
        """
        chosen = [entry for entry in self.entries("--create") if wanted(entry)]
        if not chosen:
            return ""
        with list_file(chosen) as name:
            text = self.text("--create", "--use-list", name, "--file", "-")
        return _CONNECT.sub("", text)

    def write(self, target: IO[bytes], *arguments: str) -> None:
        """Write what pg_restore writes to a file; raise GavanError GV435 when it fails."""
        said = self._run(arguments, {}, target)
        if said.code != 0:
            raise failed(said)

    def load(self, environment: Mapping[str, str], *arguments: str, tolerant: bool = False) -> Said:
        """Restore into the database that ``environment`` names; say how it ended.

        ``tolerant``: of a stream that cannot be opened to its end, take what comes before.
        """
        own = [*arguments, "--verbose", "--dbname", environment["PGDATABASE"]]
        if self.is_folder:
            own += ["--jobs", str(self.jobs)]
        return self._run(own, environment, None, tolerant=tolerant)

    def _run(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        out: IO[bytes] | None,
        *,
        tolerant: bool = False,
    ) -> Said:
        argv = [str(program("pg_restore")), *arguments]
        if self.is_folder:
            argv.append(str(self.path))
        process = subprocess.Popen(
            argv,
            env={**environment, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL if self.is_folder else subprocess.PIPE,
            stdout=out or subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        listener = _Listener(process.stderr, self.heard)
        try:
            listener.start()
            broken = self._pour(process.stdin) if process.stdin is not None else None
            # It ends by itself, for it has its stream to the end, or to where that broke.
            code = process.wait()
        finally:
            process.kill()
            process.wait()
            listener.join()
        if broken is not None and not tolerant:
            raise broken
        return Said(code=code, errors=listener.errors)

    def _pour(self, target: IO[bytes]) -> GavanError | None:
        """Open the stream into a program; return why it could not be opened to its end."""
        try:
            with target, self.path.open("rb") as sealed:
                self.opener.open(sealed, target)
        except BrokenPipeError:
            return None  # it has read all that it needs, or says itself why it ended
        except GavanError as error:
            return error
        except OSError as error:
            return GavanError("GV435", f"the dump cannot be read to its end: {error}", hint=SALVAGE)
        return None


def read_contents(text: str) -> list[Entry]:
    """Return the entries of a table of contents, as ``pg_restore --list`` writes it."""
    found = [one for line in text.splitlines() if (one := Entry.parse(line)) is not None]
    blanks = [one.name for one in found if one.kind == "SCHEMA" and " " in one.name]
    if not blanks:
        return found
    again = (Entry.parse(one.line, blanks) for one in found)
    return [one for one in again if one is not None]


@contextmanager
def list_file(entries: Sequence[Entry]) -> Iterator[str]:
    """Yield the name of a file for ``--use-list`` that has these entries."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".list") as file:
        file.writelines(f"{entry.line}\n" for entry in entries)
        file.flush()
        yield file.name


def read_globals(path: Path, opener: Opener) -> str:
    """Return the clear text of the dump of roles."""
    clear = io.BytesIO()
    with path.open("rb") as sealed:
        opener.open(sealed, clear)
    return gzip.decompress(clear.getvalue()).decode()


def failed(said: Said) -> GavanError:
    """Return the error of a pg_restore that failed."""
    return GavanError(
        "GV435",
        "pg_restore failed" + (f": {said.errors[0]}" if said.errors else ""),
        details="\n".join(said.errors[-ERROR_LINES:]) or f"exit code {said.code}",
        hint=SALVAGE,
    )


class _Listener(threading.Thread):
    """Reads what pg_restore says: counts tables, keeps errors."""

    def __init__(self, stream: IO[bytes] | None, heard: Callable[[int], None]) -> None:
        super().__init__(name="pg_restore", daemon=True)
        self._stream = stream
        self._heard = heard
        self.errors: list[str] = []

    def run(self) -> None:
        count = 0
        with self._stream or io.BytesIO() as stream:
            for raw in stream:
                line = raw.decode(errors="replace").rstrip()
                if _WORKS.match(line):
                    count += 1
                    self._heard(count)
                elif line.startswith(("pg_restore: error: ", "pg_restore: detail: ")):
                    self.errors.append(line.partition(": ")[2].partition(": ")[2])
