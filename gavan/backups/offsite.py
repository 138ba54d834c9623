"""Bring backups to the second place: what is missing there, and what earlier runs could not send.

Stands between the run and the place. The manifest goes last, so that a backup there is whole or
none; a failure there changes nothing here.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from gavan.backups import runs
from gavan.backups.known import Known
from gavan.backups.layout import MANIFEST, Repository
from gavan.backups.listing import Entry, backups
from gavan.backups.model import Manifest, Report, StoredFile
from gavan.backups.objects import read_list
from gavan.backups.place import Place, object_key
from gavan.backups.places import OFFSITE, Arrival, read_places, write_places
from gavan.kit.errors import GavanError
from gavan.kit.size import in_bytes

STEP = "second place"
THREADS = 8
AT_ONCE = 256
TICK_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A file on its way; ``stored`` says what it must be when it is read back."""

    path: Path
    key: str
    stored: StoredFile


def deliver(
    repository: Repository, place: Place, known: Known, report: Report
) -> GavanError | None:
    """Send every backup that has not arrived, oldest first; return why one could not."""
    down: GavanError | None = None
    trouble: GavanError | None = None
    for entry in _missing(repository):
        # A place that is down is asked once, and all are told; damage keeps but one away.
        failed = down or _deliver(repository, place, known, entry, report)
        if failed is not None:
            _note(repository, entry, place.target, failed)
            down = failed if failed.code == "GV413" else down
            trouble = trouble or failed
    return trouble


def _missing(repository: Repository) -> list[Entry]:
    found = []
    for entry in backups(repository):
        arrival = read_places(repository.folder(entry.id)).get(OFFSITE)
        if entry.manifest is not None and arrival is not None and arrival.verified_at is None:
            found.append(entry)
    return found


def _deliver(
    repository: Repository, place: Place, known: Known, entry: Entry, report: Report
) -> GavanError | None:
    made = entry.manifest
    if made is None:
        return None
    report(STEP, "start", made.id)
    try:
        sent = _Delivery(repository, place, known, report).send(made)
    except GavanError as error:
        report(STEP, "fail", error.message)
        return error
    except FileNotFoundError as error:
        report(STEP, "fail", f"{error.filename} is missing")
        return GavanError(
            "GV401",
            f"{made.id} cannot be sent: {error.filename} is missing",
            hint=f"gavan backup verify {made.id}",
        )
    former = read_places(repository.folder(made.id)).get(OFFSITE) or Arrival(target="")
    arrival = replace(
        former, target=place.target, verified_at=runs.now(), attempts=former.attempts + 1,
        error=None,
    )  # fmt: skip
    write_places(repository.folder(made.id), {OFFSITE: arrival})
    report(STEP, "ok", f"{made.id}: {in_bytes(sent)} sent and read back")
    return None


def _note(repository: Repository, entry: Entry, target: str, trouble: GavanError) -> None:
    folder = repository.folder(entry.id)
    former = read_places(folder).get(OFFSITE) or Arrival(target=target)
    write_places(
        folder,
        {OFFSITE: replace(former, attempts=former.attempts + 1, error=trouble.message)},
    )


class _Delivery:
    """One backup on its way."""

    def __init__(self, repository: Repository, place: Place, known: Known, report: Report) -> None:
        self._repository = repository
        self._place = place
        self._known = known
        self._report = report
        self._lock = threading.Lock()
        self._sent = 0
        self._told = time.monotonic()

    def send(self, made: Manifest) -> int:
        """Bring everything of a backup there; return the bytes that were sent."""
        folder = self._repository.folder(made.id)
        self._all(self._objects(folder, made), self._place.sizes("objects/"))
        there = self._place.sizes(f"{made.id}/")
        files = [
            Parcel(path=folder / file.path, key=f"{made.id}/{file.path}", stored=file)
            for file in made.files
        ]
        self._all(files, there)
        self._all([_manifest_parcel(folder, made.id)], there)
        return self._sent

    def _objects(self, folder: Path, made: Manifest) -> Iterator[Parcel]:
        for sha256, size in dict(read_list(folder, made.files)).items():
            yield Parcel(
                path=self._repository.object_path(sha256),
                key=object_key(sha256),
                stored=StoredFile(path=sha256, bytes=size, sha256=sha256),
            )

    def _all(self, parcels: Iterable[Parcel], there: dict[str, int]) -> None:
        left = iter(parcels)
        with ThreadPoolExecutor(THREADS, thread_name_prefix="offsite") as pool:
            while batch := list(itertools.islice(left, AT_ONCE)):
                new = [one for one in batch if not self._is_there(one, there)]
                # Kept as they arrive: a run that is cut off has not sent them in vain.
                arrived = list(pool.map(lambda one: self._bring(one, there), new))
                self._known.arrived(self._place.target, arrived)

    def _is_there(self, parcel: Parcel, there: dict[str, int]) -> bool:
        stored = parcel.stored
        return there.get(parcel.key) == stored.bytes and self._known.has_arrived(
            self._place.target, parcel.key, stored.sha256
        )

    def _bring(self, parcel: Parcel, there: dict[str, int]) -> tuple[str, str]:
        # Perhaps sent by a run that was ended before it could read it back.
        if there.get(parcel.key) == parcel.stored.bytes and _is_proved(self._place, parcel):
            return parcel.key, parcel.stored.sha256
        self._place.send(parcel.path, parcel.key, parcel.stored.sha256, self._heard)
        self._place.prove(parcel.path, parcel.key, parcel.stored)
        return parcel.key, parcel.stored.sha256

    def _heard(self, count: int) -> None:
        with self._lock:
            self._sent += count
            if time.monotonic() - self._told > TICK_S:
                self._told = time.monotonic()
                self._report(STEP, "tick", in_bytes(self._sent))


def _is_proved(place: Place, parcel: Parcel) -> bool:
    """Say whether what is there is what should be."""
    try:
        place.prove(parcel.path, parcel.key, parcel.stored)
    except GavanError:
        return False
    return True


def _manifest_parcel(folder: Path, backup_id: str) -> Parcel:
    content = (folder / MANIFEST).read_bytes()
    stored = StoredFile(
        path=MANIFEST, bytes=len(content), sha256=hashlib.sha256(content).hexdigest()
    )
    return Parcel(path=folder / MANIFEST, key=f"{backup_id}/{MANIFEST}", stored=stored)
