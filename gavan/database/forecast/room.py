"""Is there room on the disk for what is about to run: asked before the first file, not at the last.

Stands on the sizes, under the gate in front of `migrate up`. A disk that is full in the middle of a
rewrite stops the whole server, not only the migration. Only where the data are on this machine can
anybody tell.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from gavan.database.forecast.locks import locks
from gavan.database.forecast.sizes import Size
from gavan.database.lint.catalogue import Name
from gavan.database.migration.parsed import Parsed
from gavan.kit.errors import GavanError
from gavan.kit.size import in_bytes

RESERVE = 64 * 1024 * 1024
"""What any migration may take: Postgres writes its log in files of 16 MB."""
PER_BYTE = 4
"""Of a byte of a file: the row, its index, its place in the history, and the log of all three."""


def require_room(data: Path, plan: Sequence[Parsed], sizes: Mapping[Name, Size]) -> None:
    """Raise GavanError GV348 unless the disk of ``data`` has room for ``plan``, as far as told."""
    wanted, free = wanted_bytes(plan, sizes), shutil.disk_usage(data).free
    if free < wanted:
        raise GavanError(
            "GV348",
            f"{in_bytes(free)} are free on the disk of the database, and this takes about"
            f" {in_bytes(wanted)}; nothing was applied",
            details=f"the data are in {data}; counted are tables that are written anew, and"
            f" {PER_BYTE} times the size of the files",
            hint="make room; what is large: gavan migrate plan",
            exit_code=1,
        )


def wanted_bytes(plan: Sequence[Parsed], sizes: Mapping[Name, Size]) -> int:
    """Return about what ``plan`` writes, in bytes; a table is written anew beside the old one."""
    rewritten = {
        taken.table
        for parsed in plan
        if parsed.large is None
        for statement in parsed.statements
        for taken in locks(statement)
        if taken.rewrites and taken.table in sizes
    }
    texts = sum(parsed.file.path.stat().st_size for parsed in plan)
    return RESERVE + PER_BYTE * texts + sum(sizes[name].size_bytes for name in rewritten)
