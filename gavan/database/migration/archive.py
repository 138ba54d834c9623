"""The files of a squash: one new migration, the old ones in ``archive/VERSION/`` beside it.

Stands under the squash. Each step can be interrupted and done again: what the archive says was
squashed is removed from the folder, and never before it is whole in the archive.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gavan.database.migration.files import DOWN, NAME, MigrationFile, read_sql

ARCHIVE = "archive"
SQUASHED = "squashed"
_PARTIAL = ".partial"


@dataclass(frozen=True, slots=True, kw_only=True)
class Squashed:
    """A squash that was done: its one ``file``, and the ``versions`` that it stands for."""

    file: MigrationFile
    versions: Sequence[str]


def archive(folder: Path, file: MigrationFile, old: Sequence[MigrationFile]) -> None:
    """Put ``file`` in the place of ``old``; these and their down files go into the archive."""
    home = folder / ARCHIVE / file.version
    partial = home.with_name(home.name + _PARTIAL)
    shutil.rmtree(partial, ignore_errors=True)
    (partial / DOWN).mkdir(parents=True)
    for one in old:
        shutil.copy2(one.path, partial / one.path.name)
        down = folder / DOWN / one.path.name
        if down.is_file():
            shutil.copy2(down, partial / DOWN / down.name)
    (partial / f"{SQUASHED}.sql").write_text(file.text, encoding="utf-8")
    _sync(partial)
    partial.rename(home)
    finish(folder)


def finish(folder: Path) -> None:
    """Bring the folder to what its archive says; does nothing where it is so already."""
    for squashed in read_archive(folder):
        path = squashed.file.path
        home = folder / ARCHIVE / squashed.file.version
        for old in [*home.glob("[0-9]*_*.sql"), *(home / DOWN).glob("*.sql")]:
            twin = folder / old.relative_to(home)
            if twin.is_file() and twin.read_bytes() == old.read_bytes():
                twin.unlink()
        if not path.is_file() and not _is_squashed_again(folder, squashed.file.version):
            waiting = path.with_suffix(_PARTIAL)
            waiting.write_text(squashed.file.text, encoding="utf-8")
            waiting.replace(path)


def read_archive(folder: Path) -> list[Squashed]:
    """Return the squashes that were done, by version."""
    homes = sorted((folder / ARCHIVE).glob("*")) if (folder / ARCHIVE).is_dir() else []
    return [_read(folder, home) for home in homes if (home / f"{SQUASHED}.sql").is_file()]


def archived_versions(folder: Path) -> Mapping[str, str]:
    """Return version -> the newest version that it was squashed into."""
    return {
        version: squashed.file.version
        for squashed in read_archive(folder)
        for version in squashed.versions
    }


def _read(folder: Path, home: Path) -> Squashed:
    version = home.name
    path = folder / f"{version}_{SQUASHED}.sql"
    names = [match[1] for one in home.iterdir() if (match := NAME.fullmatch(one.name))]
    file = MigrationFile.of_text(version, SQUASHED, path, read_sql(home / f"{SQUASHED}.sql"))
    return Squashed(file=file, versions=sorted(names))


def _is_squashed_again(folder: Path, version: str) -> bool:
    later = [one for one in read_archive(folder) if one.file.version > version]
    return any(version in one.versions for one in later)


def _sync(folder: Path) -> None:
    """Let what was copied outlive a power cut before its name says that it is whole."""
    for path in [*folder.rglob("*.sql"), folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
