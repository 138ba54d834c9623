"""`gavan backup drill`."""

from __future__ import annotations

from pathlib import Path

import click

from gavan.backups import news
from gavan.backups.drill import SAMPLE, drill, refused
from gavan.backups.report import Drilled, Outcome, as_data, record, shown_age
from gavan.backups.restore import Wish, find_logical
from gavan.backups.run import repository_of
from gavan.backups.sealing import opener_for
from gavan.cli.backup.restore import IDENTITY, JOBS
from gavan.cli.context import Context
from gavan.cli.database import reach, reporter
from gavan.cli.render import Result, Style, table
from gavan.cli.verb import verb
from gavan.database.access import Access
from gavan.kit.errors import GavanError
from gavan.stack.model import Stack


@verb(
    "drill",
    examples=[
        "gavan backup drill",
        "gavan backup drill 20261121 --objects-sample 500",
        "gavan backup drill --identity /media/key/age.txt --json",
    ],
)
@click.argument("backup_id", metavar="ID", default="latest")
@click.option(
    "--objects-sample", "sample", type=click.IntRange(0), default=SAMPLE, show_default=True,
    help="So many objects are fetched and compared.",
)  # fmt: skip
@IDENTITY
@JOBS
def command(
    context: Context, backup_id: str, sample: int, identity: Path | None, jobs: int
) -> Result:
    """Prove that a backup restores: on a throw-away Postgres with a core of its own.

    Nothing of the stack is touched and nothing stays but the report. Exit 1 when a check failed.
    """
    stack, access = reach(context)
    try:
        drilled, report = _drill(context, stack, access, (backup_id, sample, identity, jobs))
    except GavanError as error:
        news.drill_failed(stack, error)
        raise
    news.drilled(stack, drilled)
    return Result(
        data={**as_data(drilled), "report": report},
        text=lambda style: _text(drilled, report, style),
        exit_code=0 if drilled.ok else 1,
    )


def _drill(
    context: Context, stack: Stack, access: Access, given: tuple[str, int, Path | None, int]
) -> tuple[Drilled, Path]:
    backup_id, sample, identity, jobs = given
    repository = repository_of(stack)
    entry = find_logical(repository, backup_id)
    made = entry.manifest
    if made is None:
        drilled = refused(stack.name, entry.id, entry.reason)
    else:
        wish = Wish(
            stack=stack,
            access=access,
            repository=repository,
            made=made,
            opener=opener_for(made.encryption, identity),
            report=reporter(context),
            jobs=jobs,
        )
        drilled = drill(wish, sample=sample)
    return drilled, record(repository, drilled)


def _text(drilled: Drilled, report: Path, style: Style) -> str:
    words = {Outcome.OK: style.good, Outcome.FAIL: style.bad, Outcome.SKIP: style.faint}
    rows = [(c.name, words[c.outcome](c.outcome), c.detail) for c in drilled.checks]
    rto = f"{drilled.rto_s:.0f} s" if drilled.rto_s is not None else "never"
    verdict = style.good("the backup restores") if drilled.ok else style.bad("THE DRILL FAILED")
    return "\n".join(
        [
            table(("check", "result", "detail"), rows, style),
            f"{verdict}: {drilled.backup}, back in service after {rto},"
            f" data {shown_age(drilled.rpo_s)} old",
            str(report),
        ]
    )
