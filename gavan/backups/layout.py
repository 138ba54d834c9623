"""Where everything lies in the folder of backups.

    <id>/manifest.json         one backup; without a whole manifest it is none
    <id>.partial/              one that is being made; a killed run's is removed by the next run
    objects/<aa>/<sha256>      bytes of objects, shared by all backups, named by their stored bytes
    wal/<timeline>/            the archive of the write-ahead log
    latest                     the id of the newest
    runs.jsonl                 how the last runs ended

Stands beside the model; the only place that knows these names.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gavan.backups.model import Kind
from gavan.kit.errors import GavanError
from gavan.kit.storage.disk import make_folders, sync_folder

MANIFEST = "manifest.json"
PLACES = "places.json"
KEPT = "keep.json"
PARTIAL = ".partial"
_ID = re.compile(r"\d{8}T\d{6}Z-(logical|physical)-[0-9a-f]{6}")
_SHA = re.compile(r"[0-9a-f]{64}")
_TRASH = ".trash-"


def new_id(kind: Kind, now: datetime) -> str:
    """Return the name of a backup that begins ``now``: sorts by time, tells the kind.

    Of the six digits at its end three are milliseconds, so that of two in one second the later one
    is the latest; the others are for machines that share a place.
    """
    milliseconds = now.microsecond // 1000
    end = f"{milliseconds:03x}{secrets.randbelow(16**3):03x}"
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{kind}-{end}"


def is_id(name: str) -> bool:
    """Say whether a folder of this name is a backup's."""
    return _ID.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Repository:
    """The folder of backups of one stack."""

    root: Path

    @property
    def objects(self) -> Path:
        return self.root / "objects"

    @property
    def lock_file(self) -> Path:
        return self.root / ".lock"

    @property
    def runs_file(self) -> Path:
        return self.root / "runs.jsonl"

    def folder(self, backup_id: str) -> Path:
        return self.root / backup_id

    def partial(self, backup_id: str) -> Path:
        return self.root / f"{backup_id}{PARTIAL}"

    def object_path(self, sha256: str) -> Path:
        """Return where the stored bytes of this digest are; raise GavanError GV401."""
        if not _SHA.fullmatch(sha256):
            raise GavanError("GV401", f"no object can have the digest {sha256[:80]!r}")
        return Path(f"{self.root}/objects/{sha256[:2]}/{sha256}")

    def wal_dir(self, timeline: int) -> Path:
        return self.root / "wal" / f"{timeline:08X}"

    def ids(self) -> list[str]:
        """Return the names of all folders that look like backups, oldest first."""
        try:
            names = [entry.name for entry in os.scandir(self.root) if is_id(entry.name)]
        except FileNotFoundError:
            return []
        return sorted(names)

    def latest(self) -> str | None:
        """Return the id of the newest backup by the file of that name; None without one."""
        try:
            written = (self.root / "latest").read_text(encoding="ascii").strip()
        except (FileNotFoundError, UnicodeDecodeError):
            return None
        return written if is_id(written) and self.folder(written).is_dir() else None

    def resolve(self, name: str) -> str:
        """Return the id that ``name`` means: ``latest``, an id, or the beginning of just one.

        Raises GavanError GV400.
        """
        ids = self.ids()
        if name == "latest":
            found = [newest] if (newest := self.latest() or (ids[-1] if ids else None)) else []
        else:
            found = [name] if name in ids else [one for one in ids if one.startswith(name)]
        if len(found) == 1:
            return found[0]
        several = f"{len(found)} begin with it" if found else "none has that name"
        raise GavanError(
            "GV400",
            f"there is no backup {name!r} in {self.root}",
            details=several if ids else "there is none at all",
            hint="gavan backup list" if ids else "gavan backup run",
        )

    def create(self) -> None:
        """Make the folder, for its owner alone and unseen by git; raise GavanError GV403."""
        try:
            make_folders(self.root)
            ignore = self.root / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n", encoding="ascii")
        except OSError as error:
            raise GavanError(
                "GV403",
                f"the folder of backups {self.root} cannot be made: {error.strerror}",
                hint="run gavan as the user who may write there, or name another: [backup] dir",
            ) from error

    def publish(self, backup_id: str) -> None:
        """Give a finished folder its name, durably, and point ``latest`` to it."""
        self.partial(backup_id).rename(self.folder(backup_id))
        sync_folder(self.root)
        self.point_to(backup_id)

    def point_to(self, backup_id: str) -> None:
        """Say that this is the newest."""
        draft = self.root / ".latest"
        draft.write_text(f"{backup_id}\n", encoding="ascii")
        draft.replace(self.root / "latest")
        sync_folder(self.root)

    def remove(self, name: str) -> None:
        """Remove a folder: it has no name of a backup any more before its first file goes."""
        trash = self.root / f"{_TRASH}{name}"
        shutil.rmtree(trash, ignore_errors=True)
        (self.root / name).rename(trash)
        sync_folder(self.root)
        shutil.rmtree(trash, ignore_errors=True)

    def remove_unfinished(self) -> list[str]:
        """Remove what killed runs left; call it with the lock held. Return the names."""
        left = [entry.name for entry in os.scandir(self.root) if entry.is_dir()]
        unfinished = [n for n in left if n.endswith(PARTIAL) and is_id(n.removesuffix(PARTIAL))]
        for name in unfinished:
            self.remove(name)
        for name in left:
            if name.startswith(_TRASH):
                shutil.rmtree(self.root / name, ignore_errors=True)
        return unfinished
