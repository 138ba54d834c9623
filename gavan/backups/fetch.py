"""Bring a backup back from the second place, when what was here is lost.

Stands beside offsite.py, the other way. What arrives is compared with the manifest, byte for byte,
before it has the name of a backup.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gavan.backups import manifest, runs
from gavan.backups.layout import MANIFEST, Repository, is_id
from gavan.backups.lock import locked
from gavan.backups.model import Kind, Report, StoredFile
from gavan.backups.objects import read_list
from gavan.backups.place import Place, object_key
from gavan.backups.places import OFFSITE, Arrival, write_places
from gavan.backups.stored import Storing
from gavan.backups.wal_archive import (
    INDEX,
    Segment,
    WalArchive,
    is_segment,
    number_of_lsn,
    read_index,
    wal_key,
)
from gavan.kit.errors import GavanError
from gavan.kit.size import in_bytes
from gavan.kit.storage.disk import make_folders, sync_folder

STEP = "fetch"


def backups_there(place: Place) -> list[str]:
    """Return the ids of the backups at the second place, oldest first."""
    return sorted(
        name
        for name in place.folders()
        if is_id(name) and f"{name}/{MANIFEST}" in place.sizes(f"{name}/{MANIFEST}")
    )


def fetch(repository: Repository, place: Place, name: str, report: Report) -> str:
    """Bring a backup here: ``latest``, an id or its beginning; return its id.

    What is here already is not read again. Raises GavanError: GV400 there is none, GV401 what
    arrived is not what the manifest says, GV404, GV413.
    """
    backup_id = _resolve(place, name)
    with locked(repository, "backup fetch"):
        repository.remove_unfinished()
        if repository.folder(backup_id).is_dir():
            # The log has grown since.
            _Fetching(repository, place, report).bring_log(backup_id)
            return backup_id
        folder = repository.partial(backup_id)
        folder.mkdir(mode=0o700)
        try:
            _Fetching(repository, place, report).bring(backup_id, folder)
        except BaseException:
            repository.remove(folder.name)
            raise
        newest = repository.latest()
        repository.publish(backup_id)
        if newest is not None and newest > backup_id:
            repository.point_to(newest)
    return backup_id


def _resolve(place: Place, name: str) -> str:
    ids = backups_there(place)
    found = ids[-1:] if name == "latest" else [one for one in ids if one.startswith(name)]
    if len(found) == 1:
        return found[0]
    raise GavanError(
        "GV400",
        f"there is no backup {name!r} at the second place {place.target}",
        details=f"there are: {', '.join(ids[-10:])}" if ids else "there is none at all",
        hint="gavan backup list --offsite",
    )


@dataclass(slots=True)
class _Fetching:
    repository: Repository
    place: Place
    report: Report
    bytes: int = 0

    def bring(self, backup_id: str, folder: Path) -> None:
        self.report(STEP, "start", backup_id)
        self._manifest(backup_id, folder)
        made = manifest.read(folder)
        for file in made.files:
            make_folders((folder / file.path).parent)
            self._file(f"{backup_id}/{file.path}", folder / file.path, file)
        self._objects(read_list(folder, made.files))
        if made.kind is Kind.PHYSICAL:
            self._log(number_of_lsn(made.lsn_start))
        arrival = Arrival(target=self.place.target, verified_at=runs.now())
        write_places(folder, {OFFSITE: arrival})
        self.report(STEP, "ok", f"{backup_id}: {in_bytes(self.bytes)}")

    def bring_log(self, backup_id: str) -> None:
        """Bring what the log of a base that is here has at the second place."""
        made = manifest.read(self.repository.folder(backup_id))
        if made.kind is Kind.PHYSICAL:
            self.report(STEP, "start", "the log")
            self._log(number_of_lsn(made.lsn_start))
            self.report(STEP, "ok", f"the log: {in_bytes(self.bytes)}")

    def _manifest(self, backup_id: str, folder: Path) -> None:
        made = Storing(folder / MANIFEST)
        for block in self.place.read(f"{backup_id}/{MANIFEST}"):
            made.write(block)
            if made.size > manifest.MOST_BYTES:
                made.abandon()
                raise GavanError(
                    "GV401",
                    f"{backup_id}/{MANIFEST} at the second place is no manifest",
                    details=f"it is larger than {manifest.MOST_BYTES} bytes",
                    hint="fetch another backup: gavan backup list --offsite",
                )
        made.finish()

    def _objects(self, listed: Iterable[tuple[str, int]]) -> None:
        for sha256, size in dict(listed).items():
            path = self.repository.object_path(sha256)
            if path.is_file() and path.stat().st_size == size:
                continue
            make_folders(path.parent)
            draft = path.with_name(f".{sha256}.new")
            draft.unlink(missing_ok=True)
            stored = StoredFile(path=sha256, bytes=size, sha256=sha256)
            self._file(object_key(sha256), draft, stored)
            draft.replace(path)
            sync_folder(path.parent)

    def _log(self, first: int) -> None:
        """Bring the log from this segment on, and how its timelines began."""
        listed = read_index(self.place.get(f"wal/{INDEX}") or b"")
        wanted = [one for one in listed if not is_segment(one.name) or one.number >= first]
        WalArchive(self.repository).take(wanted, self._segment)

    def _segment(self, segment: Segment, path: Path) -> None:
        stored = StoredFile(path=segment.file, bytes=segment.bytes, sha256=segment.sha256)
        self._file(wal_key(segment), path, stored)

    def _file(self, key: str, path: Path, wanted: StoredFile) -> None:
        made = Storing(path)
        try:
            for block in self.place.read(key):
                made.write(block)
                self.report(STEP, "tick", in_bytes(self.bytes + made.size))
            made.finish()
            _require_equal(made, wanted, key)
        except BaseException:
            made.abandon()
            raise
        self.bytes += made.size


def _require_equal(made: Storing, wanted: StoredFile, key: str) -> None:
    if (made.size, made.sha256) == (wanted.bytes, wanted.sha256):
        return
    raise GavanError(
        "GV401",
        f"{key} at the second place is not what was sent there",
        details=f"{made.size} bytes instead of {wanted.bytes}, or other ones",
        hint="fetch another backup: gavan backup list --offsite",
    )
