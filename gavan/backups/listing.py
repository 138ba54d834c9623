"""Which backups there are, and what each is good for, from what lies in the folder.

Stands between the layout and whoever shows, keeps, restores or prunes.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from gavan.backups import manifest
from gavan.backups.layout import KEPT, Repository
from gavan.backups.model import Manifest, State
from gavan.backups.places import OFFSITE, read_places, replace_file
from gavan.kit.errors import GavanError


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A backup's folder; ``manifest`` None: it is damaged, and ``reason`` says how.

    ``kept``: why a person keeps it, whatever the rules say; None: nobody does.
    """

    id: str
    manifest: Manifest | None
    state: State
    reason: str
    kept: str | None


def backups(repository: Repository) -> list[Entry]:
    """Return every backup, oldest first; what is being made is none."""
    return [_entry(repository, backup_id) for backup_id in repository.ids()]


def find(repository: Repository, name: str) -> Entry:
    """Return one backup by ``latest``, its id or the beginning of it; raise GavanError GV400."""
    return _entry(repository, repository.resolve(name))


def keep(repository: Repository, backup_id: str, reason: str | None) -> None:
    """Mark a backup so that no rule prunes it; None: take the mark away."""
    path = repository.folder(backup_id) / KEPT
    if reason is None:
        path.unlink(missing_ok=True)
        return
    replace_file(path, orjson.dumps({"reason": reason}))


def _entry(repository: Repository, backup_id: str) -> Entry:
    folder = repository.folder(backup_id)
    kept = _kept(repository, backup_id)
    try:
        made = manifest.read(folder)
    except GavanError as error:
        return Entry(
            id=backup_id, manifest=None, state=State.FAILED, reason=error.message, kept=kept
        )
    if made.id != backup_id:
        reason = f"its manifest is that of {made.id}"
        return Entry(id=backup_id, manifest=None, state=State.FAILED, reason=reason, kept=kept)
    state, reason = _state(repository, made)
    return Entry(id=backup_id, manifest=made, state=state, reason=reason, kept=kept)


def _state(repository: Repository, made: Manifest) -> tuple[State, str]:
    arrival = read_places(repository.folder(made.id)).get(OFFSITE)
    if arrival is None or arrival.verified_at is not None:
        return made.result, ""
    why = f": {arrival.error}" if arrival.error else ""
    return State.PARTIAL, f"not at the second place{why}"


def _kept(repository: Repository, backup_id: str) -> str | None:
    try:
        said = orjson.loads((repository.folder(backup_id) / KEPT).read_bytes())
        return str(said["reason"])
    except FileNotFoundError:
        return None
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        # Better kept once too often.
        return "marked"
