"""`gavan db dump`: the database as files, for another project or another gavan."""

from __future__ import annotations

from pathlib import Path

import click

from gavan.backups.portable_dump import dump_portable
from gavan.cli.context import Context
from gavan.cli.database import reach, reporter
from gavan.cli.render import Result
from gavan.cli.verb import verb


@verb(
    "dump",
    examples=["gavan db dump ./move", 'GAVAN_DB_URL="$SUPABASE_DB_URL" gavan db dump ./back'],
)
@click.argument("folder", type=click.Path(path_type=Path))
def dump(context: Context, folder: Path) -> Result:
    """Write the database as roles.sql, schema.sql and data.sql into a new FOLDER.

    As `supabase db dump` does, without Docker: what the platform makes by itself is left out, the
    rows of users and buckets are not. The bytes of objects are no part of it.
    """
    _, access = reach(context)
    files = dump_portable(access.owner, folder, reporter(context))
    return Result(
        data={"files": files},
        text="\n".join(map(str, files)),
        warnings=(f"{folder} is in clear and holds the users with the hashes of their passwords",),
    )
