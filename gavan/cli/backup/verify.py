"""`gavan backup verify`."""

from __future__ import annotations

import click

from gavan.backups import manifest
from gavan.backups.listing import backups, find
from gavan.backups.run import repository_of
from gavan.backups.verify import Checked, Problem, verify
from gavan.cli.context import Context
from gavan.cli.database import reporter
from gavan.cli.render import Result, Style, table
from gavan.cli.verb import verb
from gavan.secrets.keys import load_or_create_keys

FINDINGS_EXIT = 5


@verb(
    "verify",
    examples=["gavan backup verify", "gavan backup verify 20261121", "gavan backup verify --all"],
)
@click.argument("backup_id", metavar="ID", default="latest")
@click.option("--all", "every", is_flag=True, help="Every backup there is.")
def check(context: Context, backup_id: str, every: bool) -> Result:
    """Read a backup again, byte for byte, and name every file that is not what it was.

    Needs no private key. Exit 5 when something is wrong. Whether it restores: gavan backup drill.
    """
    stack = context.stack
    repository = repository_of(stack)
    wanted = [entry.id for entry in backups(repository)] if every else []
    wanted = wanted or [find(repository, backup_id).id]
    key = manifest.signing_key(load_or_create_keys(stack).admin_password)
    checked = Checked()
    report = reporter(context)
    problems = {one: verify(repository, one, report, key=key, checked=checked) for one in wanted}
    found = [problem for each in problems.values() for problem in each]
    return Result(
        data={"verified": wanted, "bytes": checked.bytes, "problems": problems},
        text=lambda style: _text(wanted, found, style),
        exit_code=FINDINGS_EXIT if found else 0,
    )


def _text(wanted: list[str], found: list[Problem], style: Style) -> str:
    if found:
        return table(("file", "what is wrong"), [(one.file, one.what) for one in found], style)
    return f"{wanted[0]} is whole" if len(wanted) == 1 else f"all {len(wanted)} are whole"
