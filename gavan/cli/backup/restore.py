"""`gavan backup restore`: whole, beside, a few tables, only objects, as files, or what is left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import Any

import click

from gavan.backups.config_back import Unpacked, unpack_config
from gavan.backups.lock import locked
from gavan.backups.portable import Written, write_portable
from gavan.backups.restore import (
    Restored,
    Wish,
    find_logical,
    object_warnings,
    restore,
    restore_objects,
)
from gavan.backups.rows import Table
from gavan.backups.run import repository_of
from gavan.backups.salvage import Salvaged, manifest_of, salvage
from gavan.backups.sealing import opener_for
from gavan.cli.backup.discard import COMMAND, discard_old
from gavan.cli.context import Context
from gavan.cli.database import reach, reporter
from gavan.cli.flags import Duration
from gavan.cli.render import Result, Style, table
from gavan.cli.verb import verb
from gavan.kit.errors import GavanError

VERB = "backup restore"
IDENTITY = click.option(
    "--identity",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="File of the private age key; else GAVAN_BACKUP_IDENTITY_FILE. GPG asks its keyring.",
)
JOBS = click.option(
    "--jobs", type=click.IntRange(1), default=2, show_default=True, help="Tables at once."
)
_MODES = ("at", "to", "only", "objects_only", "portable", "config", "salvaging", "discarding")


@verb(
    "restore",
    examples=[
        "gavan backup restore latest",
        "gavan backup restore 20261121 --to look",
        "gavan backup restore latest --only public.card",
        "gavan backup restore --at '2026-11-21 14:30:00+00:00'",
        "gavan backup restore latest --objects",
        "gavan backup restore latest --portable ./for-supabase",
        "gavan backup restore latest --config ./stack-as-it-was",
        "gavan backup restore 20261120 --salvage",
        "gavan backup restore --discard-old --dry-run",
    ],
)
@click.argument("backup_id", metavar="ID", default="latest")
@click.option("--at", metavar="TIME", help="The whole server as it was at this moment.")
@click.option("--to", metavar="NAME", help="Into a database beside, which keeps this name.")
@click.option("--only", metavar="SCHEMA.TABLE", multiple=True, help="Rows of this table alone.")
@click.option("--objects", "objects_only", is_flag=True, help="The bytes of objects alone.")
@click.option(
    "--portable", metavar="FOLDER", type=click.Path(path_type=Path),
    help="Write files for another Supabase.",
)  # fmt: skip
@click.option(
    "--config", "config", metavar="FOLDER", type=click.Path(path_type=Path),
    help="Write the files of the stack, for a new machine.",
)  # fmt: skip
@click.option("--salvage", "salvaging", is_flag=True, help="What is intact of a damaged one.")
@click.option("--discard-old", "discarding", is_flag=True, help="Drop what restores replaced.")
@click.option("--dry-run", is_flag=True, help="With --discard-old: only say what there is.")
@click.option("--wait", "wait_s", type=Duration(), default=0.0, help="For another run to end.")
@IDENTITY
@JOBS
def command(context: Context, backup_id: str, wait_s: float, **chosen: Any) -> Result:
    """Restore a backup into a new database, prove it, and only then put it in place of the old.

    The stack goes on serving; the old database is kept under another name. ID is a backup, the
    beginning of its name, or latest. Exit 5 when the backup is damaged; nothing is changed then.
    """
    _refuse_mixture(chosen)
    if chosen["at"]:
        return _recover(context, chosen["at"], chosen["identity"], wait_s)
    stack, access = reach(context)
    if chosen["discarding"]:
        return discard_old(context, stack, access, dry_run=chosen["dry_run"])
    repository = repository_of(stack)
    with locked(repository, VERB, wait_s=wait_s):
        entry = find_logical(repository, backup_id)
        made = entry.manifest
        if chosen["salvaging"]:
            made = manifest_of(repository, entry.id)
        if made is None:
            raise GavanError(
                "GV441",
                f"the backup {entry.id} is damaged, nothing was restored",
                details=entry.reason,
                hint=f"gavan backup list; or gavan backup restore {entry.id} --salvage",
                exit_code=5,
            )
        wish = Wish(
            stack=stack,
            access=access,
            repository=repository,
            made=made,
            opener=opener_for(made.encryption, chosen["identity"]),
            report=reporter(context),
            to=chosen["to"],
            only=tuple(Table.parse(text) for text in chosen["only"]),
            jobs=chosen["jobs"],
        )
        return _carry_out(context, wish, chosen)


def _recover(context: Context, moment: str, identity: Path | None, wait_s: float) -> Result:
    """Go to a moment, in containers or here."""
    # What drives containers is slow to load, and no other way of restoring needs it.
    from gavan.cli.backup.recovering import recover_at  # noqa: PLC0415 - as said
    from gavan.cli.compose.recover import is_outside, recover_in_containers  # noqa: PLC0415

    if is_outside(context):
        return recover_in_containers(context, moment, identity)
    stack, access = reach(context)
    repository = repository_of(stack)
    with locked(repository, VERB, wait_s=wait_s):
        return recover_at(context, (stack, access, repository), moment, identity)


def _carry_out(context: Context, wish: Wish, chosen: dict[str, Any]) -> Result:
    if chosen["portable"]:
        return _written(write_portable(wish, chosen["portable"]))
    if chosen["config"]:
        return _unpacked(unpack_config(wish, chosen["config"]))
    if chosen["salvaging"]:
        return _salvaged(salvage(wish))
    if chosen["objects_only"]:
        return _objects(wish)
    if wish.to is None:
        context.confirm_loss(_question(wish))
    return _restored(restore(wish))


def _refuse_mixture(chosen: dict[str, Any]) -> None:
    """Raise GavanError GV448 for flags that say two different things."""
    given = {name for name in _MODES if chosen[name]}
    is_dry = chosen["dry_run"] and not chosen["discarding"]
    if is_dry or (len(given) > 1 and given not in ({"to", "only"}, {"to", "salvaging"})):
        raise GavanError(
            "GV448",
            "these flags say different things to do",
            hint="one at a time; --to goes with --only and with --salvage",
            exit_code=2,
        )


def _question(wish: Wish) -> str:
    made, stack = wish.made, wish.stack
    when = f"{made.started:%Y-%m-%d %H:%M} UTC"
    name = f"{stack.name} ({stack.profile.name})"
    if wish.only:
        titles = ", ".join(one.title for one in wish.only)
        return f"Replace the rows of {titles} in {name} by those of {when}?"
    return f"Replace the database of {name} by that of {when}? The present one is kept beside."


def _restored(done: Restored) -> Result:
    lines = list(_told(done))
    return Result(data=done, text="\n".join(lines), warnings=tuple(done.warnings))


def _told(done: Restored) -> Iterator[str]:
    if done.tables:
        for one in done.tables:
            yield f"{one.table}: {one.rows} rows instead of {one.before}, which are in {one.kept}"
    else:
        rows = f": {done.rows}" if done.rows else ""
        yield f"{done.backup} is {done.database} now{rows}; {done.seconds:.1f} s"
        if done.kept:
            yield f"the database of before is {done.kept}"
    if done.kept or done.tables:
        yield f"when nothing is missed: {COMMAND}"


def _objects(wish: Wish) -> Result:
    # Each is proved by its own digest: of a damaged backup what is intact comes back.
    found = restore_objects(wish)
    return Result(
        data=found,
        text=f"{found.added} objects put back, {found.there} were there",
        warnings=tuple(object_warnings(wish.made, found)),
    )


def _salvaged(done: Salvaged) -> Result:
    return Result(
        data={**_salvage_data(done), "lost": done.lost},
        text=lambda style: _salvage_text(done, style),
        exit_code=1 if done.lost or done.refused else 0,
    )


def _salvage_data(done: Salvaged) -> dict[str, Any]:
    return {
        "backup": done.backup,
        "database": done.database,
        "problems": done.problems,
        "tables": done.tables,
        "refused": done.refused,
    }


def _salvage_text(done: Salvaged, style: Style) -> str:
    whole = len(done.tables) - len(done.lost)
    lines = [f"{whole} of {len(done.tables)} tables are whole, in the database {done.database}"]
    if done.lost:
        rows = [(one.table, str(one.rows), str(one.of)) for one in done.lost]
        lines.append(table(("not whole", "rows there", "rows backed up"), rows, style))
    lines += [style.doubt(f"not made: {text}") for text in done.refused]
    return "\n".join(lines)


def _written(done: Written) -> Result:
    folder = done.folder
    # Not "psql URL": every user of the machine sees the arguments of a program.
    psql = 'GAVAN_DB_URL="$SUPABASE_DB_URL" gavan db psql -- -q -v ON_ERROR_STOP=1'
    commands = [f"{psql} -f {quote(str(path))}" for path in done.files]
    if done.objects:
        commands.append(f"each folder below {folder / 'objects'} is a bucket: upload it there")
    warnings = [f"{folder} is in clear and holds the users with the hashes of their passwords"]
    if done.lost_count:
        warnings.append(f"{done.lost_count} objects are not there: {', '.join(done.lost)}")
    return Result(
        data=done,
        text="\n".join(
            [f"{done.backup} as files in {folder}; load them in this order:", *commands]
        ),
        warnings=tuple(warnings),
    )


def _unpacked(done: Unpacked) -> Result:
    lines = [*done.files, f"{len(done.files)} files of {done.backup} in {done.folder}"]
    return Result(data=done, text="\n".join(lines))
