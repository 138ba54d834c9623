"""`gavan backup fetch`."""

from __future__ import annotations

import click

from gavan.backups.fetch import fetch
from gavan.backups.run import repository_of
from gavan.cli.backup.place import second_place
from gavan.cli.context import Context
from gavan.cli.database import reporter
from gavan.cli.render import Result
from gavan.cli.verb import verb


@verb("fetch", examples=["gavan backup fetch latest", "gavan backup fetch 20261121"])
@click.argument("backup_id", metavar="ID", default="latest")
def fetched(context: Context, backup_id: str) -> Result:
    """Bring a backup back from the second place, every byte of it verified."""
    with second_place(context.stack) as place:
        found = fetch(repository_of(context.stack), place, backup_id, reporter(context))
    return Result(data={"id": found}, text=f"{found} is here; restore it: gavan backup restore")
