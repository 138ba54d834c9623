"""What people and the core hear of backups: alerts, and the file that health reads.

Stands beside the run and the drill. Nothing here can fail a backup: what cannot be told is still in
`gavan status`, in the log of the runs and in the exit code.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from gavan.backups.layout import Repository
from gavan.backups.model import Kind, Manifest
from gavan.backups.report import Drilled, Outcome, shown_age
from gavan.backups.standing import Standing, Verdict, standing
from gavan.kit.backup_state import FILE, BackupState, write_state
from gavan.kit.errors import GavanError
from gavan.kit.event import EventName
from gavan.kit.size import in_bytes
from gavan.stack.model import Stack

logger = logging.getLogger(__name__)
_OTHERS = frozenset({"GV404", "GV431"})
"""Somebody else is at work: no failure of this one"""


def made(stack: Stack, backup: Manifest, trouble: GavanError | None) -> None:
    """Tell of a backup that exists; ``trouble``: why it is not at the second place."""
    _publish(stack)
    if trouble is None:
        text = f"{backup.id}, {in_bytes(backup.stored_bytes)}"
        _tell(stack, EventName.BACKUP_DONE, "backup made", text, backup.kind)
        return
    text = f"{backup.id} is only here: {trouble.code} {trouble.message}"
    _tell(stack, EventName.BACKUP_PARTIAL, "backup not at its second place", text, backup.kind)


def failed(stack: Stack, kind: Kind, error: BaseException) -> None:
    """Tell of a run that made no backup; one that was interrupted is no news."""
    _publish(stack)
    if not isinstance(error, Exception) or getattr(error, "code", "") in _OTHERS:
        return
    _tell(stack, EventName.BACKUP_FAILED, "backup failed", _said(error), kind)


def aged(stack: Stack, found: Standing) -> None:
    """Tell of a newest good backup that is too old, or of none at all."""
    said = "there is no good backup"
    if found.age_s is not None:
        said = f"the newest good backup is {shown_age(found.age_s)} old"
    most = shown_age(stack.backup.max_age_s)
    text = f"{said}; [backup] max_age is {most}" + (f". {found.message}" if found.message else "")
    _tell(stack, EventName.BACKUP_TOO_OLD, said, text, Kind.LOGICAL)


def gap(stack: Stack, why: str) -> None:
    """Tell of a gap in the log; the next base, which closes it, is told as its end."""
    text = f"{why}; no moment in the gap can be reached. gavan backup run --kind physical"
    _tell(stack, EventName.BACKUP_GAP, "the log has a gap", text, Kind.PHYSICAL)


def drilled(stack: Stack, done: Drilled) -> None:
    """Tell how a drill ended."""
    if done.ok:
        rto = f", back in service after {done.rto_s:.0f} s" if done.rto_s is not None else ""
        _tell(stack, EventName.DRILL_DONE, "the backup restores", f"{done.backup}{rto}", "drill")
        return
    wrong = [c for c in done.checks if c.outcome is Outcome.FAIL]
    text = "\n".join([done.backup, *(f"{one.name}: {one.detail}" for one in wrong)])
    _tell(stack, EventName.DRILL_FAILED, "the drill FAILED", text, "drill")


def drill_overdue(stack: Stack, since: datetime) -> None:
    """Tell of drills that did not come: nobody knows any more whether backups restore."""
    text = f"none since {since:%Y-%m-%d %H:%M} UTC; gavan status, gavan backup drill"
    _tell(stack, EventName.DRILL_TOO_OLD, "drills are overdue", text, "drill")


def drill_failed(stack: Stack, error: GavanError) -> None:
    """Tell of a drill that could not even begin; that another one is at work is no news."""
    if error.code not in _OTHERS:
        _tell(stack, EventName.DRILL_FAILED, "the drill FAILED", _said(error), "drill")


def is_too_old(stack: Stack, found: Standing) -> bool:
    """Say whether somebody has to hear of it: no good backup within max_age.

    A stack that has not come to its first one is young, and not late.
    """
    if found.age_s is None:
        return found.verdict is not Verdict.NONE
    return found.age_s > stack.backup.max_age_s


def _publish(stack: Stack) -> None:
    """Write the file that the core's health reads."""
    if stack.backup.schedule is None:
        return
    now = datetime.now(UTC)
    with suppress(OSError):
        found = standing(Repository(stack.backup.dir), stack.backup, now)
        if found is None:
            return
        age_s = found.age_s
        moment = None if age_s is None else now - timedelta(seconds=age_s)
        state = Verdict.OK if found.verdict is Verdict.OVERDUE else found.verdict
        write_state(
            stack.state_dir / FILE,
            BackupState(state=state, last_ok_at=moment, max_age_s=stack.backup.max_age_s),
        )


def _said(error: BaseException) -> str:
    if not isinstance(error, GavanError):
        return f"{type(error).__name__}: {error}"
    lines = [f"{error.code} {error.message}", error.details or "", error.hint or ""]
    return "\n".join(line for line in lines if line)


def _tell(stack: Stack, name: EventName, title: str, text: str, about: str) -> None:
    if not stack.notify:
        return
    # Most stacks tell nobody and shall not load what could.
    from gavan.notify.event import Event  # noqa: PLC0415 - as said
    from gavan.notify.tell import tell  # noqa: PLC0415 - as said

    try:
        tell(stack, Event(name=name, title=f"{stack.name}: {title}", text=text, about=about))
    except Exception:
        # News must never break what it is about.
        logger.exception("nobody was told of %s", name)
