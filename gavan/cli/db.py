"""`gavan db url | psql | query | reset`; `dump` is in db_dump.py."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Any

import click
import psycopg

from gavan.cli.context import Context
from gavan.cli.database import reach, reporter
from gavan.cli.local import keeps_bytes_in_s3
from gavan.cli.one_unit import restart_core
from gavan.cli.render import Result, table
from gavan.cli.seed_objects import seed_objects
from gavan.cli.verb import VerbGroup
from gavan.database.access import OWNER, bring_up, options
from gavan.database.migration.lock import connect
from gavan.database.programs import libpq_environment, program
from gavan.database.reset import recreate
from gavan.kit.errors import GavanError
from gavan.stack.model import Stack

ROLE = click.option("--role", default=OWNER, show_default=True, help="Log in as this role.")

group = VerbGroup(
    "db",
    help="Look into the database of the stack.",
    examples=[
        "gavan db url",
        "gavan db psql",
        'gavan db query "select now()"',
        "gavan db dump ./move",
        "gavan db reset",
    ],
)
group.later(dump="gavan.cli.db_dump:dump")


@group.verb("url", examples=["gavan db url", "gavan db url --role supabase_admin"])
@ROLE
def url(context: Context, role: str) -> Result:
    """Print the connection URL, password included."""
    _, access = reach(context)
    text = access.url(role).reveal()
    return Result(data={"url": text}, text=text)


@group.verb(
    "psql",
    examples=["gavan db psql", "gavan db psql -- -c '\\dt'"],
    context_settings={"ignore_unknown_options": True},
)
@ROLE
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def open_psql(context: Context, role: str, arguments: tuple[str, ...]) -> Result:
    """Open psql, with the arguments behind --."""
    _, access = reach(context)
    psql = program("psql")
    environment = libpq_environment(access.url(role))
    sys.stdout.flush()
    os.execve(psql, [str(psql), *arguments], environment)  # noqa: S606 - becomes psql


@group.verb("query", examples=['gavan db query "select * from board"', "gavan db query - < a.sql"])
@ROLE
@click.argument("text")
def query(context: Context, role: str, text: str) -> Result:
    """Run SQL (from stdin for -) and print its rows."""
    _, access = reach(context)
    statement = sys.stdin.read() if text == "-" else text
    with connect(access.url(role), "query") as connection:
        try:
            cursor = connection.execute(statement.encode())
        except psycopg.Error as error:
            raise _refused(error) from error
        while cursor.nextset():
            pass  # several statements: the last one's rows
        if cursor.description is None:
            return Result(data={"status": cursor.statusmessage}, text=cursor.statusmessage or "")
        columns = [column.name for column in cursor.description]
        rows = cursor.fetchall()
    return Result(
        data=[dict(zip(columns, row, strict=True)) for row in rows],
        text=table(columns, [[_cell(value) for value in row] for row in rows]),
    )


@group.verb("reset", examples=["gavan db reset", "gavan db reset --yes"])
def reset(context: Context) -> Result:
    """Create the database anew, then migrate and seed it; all its data and objects are lost."""
    stack, access = reach(context)
    if stack.profile.protected or access.admin is None:
        raise GavanError(
            "GV319",
            f"the database of the profile {stack.profile.name} is not reset",
            details="it is protected, or it is not the embedded one",
            hint="restore a backup instead, or reset it with its own tools",
            exit_code=6,
        )
    context.confirm(f"All data of {stack.name} ({stack.profile.name}) will be lost. Go on?")
    report = reporter(context)
    report("database", "start", "")
    recreate(access.admin)
    report("database", "ok", "empty")
    _forget_objects(context, stack)
    how = options(stack, include_all=True, wait_s=60.0, report=report)
    done = bring_up(stack, access, how)
    # It makes the buckets of the stack file when it starts, and has held connections to the old.
    if restart_core(context, stack):
        seed_objects(context, stack)
    return Result(
        data=done, text=f"{stack.database.name} is new: {len(done.migrations)} migrations"
    )


def _forget_objects(context: Context, stack: Stack) -> None:
    """Remove the bytes of objects whose rows are gone."""
    if keeps_bytes_in_s3(stack):
        context.output.warn(
            "the bytes of its objects are still in the S3; look: gavan storage sweep"
        )
        return
    folder, gone = stack.state_dir / "storage", stack.state_dir / "storage.gone"
    if folder.is_dir():
        shutil.rmtree(gone, ignore_errors=True)
        # Renamed first: a core that runs may still write, and must not find half a folder.
        folder.rename(gone)
        shutil.rmtree(gone)
        context.progress.ok("objects", "removed")


def _refused(error: psycopg.Error) -> GavanError:
    details = [error.diag.message_detail, f"SQLSTATE {error.sqlstate}"]
    return GavanError(
        "GV311",
        error.diag.message_primary or str(error),
        details="\n".join(filter(None, details)),
        hint=error.diag.message_hint,
    )


def _cell(value: Any) -> str:
    return "" if value is None else str(value)
