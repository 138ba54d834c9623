"""Remove the backups that no rule wants, here and at the second place, and the objects they leave.

Stands on the retention, which decides. Here a folder loses its name before its first file; there
the manifest goes first: at no moment is half a backup listed.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import orjson

from gavan.backups.known import Known
from gavan.backups.layout import MANIFEST, Repository, is_id
from gavan.backups.listing import Entry, backups
from gavan.backups.lock import locked
from gavan.backups.model import Kind, Report, State
from gavan.backups.objects import LIST, read_list
from gavan.backups.place import Place, object_key, open_place
from gavan.backups.retention import Candidate, Decision, Policy, candidate, decide, require_clock
from gavan.backups.wal_archive import Segment, WalArchive, is_segment, number_of_lsn, segment_number
from gavan.kit.errors import GavanError
from gavan.kit.size import in_bytes
from gavan.stack.model import Backup

HERE, THERE = "here", "second place"
_UNREADABLE = (gzip.BadGzipFile, zlib.error, EOFError, ValueError, KeyError, TypeError)
"""What comes of a file there that is not what was sent"""


@dataclass(slots=True, kw_only=True)
class Pruned:
    """What was decided by place, and what went; ``stay``: keys that a lock there holds."""

    decisions: dict[str, list[Decision]] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    freed_bytes: int = 0
    stay: list[str] = field(default_factory=list)


def policy_of(settings: Backup) -> Policy:
    """Return the rules of [backup.keep] and [backup.pitr]."""
    window = timedelta(seconds=settings.pitr.window_s) if settings.pitr.enabled else None
    return Policy(keep=settings.keep, window=window)


def prune(
    repository: Repository, settings: Backup, report: Report, *, dry_run: bool, now: datetime
) -> Pruned:
    """Apply the rules to every place; ``dry_run``: only say what they would do.

    Raises GavanError: GV414 when the clock was moved back, GV404 when another run works here,
    GV413 when the second place fails - what is here was pruned then.
    """
    pruned = Pruned()
    with locked(repository, "backup prune"):
        entries = backups(repository)
        pruned.decisions[HERE] = _decided([candidate(e) for e in entries], settings, now)
        if not dry_run:
            _prune_here(repository, pruned, report)
        if settings.offsite is not None:
            with open_place(settings.offsite) as place:
                _prune_there(repository, place, settings, pruned, (report, dry_run, now))
    return pruned


def _decided(candidates: Sequence[Candidate], settings: Backup, now: datetime) -> list[Decision]:
    require_clock(candidates, now)
    return decide(candidates, now, policy_of(settings))


def _prune_here(repository: Repository, pruned: Pruned, report: Report) -> None:
    going = [decision.id for decision in pruned.decisions[HERE] if not decision.stays]
    report(HERE, "start", "")
    for backup_id in going:
        folder = repository.folder(backup_id)
        pruned.freed_bytes += sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        repository.remove(backup_id)
        pruned.removed.append(backup_id)
    known = Known(repository.root)
    try:
        pruned.freed_bytes += _sweep(repository, known)
    finally:
        known.close()
    archive = WalArchive(repository)
    first = first_needed(backups(repository), archive.segments())
    if first is not None:
        pruned.freed_bytes += archive.remove_before(first)
    report(HERE, "ok", f"{len(going)} removed, {in_bytes(pruned.freed_bytes)} free")


def first_needed(entries: Iterable[Entry], segments: Sequence[Segment]) -> int | None:
    """Return the number of the oldest segment of the log that a base needs; None: do not ask.

    Without any base it is the newest there is: a base that is made later begins behind it.
    """
    needed = []
    for entry in entries:
        if entry.manifest is None and candidate(entry).kind is Kind.PHYSICAL:
            # Perhaps it comes back from the second place.
            return None
        if entry.manifest is not None and entry.manifest.kind is Kind.PHYSICAL:
            needed.append(number_of_lsn(entry.manifest.lsn_start))
    newest = (one.number for one in reversed(segments) if is_segment(one.name))
    return min(needed) if needed else next(newest, None)


def _sweep(repository: Repository, known: Known) -> int:
    """Remove stored bytes that no backup names; return how many bytes that frees.

    Nothing goes while a list cannot be read: it may name anything.
    """
    wanted = _named(repository, backups(repository))
    if wanted is None:
        return 0
    gone, freed = [], 0
    for folder in _folders(repository):
        for entry in os.scandir(folder):
            if entry.name in wanted or not entry.is_file(follow_symlinks=False):
                continue
            freed += entry.stat().st_size
            with suppress(FileNotFoundError):
                os.unlink(entry.path)  # noqa: PTH108 - an entry of scandir has its path as text
            gone.append(entry.name)
    known.forget(gone)
    return freed


def _named(repository: Repository, entries: Iterable[Entry]) -> set[str] | None:
    """Return the digests that backups here need; None when one cannot say."""
    wanted: set[str] = set()
    for entry in entries:
        if entry.manifest is None:
            return None
        try:
            files = entry.manifest.files
            wanted.update(sha for sha, _ in read_list(repository.folder(entry.id), files))
        except GavanError:
            return None
    return wanted


def _folders(repository: Repository) -> list[str]:
    try:
        # A link that somebody put there leads to what is not ours to remove.
        return [
            entry.path
            for entry in os.scandir(repository.objects)
            if entry.is_dir(follow_symlinks=False) and len(entry.name) == 2
        ]
    except FileNotFoundError:
        return []


def _prune_there(
    repository: Repository,
    place: Place,
    settings: Backup,
    pruned: Pruned,
    how: tuple[Report, bool, datetime],
) -> None:
    report, dry_run, now = how
    report(THERE, "start", place.target)
    here = {entry.id: entry for entry in backups(repository)}
    ids = sorted(name for name in place.folders() if is_id(name))
    candidates = [_candidate_there(place, one, here.get(one)) for one in ids]
    decisions = pruned.decisions[THERE] = _decided(candidates, settings, now)
    going = [decision.id for decision in decisions if not decision.stays]
    if dry_run:
        report(THERE, "ok", f"{len(going)} to remove")
        return
    for backup_id in going:
        keys = sorted(place.sizes(f"{backup_id}/"), key=lambda key: not key.endswith(MANIFEST))
        pruned.stay += place.delete(keys[:1])
        pruned.stay += place.delete(keys[1:])
    left = [one for one in ids if one not in going]
    if going:
        pruned.stay += _sweep_there(place, left)
    pruned.stay += _sweep_wal_there(place, left)
    report(THERE, "ok", f"{len(going)} removed")


def _candidate_there(place: Place, backup_id: str, here: Entry | None) -> Candidate:
    """Return what the rules ask of a backup at the second place: its manifest makes it one."""
    entry = here or Entry(id=backup_id, manifest=None, state=State.OK, reason="", kept=None)
    state = State.OK if place.get(f"{backup_id}/{MANIFEST}") is not None else State.FAILED
    return replace(candidate(entry), state=state)


def _sweep_there(place: Place, ids: Sequence[str]) -> list[str]:
    """Remove the objects there that no backup there names; none while a list cannot be read."""
    wanted: set[str] = set()
    try:
        for backup_id in ids:
            listed = place.get(f"{backup_id}/{LIST}.gz")
            if listed is None and _has_objects(place, backup_id):
                return []
            lines = gzip.decompress(listed).decode().splitlines() if listed else []
            wanted.update(object_key(line.partition(" ")[0]) for line in lines)
    except _UNREADABLE:
        return []
    return place.delete(key for key in place.sizes("objects/") if key not in wanted)


def _sweep_wal_there(place: Place, ids: Sequence[str]) -> list[str]:
    """Remove the segments there that no base there needs, whichever machine made it.

    Nothing goes while a manifest cannot be read.
    """
    needed = []
    for backup_id in ids:
        if _named_kind(backup_id) is not Kind.PHYSICAL:
            continue
        content = place.get(f"{backup_id}/{MANIFEST}")
        if content is None:
            continue
        try:
            needed.append(number_of_lsn(orjson.loads(content)["manifest"]["lsn_start"]))
        except _UNREADABLE:
            return []
    if not needed:
        return []
    names = {key: key.rpartition("/")[2].partition(".")[0] for key in place.sizes("wal/")}
    first = min(needed)
    return place.delete(
        key for key, name in names.items() if is_segment(name) and segment_number(name) < first
    )


def _named_kind(backup_id: str) -> Kind:
    return Kind(backup_id.split("-")[1])


def _has_objects(place: Place, backup_id: str) -> bool:
    """Say whether a manifest there names a list of objects, or may do so."""
    content = place.get(f"{backup_id}/{MANIFEST}")
    if content is None:
        return True
    files = orjson.loads(content)["manifest"]["files"]
    return any(file["path"] == f"{LIST}.gz" for file in files)
