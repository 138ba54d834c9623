"""`gavan core`: one service of the core against any Postgres, without a stack."""

from __future__ import annotations

import os
import sys

import click

from gavan.cli.context import Context
from gavan.cli.render import Result
from gavan.cli.verb import verb
from gavan.core.gateway.alone import build_alone
from gavan.core.gateway.alone_settings import read_alone
from gavan.core.server import run
from gavan.core.settings import Settings
from gavan.kit.logging import configure


@verb(
    "core",
    examples=[
        "PGRST_DB_URI=postgres://authenticator@db/app gavan core --services rest",
        "gavan core --services rest --db-url postgres://authenticator@db/app --port 3000",
    ],
)
@click.option(
    "--services", type=click.Choice(["rest"]), required=True, help="What to serve: the data API."
)
@click.option("--db-url", help="The database; better in PGRST_DB_URI if it holds a password.")
@click.option("--host", help="Address to listen on; PGRST_SERVER_HOST, else all of IPv4.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port; PGRST_SERVER_PORT, else 3000.")
def command(
    context: Context, services: str, db_url: str | None, host: str | None, port: int | None
) -> Result:
    """Serve the data API alone, told by PostgREST's own PGRST_* variables."""
    del context, services
    flags = {
        "PGRST_DB_URI": db_url,
        "PGRST_SERVER_HOST": host,
        "PGRST_SERVER_PORT": str(port) if port is not None else None,
    }
    given = {name: value for name, value in flags.items() if value is not None}

    def read() -> Settings:
        return read_alone({**os.environ, **given})

    settings = read()
    configure("rest", log_format=settings.log_format)
    application = build_alone(settings, read)
    sys.stdout.flush()
    return Result(exit_code=run(application, settings))
