"""`gavan backup age`: what runs by the clock where somebody wants to hear of backups."""

from __future__ import annotations

from datetime import UTC, datetime

from gavan.backups import news
from gavan.backups.run import repository_of
from gavan.backups.standing import drill_overdue_since, standing
from gavan.cli.backup.standing import backup_lines
from gavan.cli.context import Context
from gavan.cli.render import Result
from gavan.cli.verb import verb
from gavan.engines.embedded.own_jobs import drill_schedule

TOO_OLD_EXIT = 5


@verb("age", examples=["gavan backup age", "gavan backup age --json"])
def command(context: Context) -> Result:
    """Say how old the newest good backup is, and tell the channels of [notify] when too old.

    Exit 5 when it is older than [backup] max_age, when there is none, or when two drills were due
    and none has been.
    """
    stack, now = context.stack, datetime.now(UTC)
    repository = repository_of(stack)
    found = standing(repository, stack.backup, now)
    is_too_old = found is not None and news.is_too_old(stack, found)
    if found is not None and is_too_old:
        news.aged(stack, found)
    since = drill_overdue_since(repository, drill_schedule(stack), now)
    if since is not None:
        news.drill_overdue(stack, since)
    return Result(
        data={"backup": found, "too_old": is_too_old, "no_drill_since": since},
        text=lambda style: "\n".join(backup_lines(found, style)) or "this stack makes no backups",
        exit_code=TOO_OLD_EXIT if is_too_old or since is not None else 0,
        warnings=(f"no drill since {since:%Y-%m-%d %H:%M} UTC: gavan backup drill",)
        if since
        else (),
    )
