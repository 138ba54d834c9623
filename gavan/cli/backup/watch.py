"""`gavan backup age`: what runs by the clock where somebody wants to hear of backups."""

from __future__ import annotations

from datetime import UTC, datetime

from gavan.backups import news
from gavan.backups.run import repository_of
from gavan.backups.standing import standing
from gavan.cli.backup.standing import backup_lines
from gavan.cli.context import Context
from gavan.cli.render import Result
from gavan.cli.verb import verb

TOO_OLD_EXIT = 5


@verb("age", examples=["gavan backup age", "gavan backup age --json"])
def command(context: Context) -> Result:
    """Say how old the newest good backup is, and tell the channels of [notify] when too old.

    Exit 5 when it is older than [backup] max_age, or when there is none.
    """
    stack = context.stack
    found = standing(repository_of(stack), stack.backup, datetime.now(UTC))
    is_too_old = found is not None and news.is_too_old(stack, found)
    if found is not None and is_too_old:
        news.aged(stack, found)
    return Result(
        data={"backup": found, "too_old": is_too_old},
        text=lambda style: "\n".join(backup_lines(found, style)) or "this stack makes no backups",
        exit_code=TOO_OLD_EXIT if is_too_old else 0,
    )
