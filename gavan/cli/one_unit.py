"""`gavan restart|start|stop`: one unit, or a few, of a running stack."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import click

from gavan.cli.bring_up import READY_S, TICK_S, Shown
from gavan.cli.compose import look
from gavan.cli.compose.project import is_compose
from gavan.cli.context import Context
from gavan.cli.local import load_local, trouble_details
from gavan.cli.render import Result
from gavan.cli.verb import verb
from gavan.engines.embedded.client import connect
from gavan.engines.embedded.follow import follow, troubles
from gavan.engines.embedded.launch import find_running
from gavan.engines.embedded.model import READY
from gavan.engines.embedded.paths import control_socket
from gavan.kit.errors import GavanError
from gavan.stack.model import Stack


@verb("restart", examples=["gavan restart", "gavan restart core"])
@click.argument("units", nargs=-1)
def restart(context: Context, units: tuple[str, ...]) -> Result:
    """Restart units and wait until they are ready; without names all but the jobs."""
    return _tell(context, "restart", units, wait=True)


@verb("start", examples=["gavan start backend"])
@click.argument("units", nargs=-1, required=True)
def start(context: Context, units: tuple[str, ...]) -> Result:
    """Start units again that were stopped or given up."""
    return _tell(context, "start", units, wait=True)


@verb("stop", examples=["gavan stop backend"])
@click.argument("units", nargs=-1, required=True)
def stop(context: Context, units: tuple[str, ...]) -> Result:
    """Stop units; they stay stopped until they are started."""
    return _tell(context, "stop", units, wait=False)


def restart_core(context: Context, stack: Stack) -> bool:
    """Restart the core of a stack when it runs, and wait until it is ready; say whether it ran."""
    client = connect(control_socket(stack.state_dir))
    if client is None:
        return False
    with client:
        states = {unit["name"]: unit["state"] for unit in client.ask("status")["units"]}
        if states.get("core") not in READY:
            return False
        client.ask("restart", units=["core"])
        _wait(context, client.watch(TICK_S), frozenset({"core"}))
    return True


def _tell(context: Context, do: str, units: tuple[str, ...], *, wait: bool) -> Result:
    if is_compose(context):
        return look.act(context, do, units)
    stack, _ = load_local(context)
    with find_running(stack) as client:
        client.ask(do, units=list(units))
        if wait:
            _wait(context, client.watch(TICK_S), frozenset(units))
    done = {"restart": "restarted", "start": "started", "stop": "stopped"}[do]
    return Result(data={done: list(units)}, text=f"{', '.join(units) or 'all units'}: {done}")


def _wait(
    context: Context, messages: Iterator[dict[str, Any] | None], wanted: frozenset[str]
) -> None:
    until = time.monotonic() + (context.flags.timeout_s or READY_S)
    known, settled = follow(messages, wanted, Shown(context).show, lambda: time.monotonic() > until)
    bad = troubles(known, wanted)
    if settled and not bad:
        return
    first = bad[0] if bad else None
    raise GavanError(
        "GV232" if settled else "GV233",
        f"{first.name} is {first.state}: {first.reason}" if first else "the supervisor ended",
        details=(trouble_details(first) if first else "") or None,
        hint=f"gavan logs {first.name}" if first else "gavan logs supervisor",
        exit_code=3 if settled else 124,
    )
