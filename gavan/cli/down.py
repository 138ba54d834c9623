"""`gavan down`: stop the stack in reverse order; with --volumes also remove its data."""

from __future__ import annotations

import shutil
import time

import click

from gavan.cli.compose import up as compose
from gavan.cli.compose.project import is_compose
from gavan.cli.context import Context
from gavan.cli.local import keeps_bytes_in_s3, load_local
from gavan.cli.render import Result
from gavan.cli.verb import verb
from gavan.engines.embedded import lock, reap
from gavan.engines.embedded.client import connect
from gavan.engines.embedded.model import State, load_status
from gavan.engines.embedded.paths import control_socket, run_dir
from gavan.kit.errors import GavanError
from gavan.stack.model import Stack

LOCK_S = 60.0


@verb("down", examples=["gavan down", "gavan down --volumes"])
@click.option("--volumes", is_flag=True, help="Also remove the data, after a question.")
@click.option("--force", is_flag=True, help="End everything at once, without asking units to stop.")
def command(context: Context, volumes: bool, force: bool) -> Result:
    """Stop every unit, each after the units that need it."""
    if is_compose(context):
        return compose.down(context, volumes=volumes)
    stack, _ = load_local(context)
    if volumes:
        context.confirm_loss(f"Remove all data of the stack {stack.name} in {stack.state_dir}?")
    was_running = _stop(context, stack, force=force)
    path = run_dir(stack.state_dir) / "lock"
    if path.parent.is_dir():
        _clean(stack, volumes=volumes)
    if volumes and keeps_bytes_in_s3(stack):
        context.output.warn("the bytes of its objects are still in the S3, and no row names them")
    text = f"{stack.name} is down" if was_running else f"{stack.name} was not running"
    return Result(data={"was_running": was_running, "removed": volumes}, text=text)


def _stop(context: Context, stack: Stack, *, force: bool) -> bool:
    """Tell the supervisor and watch the units stop; False when there is none."""
    socket = control_socket(stack.state_dir)
    watcher = connect(socket)
    if watcher is None:
        return False
    stopping: set[str] = set()
    with watcher:
        messages = watcher.watch()
        next(messages, None)
        teller = connect(socket)
        if teller is not None:
            with teller:
                teller.ask("down", force=force)
        for message in messages:
            if message is None or "unit" not in message:
                continue
            status = load_status(message["unit"])
            if status.state is State.STOPPING:
                stopping.add(status.name)
                context.progress.start(status.name, "stopping")
            elif status.state is State.STOPPED and status.name in stopping:
                context.progress.ok(status.name, "stopped")
    return True


def _clean(stack: Stack, *, volumes: bool) -> None:
    """Wait until nobody holds the stack, then remove what is left of it."""
    path = run_dir(stack.state_dir) / "lock"
    until = time.monotonic() + LOCK_S
    descriptor = lock.wait_lock(path, LOCK_S, lambda: time.monotonic() > until)
    if descriptor is None:
        raise GavanError(
            "GV221", f"the stack {stack.name} is still stopping", hint="gavan status", exit_code=4
        )
    reap.reap_last_run(stack.state_dir)
    if volumes:
        data = stack.state_dir / "data"
        if data.is_symlink():
            shutil.rmtree(data.resolve(), ignore_errors=True)
        shutil.rmtree(stack.state_dir)
