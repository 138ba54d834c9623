"""`gavan backup prune`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

import click

from gavan.backups.kept import Kept
from gavan.backups.prune import Pruned, prune
from gavan.backups.run import repository_of
from gavan.cli.backup.discard import COMMAND, kept_of, kept_text
from gavan.cli.context import Context
from gavan.cli.database import reporter
from gavan.cli.render import Result, Style, table
from gavan.cli.verb import verb
from gavan.database.access import access
from gavan.kit.size import in_bytes
from gavan.secrets.keys import load_or_create_keys


@verb("prune", examples=["gavan backup prune --dry-run", "gavan backup prune --yes"])
@click.option("--dry-run", is_flag=True, help="Only say line by line what stays, and why.")
def pruned(context: Context, dry_run: bool) -> Result:
    """Remove the backups that no rule of [backup.keep] wants, here and at the second place.

    Asks first; on a protected profile for the name of the stack. Refuses while the clock is behind.
    """
    stack = context.stack
    repository, report, now = repository_of(stack), reporter(context), datetime.now(UTC)
    if not dry_run:
        planned = prune(repository, stack.backup, report, dry_run=True, now=now)
        going = {one.id for each in planned.decisions.values() for one in each if not one.stays}
        if going:
            context.progress.message("\n".join(["goes:", *sorted(going)]))
            context.confirm_loss(f"Remove {len(going)} backups of {stack.name}?")
    done = prune(repository, stack.backup, report, dry_run=dry_run, now=now)
    warnings = [f"the second place would not let go of {len(done.stay)} files"] if done.stay else []
    kept, _ = kept_of(stack, access(stack, load_or_create_keys(stack)))
    return Result(
        data={**asdict(done), "kept": kept},
        text=lambda style: _text(done, kept, style, dry_run=dry_run),
        warnings=tuple(warnings),
    )


def _text(done: Pruned, kept: list[Kept], style: Style, *, dry_run: bool) -> str:
    parts = []
    for place, decisions in done.decisions.items():
        rows = [
            (
                one.id,
                style.good("stays") if one.stays else style.doubt("goes"),
                "; ".join(one.reasons),
            )
            for one in decisions
        ]
        parts.append(table((place, "", "why"), rows, style) if rows else f"{place}: no backups")
    if not dry_run:
        parts.append(f"{len(done.removed)} removed, {in_bytes(done.freed_bytes)} free")
    if kept:
        parts.append(f"{kept_text(kept, style)}\nthey go by: {COMMAND}")
    return "\n\n".join(parts)
