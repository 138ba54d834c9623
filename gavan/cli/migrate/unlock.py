"""`gavan migrate unlock`: who holds the lock of the database, and an end to it."""

from __future__ import annotations

from gavan.cli.context import Context
from gavan.cli.database import reach
from gavan.cli.render import Result
from gavan.cli.verb import verb
from gavan.database.migration.unlock import lock_holder
from gavan.database.migration.unlock import unlock as end_holder


@verb("unlock", examples=["gavan migrate unlock", "gavan migrate unlock --yes"])
def unlock(context: Context) -> Result:
    """Show who holds the lock, ask, and end that run; what it had not committed is rolled back.

    A run that was killed needs none of this: its lock is free when its connection ends.
    """
    _, access = reach(context)
    holder = lock_holder(access.owner)
    if holder is None:
        return Result(data={"holder": None, "ended": []}, text="nobody holds the lock")
    context.progress.message(str(holder))
    context.confirm_loss("End this run?")
    ended = end_holder(access.admin or access.owner, holder)
    shown = ", ".join(map(str, ended))
    text = f"the lock is free; ended: {shown}" if ended else "the lock was freed meanwhile"
    return Result(data={"holder": holder, "ended": ended}, text=text)
