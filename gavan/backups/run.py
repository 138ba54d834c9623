"""`gavan backup run`: the whole road of one backup.

Stands above the kinds and the places. What is being made has another name until its last file, the
manifest, is on the disk: a run that fails, is killed or loses power leaves no backup, and no trace
after the next run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from gavan.backups import gpg, manifest, news
from gavan.backups.base import make_physical
from gavan.backups.known import Known
from gavan.backups.layout import Repository, new_id
from gavan.backups.listing import Entry, backups
from gavan.backups.lock import locked
from gavan.backups.logical import make_logical
from gavan.backups.making import Content, Maker, Making
from gavan.backups.model import Kind, Manifest, Report, Sealed, State, silent
from gavan.backups.offsite import deliver
from gavan.backups.place import open_place, place_name
from gavan.backups.places import OFFSITE, Arrival, write_places
from gavan.backups.runs import Run, now, record
from gavan.backups.sealing import Sealer, sealer_for
from gavan.backups.stored import disk_full, is_full
from gavan.database.access import access
from gavan.database.embedded import Passwords
from gavan.kit.errors import GavanError
from gavan.kit.storage.disk import sync_folder
from gavan.kit.version import VERSION
from gavan.stack.model import Stack

VERB = "backup run"
MAKERS: dict[Kind, Maker] = {Kind.LOGICAL: make_logical, Kind.PHYSICAL: make_physical}


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A backup that exists; ``partial``: not at every place, and ``trouble`` says why."""

    manifest: Manifest
    state: State
    trouble: GavanError | None = None


def repository_of(stack: Stack) -> Repository:
    """Return the folder of backups of a stack."""
    return Repository(stack.backup.dir)


def run_backup(
    stack: Stack,
    keys: Passwords,
    report: Report = silent,
    *,
    kind: Kind = Kind.LOGICAL,
    wait_s: float = 0.0,
) -> Made:
    """Make a backup of a stack and return it.

    Raises GavanError, and leaves everything as it was: GV404 another run works here (exit code 4),
    GV405 and GV406 no room, GV407 a program of Postgres failed, GV408-GV411 nobody to encrypt for,
    GV321 no database (exit code 3), GV430 the server is newer than our programs.
    """
    repository = repository_of(stack)
    try:
        sealer = sealer_for(stack.backup.encrypt)
        with locked(repository, VERB, wait_s=wait_s, waiting=_waiting(report)):
            made = _run(stack, keys, repository, sealer, kind, report)
    except BaseException as error:
        _record_failure(repository, error)
        news.failed(stack, kind, error)
        raise
    code, message = (made.trouble.code, made.trouble.message) if made.trouble else ("", "")
    run = Run(
        at=now(), verb=VERB, id=made.manifest.id, state=made.state, code=code, message=message
    )
    record(repository, run)
    news.made(stack, made.manifest, made.trouble)
    return made


def _waiting(report: Report) -> Callable[[str], None]:
    def waiting(holder: str) -> None:
        report("lock", "start", f"wait for {holder}")

    return waiting


def _record_failure(repository: Repository, error: BaseException) -> None:
    """Note why there is no new backup; somebody else's run is no failure."""
    code = getattr(error, "code", "GV006" if isinstance(error, KeyboardInterrupt) else "GV002")
    if code == "GV404" or not repository.root.is_dir():
        return
    message = getattr(error, "message", None) or f"{type(error).__name__}: {error}"
    run = Run(at=now(), verb=VERB, id="", state=State.FAILED, code=code, message=str(message))
    record(repository, run)


def _run(
    stack: Stack,
    keys: Passwords,
    repository: Repository,
    sealer: Sealer,
    kind: Kind,
    report: Report,
) -> Made:
    for name in repository.remove_unfinished():
        report("leftovers", "ok", f"removed {name} of a run that was killed")
    began = datetime.now(UTC)
    last = _last(backups(repository), kind)
    made_id = new_id(kind, began)
    folder = repository.partial(made_id)
    folder.mkdir(mode=0o700)
    known = Known(repository.root)
    try:
        making = Making(
            stack=stack,
            access=access(stack, keys),
            repository=repository,
            folder=folder,
            sealer=sealer,
            known=known,
            report=report,
            last_bytes=last.stored_bytes if last else None,
        )
        content = MAKERS[kind](making)
        warnings = (*content.warnings, *_doubts(sealer, last, began))
        made = _manifest(making, content, kind, (made_id, began, warnings))
        if stack.backup.offsite is not None:
            # Before it has its name: a run that is killed then is taken up by the next one.
            target = Arrival(target=place_name(stack.backup.offsite))
            write_places(folder, {OFFSITE: target})
        manifest.write(made, folder, manifest.signing_key(keys.admin_password))
        sync_folder(folder)
        repository.publish(made_id)
    except OSError as error:
        repository.remove(folder.name)
        if is_full(error):
            raise disk_full(repository.root, error.strerror or str(error)) from error
        raise
    except BaseException:
        repository.remove(folder.name)
        raise
    finally:
        known.close()
    return _deliver(stack, repository, made, report)


def _deliver(stack: Stack, repository: Repository, made: Manifest, report: Report) -> Made:
    """Send it, and what earlier runs could not send, to the second place."""
    if stack.backup.offsite is None:
        return Made(manifest=made, state=State.OK)
    known = Known(repository.root)
    try:
        with open_place(stack.backup.offsite) as place:
            trouble = deliver(repository, place, known, report)
    except GavanError as error:
        trouble = error
    finally:
        known.close()
    state = State.PARTIAL if trouble else State.OK
    return Made(manifest=made, state=state, trouble=trouble)


def _manifest(
    making: Making, content: Content, kind: Kind, named: tuple[str, datetime, tuple[str, ...]]
) -> Manifest:
    made_id, began, warnings = named
    said = {field.name: getattr(content, field.name) for field in dataclasses.fields(content)}
    sealer = making.sealer
    return Manifest(
        **{**said, "warnings": warnings},
        id=made_id,
        stack=making.stack.name,
        kind=kind,
        started=began,
        ended=datetime.now(UTC),
        tool_version=VERSION,
        encryption=Sealed(method=sealer.method, recipients=sealer.fingerprints),
    )


def _last(entries: list[Entry], kind: Kind) -> Manifest | None:
    """Return the newest whole backup of a kind."""
    of_kind = [e.manifest for e in entries if e.manifest is not None and e.manifest.kind is kind]
    return of_kind[-1] if of_kind else None


def _doubts(sealer: Sealer, last: Manifest | None, began: datetime) -> list[str]:
    """Return what is no failure and yet should be known."""
    doubts = []
    if last is not None and last.started > began:
        doubts.append(
            f"the clock was moved back: {last.id} is from the future; prune refuses until"
            " the clock has passed it"
        )
    if sealer.method == gpg.Gpg.method and gpg.private_keys(sealer.fingerprints):
        doubts.append(
            "the private key is on this host: who takes the host can read the backups, and if it"
            " is nowhere else, losing the host loses them; move it elsewhere"
        )
    return doubts
