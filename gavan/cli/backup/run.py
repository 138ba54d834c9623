"""`gavan backup run`."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from gavan.backups.model import Kind, State
from gavan.backups.prune import prune
from gavan.backups.run import MAKERS, Made, repository_of, run_backup
from gavan.cli.context import Context
from gavan.cli.database import reach, reporter
from gavan.cli.flags import Duration
from gavan.cli.render import Result
from gavan.cli.verb import verb
from gavan.kit.errors import GavanError
from gavan.kit.size import in_bytes
from gavan.secrets.keys import load_or_create_keys
from gavan.stack.model import Stack

KINDS = [str(kind) for kind in MAKERS]


@verb(
    "run", examples=["gavan backup run", "gavan backup run --wait 10m", "gavan backup run --json"]
)
@click.option("--kind", type=click.Choice(KINDS), default=str(Kind.LOGICAL), help="What to make.")
@click.option("--wait", "wait_s", type=Duration(), default=0.0, help="For another run to end.")
@click.option("--prune", "then_prune", is_flag=True, help="Then apply the rules of [backup.keep].")
def run(context: Context, kind: str, wait_s: float, then_prune: bool) -> Result:
    """Back up database, objects and configuration of one moment; the stack goes on serving.

    Exit 1 when it failed, or when it is here and not at the second place; 4 when another run works.
    """
    stack, _ = reach(context)
    keys = load_or_create_keys(stack)
    made = run_backup(stack, keys, reporter(context), kind=Kind(kind), wait_s=wait_s)
    if then_prune and made.state is State.OK:
        _prune(context, stack)
    return made_result(made)


def _prune(context: Context, stack: Stack) -> None:
    """Apply the rules after a good backup; that it cannot be done does not make it a bad one."""
    try:
        now = datetime.now(UTC)
        prune(repository_of(stack), stack.backup, reporter(context), dry_run=False, now=now)
    except GavanError as error:
        context.output.warn(f"nothing was pruned: {error.code} {error.message}")


def made_result(made: Made) -> Result:
    """Return what a person and a machine want to know of a new backup."""
    manifest, trouble = made.manifest, made.trouble
    objects = manifest.objects
    stored = manifest.stored_bytes + objects.new_bytes
    text = f"{manifest.id}: {in_bytes(stored)} stored"
    if made.state is not State.OK and trouble is not None:
        text += f"\nonly here, not at the second place: {trouble.message}"
    return Result(
        data={
            "id": manifest.id,
            "state": made.state,
            "manifest": manifest,
            "trouble": _told(trouble),
        },
        text=text,
        exit_code=0 if made.state is State.OK else 1,
        warnings=manifest.warnings,
    )


def _told(trouble: object) -> dict[str, object] | None:
    if trouble is None:
        return None
    return {name: getattr(trouble, name, None) for name in ("code", "message", "details", "hint")}
