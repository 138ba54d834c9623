"""`gavan backup restore --at TIME`: the whole server as it was at a moment.

Stands under the verb restore. Postgres of the stack is stopped only while two folders change names.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from gavan.backups.layout import Repository
from gavan.backups.recover import Recovered, Recovery, find_road, recovered
from gavan.backups.road import parse_moment
from gavan.backups.sealing import opener_for
from gavan.cli.context import Context
from gavan.cli.database import reporter
from gavan.cli.render import Result
from gavan.database.access import Access
from gavan.database.container import server_here
from gavan.database.data_folder import exchange, kept_name, leave_for_next_start
from gavan.database.embedded import prepare
from gavan.engines.embedded.client import connect
from gavan.engines.embedded.paths import control_socket
from gavan.kit.errors import GavanError
from gavan.secrets.keys import load_or_create_keys
from gavan.stack.model import Stack

STOP_S = 60.0
POLL_S = 0.1
UNITS = ("postgres", "wal")


def recover_at(
    context: Context, found: tuple[Stack, Access, Repository], text: str, identity: Path | None
) -> Result:
    """Recover to a moment and put the result in place of the data; the former data are kept."""
    stack, access, repository = found
    moment = parse_moment(text)
    if access.admin is None:
        raise GavanError("GV450", "the files of this server are not ours", exit_code=2,
                         hint="restore a dump: gavan backup restore latest")  # fmt: skip
    in_container = server_here(os.environ)
    if in_container is None and access.elsewhere:
        raise GavanError("GV450", "the files of this server are not here", exit_code=2,
                         hint="in containers: gavan -p PROFILE backup restore --at TIME, from "
                         "outside of them")  # fmt: skip
    on = Recovery(
        root=stack.root,
        moment=moment,
        server=in_container or prepare(stack, load_or_create_keys(stack), create_user=False),
        access=access,
        repository=repository,
        opener_of=lambda made: opener_for(made.encryption, identity),
        report=reporter(context),
    )
    road = find_road(on)
    context.confirm_loss(
        f"Replace all data of {stack.name} by those of {moment.isoformat()}? The present ones are "
        "kept beside."
    )
    with recovered(on, road) as done:
        if in_container is not None:
            place = leave_for_next_start(done.folder, on.server.data_dir)
            on.report("swap", "ok", f"{place} takes the place of the data when Postgres begins")
            kept, mend = place, "restart the service postgres"
        else:
            kept, mend = _swap(on, done, stack), "gavan backup run --kind physical"
    last = done.last.isoformat() if done.last else None
    since = f"last transaction: {last or 'in the base'}"
    return Result(
        data={
            "moment": moment.isoformat(),
            "last_transaction": last,
            "base": done.base,
            "segments": done.segments,
            "kept": str(kept),
        },
        text=f"{stack.name} as it was at {moment.isoformat()}; {since}; {done.rows}\n"
        f"{'the data' if in_container else 'the former data'}: {kept}\nnext: {mend}",
    )


def _swap(on: Recovery, done: Recovered, stack: Stack) -> Path:
    """Put what was recovered in place of the data; return what the former are called."""
    kept = kept_name(on.server.data_dir, datetime.now(UTC))
    on.report("swap", "start", "")
    with _stopped(stack):
        if on.server.is_running():
            raise GavanError(
                "GV458", "Postgres runs, and not as a unit of this stack: it was not replaced",
                hint="stop it, then again", exit_code=4,
            )  # fmt: skip
        exchange(on.server.data_dir, done.folder, kept)
    on.report("swap", "ok", f"the former data are {kept}")
    return kept


@contextmanager
def _stopped(stack: Stack) -> Iterator[None]:
    """Have the units that use the data stopped while the block runs, if the stack runs."""
    client = connect(control_socket(stack.state_dir))
    if client is None:
        yield
        return
    with client:
        units = [unit["name"] for unit in client.ask("status")["units"] if unit["name"] in UNITS]
        client.ask("stop", units=units)
        until = time.monotonic() + STOP_S
        while _alive(stack) and time.monotonic() < until:
            time.sleep(POLL_S)
        try:
            yield
        finally:
            client.ask("start", units=units)


def _alive(stack: Stack) -> bool:
    client = connect(control_socket(stack.state_dir))
    if client is None:
        return False
    with client:
        states = {unit["name"]: unit for unit in client.ask("status")["units"]}
    return any(states[name].get("pid") for name in UNITS if name in states)
