"""`gavan backup verify`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import click

from gavan.backups import manifest
from gavan.backups.layout import Repository
from gavan.backups.listing import backups, find
from gavan.backups.run import repository_of
from gavan.backups.sealing import Clear
from gavan.backups.standing import was_proved
from gavan.backups.verify import Checked, Problem, verify
from gavan.cli.context import Context
from gavan.cli.database import reporter
from gavan.cli.render import Result, Style, table
from gavan.cli.verb import verb
from gavan.secrets.keys import load_or_create_keys

FINDINGS_EXIT = 5
PROVED = timedelta(days=90)


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
    whole = [one for one in wanted if not problems[one]]
    return Result(
        data={"verified": wanted, "bytes": checked.bytes, "problems": problems},
        text=lambda style: _text(wanted, found, style),
        exit_code=FINDINGS_EXIT if found else 0,
        warnings=(*_mends(repository, found), *_doubts(repository, whole, key)),
    )


def _mends(repository: Repository, found: list[Problem]) -> Iterator[str]:
    """Yield what to do about stored objects: backups to come would name the damaged ones too."""
    damaged = sorted({one.file for one in found if one.file.startswith("objects/")})
    if damaged:
        yield (
            f"{len(damaged)} stored objects are damaged, and backups to come share them. Remove"
            f" the files, {repository.root / damaged[0]} first of all: the next gavan backup run"
            " stores again what the stack still has"
        )


def _doubts(repository: Repository, whole: list[str], key: bytes) -> Iterator[str]:
    """Yield what is no damage: a stranger's signature, a private key that nobody has tried."""
    for one in whole:
        doubt = manifest.check_signature(repository.folder(one), key)
        if doubt is not None:
            yield doubt
    methods = {manifest.read(repository.folder(one)).encryption.method for one in whole}
    if methods - {Clear.method} and not was_proved(repository, datetime.now(UTC), PROVED):
        yield (
            f"no drill has opened a backup within {PROVED.days} days: whether the private key"
            " still fits is not known; gavan backup drill --identity FILE"
        )


def _text(wanted: list[str], found: list[Problem], style: Style) -> str:
    if found:
        return table(("file", "what is wrong"), [(one.file, one.what) for one in found], style)
    return f"{wanted[0]} is whole" if len(wanted) == 1 else f"all {len(wanted)} are whole"
