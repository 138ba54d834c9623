"""`gavan backup wal`: what the unit ``wal`` runs while point-in-time recovery is on."""

from __future__ import annotations

import signal
import threading
from contextlib import nullcontext
from types import FrameType

from gavan.backups import news
from gavan.backups.layout import Repository
from gavan.backups.place import open_place
from gavan.backups.sealing import sealer_for
from gavan.backups.wal import SPOOL, Receiving, receive
from gavan.cli.context import Context
from gavan.cli.database import reach, reporter
from gavan.cli.render import Result
from gavan.cli.verb import verb
from gavan.kit.errors import GavanError


@verb("wal", examples=["gavan backup wal"])
def receiving(context: Context) -> Result:
    """Receive the write-ahead log until stopped; the stack does it by itself with [backup.pitr]."""
    stack, access = reach(context)
    if access.admin is None:
        raise GavanError(
            "GV450",
            "the write-ahead log of this server is not ours to receive",
            hint="its provider has point-in-time recovery, or use backups: gavan backup run",
            exit_code=2,
        )
    stop = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    offsite = stack.backup.offsite
    with open_place(offsite) if offsite is not None else nullcontext() as place:
        receive(
            Receiving(
                url=access.admin,
                spool=stack.state_dir / SPOOL,
                repository=Repository(stack.backup.dir),
                sealer=sealer_for(stack.backup.encrypt),
                place=place,
                report=reporter(context),
                gap=lambda why: news.gap(stack, why),
            ),
            stop,
        )
    return Result(text="the archive has all that came")
