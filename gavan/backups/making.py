"""What a backup is made with and made of, between the run and the kinds of backups.

Stands under logical.py (and whatever makes another kind); run.py does what all kinds share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gavan.backups.known import Known
from gavan.backups.layout import Repository
from gavan.backups.model import NO_OBJECTS, ObjectTotals, Report, RowCount, StoredFile
from gavan.backups.sealing import Sealer
from gavan.database.access import Access
from gavan.kit.secret import Secret
from gavan.stack.model import Stack


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """``folder`` is the new one's; ``last_bytes`` are those of the last of its kind, if any."""

    stack: Stack
    access: Access
    repository: Repository
    folder: Path
    sealer: Sealer
    known: Known
    report: Report
    last_bytes: int | None

    @property
    def url(self) -> Secret:
        """The URL of who sees most: the administrator, else the owner."""
        return self.access.admin or self.access.owner


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a kind knows of its backup; the fields are those of the manifest."""

    server_version: str
    system_identifier: str
    timeline: int
    lsn_start: str
    lsn_end: str
    database: str
    database_bytes: int
    files: tuple[StoredFile, ...]
    rows: Mapping[str, RowCount] = field(default_factory=dict)
    schema_hash: str = ""
    migration_head: str = ""
    extensions: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    objects: ObjectTotals = NO_OBJECTS
    config: bool = False
    warnings: tuple[str, ...] = ()


Maker = Callable[[Making], Content]
