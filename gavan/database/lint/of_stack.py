"""What the lint reads of a stack: its files by what they are for, and the levels of its rules.

Stands between the stack file and the lint.
"""

from __future__ import annotations

from pathlib import Path

from gavan.database.lint.run import Rules, Sources
from gavan.database.migration.files import DOWN, sql_files
from gavan.stack.model import Stack


def sources_of(stack: Stack, only: tuple[Path, ...] = ()) -> Sources:
    """Return the files of the stack; one of ``only`` from elsewhere is read as its newest."""
    folder = stack.database.migrations.dir
    seed = stack.database.seed
    ups, downs = sql_files(folder), sql_files(folder / DOWN)
    seeds = [path.resolve() for path in (*seed.files, *seed.mock) if path.is_file()]
    known = {path.resolve() for path in (*ups, *downs, *seeds)} if only else set()
    elsewhere = [path for path in only if path.resolve() not in known]
    return Sources(ups=[*ups, *elsewhere], downs=downs, seeds=seeds)


def rules_of(stack: Stack) -> Rules:
    """Return the levels of the stack file."""
    return Rules(levels=stack.database.migrations.lint, exposed=stack.core.schemas)
