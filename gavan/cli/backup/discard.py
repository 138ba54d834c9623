"""`gavan backup restore --discard-old`: the end of what restores keep."""

from __future__ import annotations

from datetime import UTC, datetime

from gavan.backups.kept import Kept, KeptKind, kept_folders, kept_on_server, remove
from gavan.backups.lock import locked
from gavan.backups.run import repository_of
from gavan.cli.backup.age import age
from gavan.cli.context import Context
from gavan.cli.render import Result, Style, table
from gavan.database.access import Access
from gavan.kit.errors import GavanError
from gavan.kit.size import in_bytes
from gavan.stack.model import Stack

VERB = "backup restore --discard-old"
COMMAND = f"gavan {VERB}"


def discard_old(context: Context, stack: Stack, access: Access, *, dry_run: bool) -> Result:
    """Remove databases, rows and folders that restores replaced; what somebody uses stays."""
    if access.admin is None:
        raise GavanError("GV442", "this server is not ours to drop databases on", exit_code=2)
    with locked(repository_of(stack), VERB):
        kept, warnings = kept_of(stack, access)
        free = [one for one in kept if not one.user]
        if free and not dry_run:
            context.progress.message(kept_text(kept, context.output.style))
            context.confirm_loss(f"Remove what restores of {stack.name} replaced?")
            remove(access.admin if len(warnings) == 0 else None, free)
    gone = [] if dry_run else free
    freed = in_bytes(sum(one.bytes for one in gone))
    shown = [one for one in kept if one not in gone]
    end = f"removed: {', '.join(one.name for one in gone)}; {freed} free" if gone else ""
    return Result(
        data={
            **{f"{kind}s" if kind is not KeptKind.ROWS else "tables": _names(gone, kind)
               for kind in KeptKind},
            "kept": shown,
        },
        text=lambda style: "\n".join(
            part for part in (kept_text(shown, style), end) if part
        ) or "nothing is kept",
        warnings=tuple(warnings),
    )  # fmt: skip


def kept_of(stack: Stack, access: Access) -> tuple[list[Kept], list[str]]:
    """Return what is kept, and what could not be looked at."""
    found, warnings = kept_folders(stack.state_dir), []
    if access.admin is not None:
        try:
            found += kept_on_server(access.admin)
        except GavanError as error:
            warnings.append(f"databases that are kept are not known: {error.message}")
    return found, warnings


def kept_text(kept: list[Kept], style: Style) -> str:
    """Return a table of what is kept; empty for nothing."""
    if not kept:
        return ""
    now = datetime.now(UTC)
    rows = [
        (
            one.name,
            in_bytes(one.bytes),
            f"{age(now - one.since)} ago",
            style.doubt(f"stays: {one.user}") if one.user else "",
        )
        for one in kept
    ]
    return table(("kept by restores", "size", "replaced", ""), rows, style)


def _names(kept: list[Kept], kind: KeptKind) -> list[str]:
    names = [one.name for one in kept if one.kind is kind]
    return [name.partition(".")[2] for name in names] if kind is KeptKind.ROWS else names
