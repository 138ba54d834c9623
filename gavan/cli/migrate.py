"""`gavan migrate new | plan | up | down | verify | status`; the others are in migration_*.py."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from gavan.cli.backup.before import SKIP, BackupBefore
from gavan.cli.context import Context
from gavan.cli.database import reach, reporter
from gavan.cli.flags import Duration
from gavan.cli.migration_adopt import adopt
from gavan.cli.migration_drift import FINDINGS_EXIT, add_verbs, shadow_of
from gavan.cli.migration_lint import lint
from gavan.cli.migration_lock import unlock
from gavan.cli.migration_missing import checkout_line
from gavan.cli.migration_plan import plan_data, plan_text
from gavan.cli.migration_squash import squash
from gavan.cli.migration_verify import verified_data, verified_text
from gavan.cli.render import Result, Style, table
from gavan.cli.verb import VerbGroup
from gavan.database.access import bring_up, options
from gavan.database.forecast.look import look
from gavan.database.lint.of_stack import rules_of, sources_of
from gavan.database.migration.apply import migrate, plan_up, require_files, status
from gavan.database.migration.archive import archived_versions
from gavan.database.migration.files import DOWN, Phase, new_migration
from gavan.database.migration.lock import connect
from gavan.database.migration.plan import MENDS, Entry, State, difference, mend
from gavan.database.migration.run import Options
from gavan.database.migration.take_back import plan_down, take_back
from gavan.database.migration.verify import verify
from gavan.kit.errors import GavanError
from gavan.stack.model import Stack

TO = click.option("--to", metavar="VERSION", help="Only up to VERSION.")
PHASE = click.option(
    "--phase",
    type=click.Choice([*Phase]),
    help="Only files of this phase, as far as no other comes before them.",
)

group = VerbGroup(
    "migrate",
    help="Change the schema by numbered SQL files.",
    examples=[
        "gavan migrate new add_due_date --down",
        "gavan migrate plan",
        "gavan migrate up",
        "gavan migrate down",
        "gavan migrate verify",
        "gavan migrate diff",
        "gavan migrate status",
        "gavan migrate lint",
    ],
)
add_verbs(group)
group.add_command(lint)
group.add_command(unlock)
group.add_command(squash)
group.add_command(adopt)


@group.verb(
    "new",
    examples=[
        "gavan migrate new add_due_date",
        "gavan migrate new labels --down",
        "gavan migrate new labels --from-stdin < labels.sql",
    ],
)
@click.option("--down", "with_down", is_flag=True, help="Also its file in down/, to take it back.")
@click.option("--from-stdin", is_flag=True, help="With what is piped in, not empty.")
@click.argument("name")
def new(context: Context, name: str, with_down: bool, from_stdin: bool) -> Result:
    """Create an empty migration; its version follows the style of the others."""
    stack, _ = reach(context)
    text = sys.stdin.read() if from_stdin else ""
    path = new_migration(stack.database.migrations.dir, name, with_down=with_down)
    path.write_text(text, encoding="utf-8")
    down = path.parent / DOWN / path.name if with_down else None
    return Result(
        data={"path": path, "down": down}, text="\n".join(map(str, filter(None, (path, down))))
    )


@group.verb(
    "plan",
    examples=[
        "gavan migrate plan",
        "gavan migrate plan --down 2",
        "gavan migrate plan --down-to 020 --json",
        "gavan migrate plan --phase expand",
    ],
)
@TO
@PHASE
@click.option("--down", "count", type=click.IntRange(1), help="Of taking back this many.")
@click.option("--down-to", "back_to", metavar="VERSION", help="Of taking back all after VERSION.")
@click.option("--include-all", is_flag=True, help="Also files older than the newest applied.")
@click.option("--exit-code", is_flag=True, help="Exit 5 when there is something to do.")
def plan(
    context: Context,
    count: int | None,
    back_to: str | None,
    include_all: bool,
    exit_code: bool,
    **chosen: Any,
) -> Result:
    """Show what `up` or `down` would do: statements, locks, losses, findings; changes nothing."""
    stack, access = reach(context)
    folder = stack.database.migrations.dir
    if count is not None or back_to is not None:
        steps = plan_down(access.owner, folder, count=_one_of(count, back_to), to=back_to)
    else:
        steps = plan_up(access.owner, folder, _options(context, stack, include_all, **chosen))
    with connect(access.owner, "plan") as connection:
        seen = look(connection, steps, sources_of(stack), rules_of(stack))
    return Result(
        data=plan_data(steps, seen),
        text=lambda style: plan_text(steps, style, seen) or "nothing to do",
        exit_code=FINDINGS_EXIT if exit_code and steps else 0,
    )


@group.verb(
    "up",
    examples=[
        "gavan migrate up",
        "gavan migrate up --to 020",
        "gavan migrate up --phase expand",
        "gavan migrate up --include-all --wait 5m",
    ],
)
@TO
@PHASE
@click.option("--include-all", is_flag=True, help="Also apply files older than the newest applied.")
@click.option("--wait", "wait_s", type=Duration(), default=60.0, help="For the lock (60s).")
@click.option("--bootstrap", is_flag=True, help="First roles and system schemas, last the seeds.")
@SKIP
def up(
    context: Context, include_all: bool, bootstrap: bool, skip_backup: str | None, **chosen: Any
) -> Result:
    """Apply what is pending, each file in one transaction.

    Findings of the lint are told. Where data are real, an error among them stops it (exit 5), and a
    verified backup comes first.
    """
    stack, access = reach(context)
    if not bootstrap:
        # A stack may have no migration yet; who types this, or a CI, means some.
        require_files(stack.database.migrations.dir)
    before = BackupBefore(context, stack, skip_backup)
    how = before.in_front_of(_options(context, stack, include_all, **chosen))
    with before.noted(access.owner):
        if bootstrap:
            done = bring_up(stack, access, how)
            return Result(data=done, text=_summary(done.migrations))
        applied = migrate(access.owner, stack.database.migrations.dir, how)
    return Result(data={"applied": applied, **before.said()}, text=_summary(applied))


@group.verb(
    "down",
    examples=[
        "gavan migrate down",
        "gavan migrate down 3",
        "gavan migrate down --to 020",
        "gavan migrate down -p prod --yes --confirm board",
    ],
)
@click.option("--to", metavar="VERSION", help="Take back all that is newer than VERSION.")
@click.option("--wait", "wait_s", type=Duration(), default=60.0, help="For the lock (60s).")
@SKIP
@click.argument("count", type=click.IntRange(1), required=False)
def down(
    context: Context, count: int | None, to: str | None, wait_s: float, skip_backup: str | None
) -> Result:
    """Take back the newest migration, or COUNT of them, by the files in down/; asks first.

    Where data are real, a verified backup comes first.
    """
    stack, access = reach(context)
    steps = plan_down(access.owner, stack.database.migrations.dir, count=_one_of(count, to), to=to)
    if not steps:
        return Result(data={"taken_back": []}, text=f"{to} is the newest already")
    with connect(access.owner, "plan") as connection:
        seen = look(connection, steps, sources_of(stack), rules_of(stack))
    context.progress.message(plan_text(steps, Style(enabled=False), seen))
    noun = "this migration" if len(steps) == 1 else f"these {len(steps)} migrations"
    context.confirm_loss(f"Take back {noun} of {stack.name} ({stack.profile.name})?")
    how = options(stack, wait_s=wait_s, report=reporter(context))
    before = BackupBefore(context, stack, skip_backup)
    before.take()
    with before.noted(access.owner):
        done = take_back(access.owner, steps, how)
    return Result(data={"taken_back": done, **before.said()}, text=f"taken back: {', '.join(done)}")


@group.verb("verify", examples=["gavan migrate verify", "gavan migrate verify --json"])
def prove(context: Context) -> Result:
    """Replay all migrations on a shadow database, each with a down file there and back.

    Exit 5 when one does not lead back to the same schema. The database of the stack is not touched.
    """
    stack, access = reach(context)
    report = reporter(context)
    with shadow_of(access, report) as shadow:
        verified = verify(shadow, stack.database.migrations.dir, report)
    warnings = [f"{where} changes more than its database: left out" for where in verified.left_out]
    return Result(
        data=verified_data(verified),
        text=lambda style: verified_text(verified, style),
        exit_code=FINDINGS_EXIT if verified.findings else 0,
        warnings=tuple(warnings),
    )


@group.verb("status", examples=["gavan migrate status", "gavan migrate status --exit-code"])
@click.option("--exit-code", is_flag=True, help="Exit 5 when something is pending or wrong.")
def show(context: Context, exit_code: bool) -> Result:
    """Show every version: applied, pending, changed, missing, out of order."""
    stack, access = reach(context)
    folder = stack.database.migrations.dir
    entries = status(access.owner, folder)
    squashed = archived_versions(folder)
    mends = {one.version: _mend(one, folder, squashed) for one in entries if one.state in MENDS}
    wanted = (State.APPLIED, State.REFORMATTED)
    is_clean = all(entry.state in wanted for entry in entries)
    return Result(
        data=[_row(entry, mends) for entry in entries],
        text=lambda style: _table(entries, mends, style),
        exit_code=FINDINGS_EXIT if exit_code and not is_clean else 0,
    )


def _options(
    context: Context,
    stack: Stack,
    include_all: bool,
    to: str | None,
    phase: str | None,
    wait_s: float = 0.0,
) -> Options:
    how = options(stack, include_all=include_all, wait_s=wait_s, report=reporter(context))
    return replace(how, to=to, phase=Phase(phase) if phase else None)


def _one_of(count: int | None, to: str | None) -> int:
    """Return how many to take back; one when nothing is said."""
    if count is not None and to is not None:
        raise GavanError(
            "GV329",
            "a number and a version at once do not say how far to go back",
            hint="gavan migrate down 3, or: gavan migrate down --to VERSION",
            exit_code=2,
        )
    return count or 1


def _summary(applied: list[str]) -> str:
    if not applied:
        return "up to date"
    noun = "migration" if len(applied) == 1 else "migrations"
    return f"applied {len(applied)} {noun}: {', '.join(applied)}"


def _mend(entry: Entry, folder: Path, squashed: Mapping[str, str]) -> str:
    """Return what mends an entry; for a missing file the commit that has it, where git knows."""
    found = None
    if entry.state is State.MISSING and entry.version not in squashed:
        found = checkout_line(folder, entry.version)
    return f"{found}; {mend(entry, squashed)}" if found else mend(entry, squashed)


def _row(entry: Entry, mends: Mapping[str, str]) -> dict[str, Any]:
    return {
        "version": entry.version,
        "name": entry.name,
        "state": str(entry.state),
        "path": entry.file.path if entry.file else None,
        "diff": difference(entry) if entry.state is State.CHANGED else None,
        "mend": mends.get(entry.version),
    }


def _table(entries: list[Entry], mends: Mapping[str, str], style: Style) -> str:
    if not entries:
        return "no migrations"
    rows = [(entry.version, entry.name, _colour(entry, style)) for entry in entries]
    diffs = [difference(entry) for entry in entries if entry.state is State.CHANGED]
    lines = [f"{version}: {text}" for version, text in mends.items()]
    shown = table(("version", "name", "state"), rows, style)
    return "\n\n".join(filter(None, [shown, *diffs, "\n".join(lines)]))


def _colour(entry: Entry, style: Style) -> str:
    if entry.state in MENDS:
        return style.bad(entry.state)
    return style.doubt(entry.state) if entry.state is State.PENDING else style.good(entry.state)
