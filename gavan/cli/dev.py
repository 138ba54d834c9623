"""`gavan dev`: the stack in the foreground, with dev servers, hot reload and all logs."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from gavan.cli.bring_up import Options, Up, bring_up, is_running, reapply, wait_ready
from gavan.cli.context import Context
from gavan.cli.local import address_rows, load_local
from gavan.cli.logs import Printer
from gavan.cli.render import Result, table
from gavan.cli.seed_objects import seed_objects
from gavan.cli.verb import verb
from gavan.engines.embedded.client import connect
from gavan.engines.embedded.logread import Follower, Query, follow, parse_since, read_merged
from gavan.engines.embedded.paths import logs_dir
from gavan.engines.embedded.watch import rules_for, watch
from gavan.kit.errors import GavanError

STACK_FILE = "gavan.toml"
INTERRUPTED = 130


@verb("dev", examples=["gavan dev", "gavan dev --auto-ports"])
@click.option("--create-user", is_flag=True, help="As root: make the system user for Postgres.")
@click.option("--auto-ports", is_flag=True, help="Take the next free port for one that is taken.")
def command(context: Context, create_user: bool, auto_ports: bool) -> Result:
    """Run the stack in the foreground until Ctrl-C; changed files restart what they belong to."""
    stack, _ = load_local(context)
    if is_running(stack):
        raise GavanError(
            "GV221", f"the stack {stack.name} is already up", hint="gavan down, then gavan dev",
            exit_code=4,
        )  # fmt: skip
    begun = parse_since(datetime.now(UTC).isoformat(), datetime.now(UTC))
    options = Options(create_user=create_user, auto_ports=auto_ports, attached=True)
    up = bring_up(context, options)
    stop = threading.Event()
    try:
        if up.stack.profile.watch:
            # Before all is ready: what is saved meanwhile counts, too.
            _start_watching(context, up, options, stop)
        _show_ready(context, up)
        _show_logs(context, up, begun)
    except KeyboardInterrupt:
        stop.set()
        _go_down(context, up)
    return Result(exit_code=INTERRUPTED, data={"stack": stack.name})


def _show_ready(context: Context, up: Up) -> None:
    """Tell when all is ready; what failed is told too, and may be mended while the rest runs."""
    try:
        wait_ready(context, up)
        seed_objects(context, up.stack)
    except GavanError as error:
        context.output.error(error)
        return
    finally:
        up.launched.client.close()
    context.progress.finish()
    context.progress.message(table(("what", "where"), address_rows(up.stack, up.keys)))


def _start_watching(context: Context, up: Up, options: Options, stop: threading.Event) -> None:
    def restart(unit: str) -> None:
        try:
            if unit == STACK_FILE:
                for change in reapply(context, up.launched, options):
                    context.progress.message(f"{change['unit']} {change['what']}")
                return
            context.progress.message(f"{unit} restarts: its files changed")
            client = connect(Path(up.launched.plan.control))
            if client is not None:
                with client:
                    client.ask("restart", units=[unit])
        except GavanError as error:
            context.output.error(error)

    rules = rules_for(up.stack, STACK_FILE)
    threading.Thread(target=watch, args=(rules, restart, stop), daemon=True).start()


def _show_logs(context: Context, up: Up, begun: str) -> None:
    folder = logs_dir(up.stack.state_dir)
    units = [process.name for process in up.launched.plan.processes]
    query = Query(since=begun)
    follower = Follower(folder, units)
    printer = Printer(context, units)
    for line in read_merged(folder, units, query):
        printer.show(line)
    for line in follow(follower, query):
        printer.show(line)


def _go_down(context: Context, up: Up) -> None:
    """Ask once and wait; a second Ctrl-C ends everything at once."""
    context.progress.message("going down; Ctrl-C again to force")
    try:
        _tell_down(up, force=False)
        _wait(up)
    except KeyboardInterrupt:
        _tell_down(up, force=True)
        _wait(up)


def _tell_down(up: Up, *, force: bool) -> None:
    client = connect(Path(up.launched.plan.control))
    if client is not None:
        with client:
            client.ask("down", force=force)


def _wait(up: Up) -> None:
    with contextlib.suppress(ChildProcessError):
        while not os.waitpid(up.launched.pid, os.WNOHANG)[0]:
            time.sleep(0.05)
    with contextlib.suppress(OSError):
        os.close(up.launched.pipe)
