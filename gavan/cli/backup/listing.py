"""`gavan backup list | show | keep`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import click

from gavan.backups import manifest
from gavan.backups.fetch import backups_there
from gavan.backups.listing import Entry, backups, find
from gavan.backups.listing import keep as mark
from gavan.backups.lock import locked
from gavan.backups.model import Manifest, State
from gavan.backups.places import read_places
from gavan.backups.road import spans
from gavan.backups.run import repository_of
from gavan.backups.wal_archive import WalArchive
from gavan.cli.backup.age import age
from gavan.cli.backup.place import second_place
from gavan.cli.context import Context
from gavan.cli.render import Result, Style, table
from gavan.cli.verb import verb
from gavan.kit.errors import GavanError
from gavan.kit.size import in_bytes
from gavan.secrets.keys import load_or_create_keys

HEADERS = ("id", "state", "age", "size", "objects", "migration", "note")


@verb("list", examples=["gavan backup list", "gavan backup list --offsite --json"])
@click.option("--offsite", is_flag=True, help="Those at the second place.")
def listing(context: Context, offsite: bool) -> Result:
    """List the backups, oldest first: what each is good for, its age and size."""
    if offsite:
        with second_place(context.stack) as place:
            there = backups_there(place)
        return Result(data=there, text="\n".join(there) or f"none at {place.target}")
    repository = repository_of(context.stack)
    entries = backups(repository)
    reached = spans(entries, WalArchive(repository).segments())
    until = {span.base.id: span.last for span in reached}
    now = datetime.now(UTC)
    return Result(
        data=[{**_data(entry), "recovers_until": until.get(entry.id)} for entry in entries],
        text=lambda style: _table(entries, until, now, style),
    )


@verb("show", examples=["gavan backup show latest", "gavan backup show 20261121 --json"])
@click.argument("backup_id", metavar="ID", default="latest")
def show(context: Context, backup_id: str) -> Result:
    """Show everything that is known of a backup: ID, the beginning of it, or latest."""
    stack = context.stack
    repository = repository_of(stack)
    entry = find(repository, backup_id)
    made = entry.manifest
    if made is None:
        raise GavanError("GV401", entry.reason, hint="use another backup: gavan backup list")
    key = manifest.signing_key(load_or_create_keys(stack).admin_password)
    doubt = manifest.check_signature(repository.folder(entry.id), key)
    places = read_places(repository.folder(entry.id))
    return Result(
        data={**_data(entry), "places": places, "signature": doubt or "ours", "manifest": made},
        text=lambda style: table(("", ""), _facts(entry, made), style),
        warnings=(*made.warnings, *([doubt] if doubt else [])),
    )


@verb("keep", examples=["gavan backup keep latest", "gavan backup keep 20261121 --off"])
@click.argument("backup_id", metavar="ID")
@click.option("--reason", default="kept by hand", help="Why, for those who read the list.")
@click.option("--off", is_flag=True, help="Take the mark away.")
def keep(context: Context, backup_id: str, reason: str, off: bool) -> Result:
    """Mark a backup, so that no rule prunes it."""
    repository = repository_of(context.stack)
    entry = find(repository, backup_id)
    with locked(repository, "backup keep", wait_s=10.0):
        mark(repository, entry.id, None if off else reason)
    text = f"{entry.id} is kept" if not off else f"{entry.id} is left to the rules"
    return Result(data={"id": entry.id, "kept": None if off else reason}, text=text)


def _data(entry: Entry) -> dict[str, object]:
    made = entry.manifest
    return {
        "id": entry.id,
        "state": entry.state,
        "reason": entry.reason,
        "kept": entry.kept,
        "kind": made.kind if made else None,
        "started": made.started if made else None,
        "stored_bytes": made.stored_bytes if made else None,
        "objects": made.objects if made else None,
        "migration_head": made.migration_head if made else None,
        "warnings": made.warnings if made else (),
    }


def _table(entries: list[Entry], until: Mapping[str, datetime], now: datetime, style: Style) -> str:
    if not entries:
        return "no backups yet; make one: gavan backup run"
    rows = [_row(entry, until.get(entry.id), now, style) for entry in entries]
    return table(HEADERS, rows, style)


def _row(entry: Entry, until: datetime | None, now: datetime, style: Style) -> tuple[str, ...]:
    made = entry.manifest
    reach = f"any moment until {until:%Y-%m-%d %H:%M:%S} UTC" if until else ""
    kept = f"kept: {entry.kept}" if entry.kept else ""
    notes = [entry.reason, kept, reach, *_warned(made)]
    note = "; ".join(filter(None, notes))
    if made is None:
        return (entry.id, coloured(entry.state, style), "", "", "", "", note)
    return (
        entry.id,
        coloured(entry.state, style),
        age(now - made.started),
        in_bytes(made.stored_bytes),
        str(made.objects.count),
        made.migration_head,
        note,
    )


def _warned(made: Manifest | None) -> Iterator[str]:
    if made is not None and made.warnings:
        yield "1 warning" if len(made.warnings) == 1 else f"{len(made.warnings)} warnings"


def coloured(state: State, style: Style) -> str:
    """Return the word for a state as it is shown everywhere."""
    if state is State.OK:
        return style.good(state)
    return style.doubt(state) if state is State.PARTIAL else style.bad(state)


def _facts(entry: Entry, made: Manifest) -> Iterator[tuple[str, str]]:
    yield "id", made.id
    yield "state", f"{entry.state} {entry.reason}".strip()
    yield "kept", entry.kept or "by the rules"
    yield "made", f"{made.started:%Y-%m-%d %H:%M:%S} to {made.ended:%H:%M:%S} UTC"
    yield "stack", f"{made.stack}, by gavan {made.tool_version}"
    yield (
        "database",
        f"{made.database}, {in_bytes(made.database_bytes)}, Postgres {made.server_version}",
    )
    yield "rows", f"{sum(row.count for row in made.rows.values()):,} in {len(made.rows)} tables"
    yield "migration", made.migration_head or "none"
    yield "schema", made.schema_hash[:16]
    yield "position", f"{made.lsn_start} on timeline {made.timeline}"
    objects = made.objects
    yield (
        "objects",
        f"{objects.count}, {in_bytes(objects.bytes)}, {in_bytes(objects.new_bytes)} new",
    )
    if objects.absent:
        yield "absent", f"{objects.absent} objects had no bytes"
    opens = ", ".join(made.encryption.recipients)
    yield "encrypted", f"{made.encryption.method} for {opens}" if opens else "no"
    for file in made.files:
        yield file.path, f"{in_bytes(file.bytes)}  {file.sha256[:16]}"
