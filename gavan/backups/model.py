"""What a backup is: the manifest of one folder, and what happened on the way.

Stands under every other file of this room; frozen values only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from gavan.database.identifier import quote_identifier

VERSION = 1
"""Form of the manifest"""


class Kind(StrEnum):
    LOGICAL = "logical"
    PHYSICAL = "physical"


class State(StrEnum):
    """What a backup is good for.

    ``partial``: whole here, and not yet (or never) at the second place. ``failed``: its folder is
    damaged, or the run that should have made it failed.
    """

    OK = "ok"
    PARTIAL = "partial"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file of a backup's folder, by its path in it; the digest is that of the stored bytes."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCount:
    """Rows of one table; not ``exact``: the planner's estimate."""

    count: int
    exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """How the files are encrypted; ``recipients`` are fingerprints of public keys."""

    method: str
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectTotals:
    """Objects that a backup names. ``new_bytes``: stored by this one, not by an earlier one.
    ``absent``: rows whose bytes were not there."""

    count: int
    bytes: int
    new_bytes: int
    absent: int


def title(schema: str, name: str) -> str:
    """Return what a table is called in manifests and on the command line: ``schema.table``.

    Names with a dot are quoted: a.b in c and b.c in a are two tables.
    """
    if "." not in schema and "." not in name:
        return f"{schema}.{name}"
    return f"{quote_identifier(schema)}.{quote_identifier(name)}"


NO_OBJECTS = ObjectTotals(count=0, bytes=0, new_bytes=0, absent=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All that is known of one backup; times are UTC, sizes bytes, LSNs as Postgres writes them.

    ``rows`` is by ``schema.table``. ``migration_head`` is empty without a history, ``schema_hash``
    for a physical backup. ``config`` says whether the files of the stack are in it.
    """

    id: str
    stack: str
    kind: Kind
    started: datetime
    ended: datetime
    tool_version: str
    server_version: str
    system_identifier: str
    timeline: int
    lsn_start: str
    lsn_end: str
    database: str
    database_bytes: int
    rows: Mapping[str, RowCount]
    schema_hash: str
    migration_head: str
    extensions: tuple[str, ...]
    roles: tuple[str, ...]
    files: tuple[StoredFile, ...]
    encryption: Sealed
    objects: ObjectTotals
    config: bool
    result: State = State.OK
    warnings: tuple[str, ...] = field(default=())
    version: int = VERSION

    @property
    def stored_bytes(self) -> int:
        """Bytes of the files in its folder; objects are shared and not among them."""
        return sum(file.bytes for file in self.files)


Heard = Callable[[int], None]
"""Is told, again and again, how many bytes are done."""


Report = Callable[[str, str, str], None]
"""Hears of a step: its name, its state (start, tick, ok, warn, fail, skip), and details."""


def silent(step: str, state: str, detail: str) -> None:
    """Hear nothing."""
