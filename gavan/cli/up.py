"""`gavan up`: start the stack, or bring a running one up to date; returns when it is ready."""

from __future__ import annotations

import time

import click

from gavan.cli.bring_up import Options, Up, bring_up, wait_ready
from gavan.cli.compose import up as compose
from gavan.cli.compose.project import is_compose
from gavan.cli.context import Context
from gavan.cli.local import address_rows
from gavan.cli.render import Result, Style, table
from gavan.cli.seed_objects import seed_objects
from gavan.cli.verb import verb
from gavan.kit.errors import GavanError


@verb("up", examples=["gavan up", "gavan up core", "gavan up --auto-ports"])
@click.argument("units", nargs=-1)
@click.option("--create-user", is_flag=True, help="As root: make the system user for Postgres.")
@click.option("--auto-ports", is_flag=True, help="Take the next free port for one that is taken.")
def command(
    context: Context, units: tuple[str, ...], create_user: bool, auto_ports: bool
) -> Result:
    """Start the stack and return when every unit is ready."""
    if is_compose(context):
        return compose.up(context)
    options = Options(create_user=create_user, auto_ports=auto_ports, units=units)
    up = bring_up(context, options)
    try:
        for change in up.launched.changes:
            context.progress.message(f"{change['unit']} {change['what']}")
            for line in change["details"]:
                context.progress.message(f"  {line}")
        known = wait_ready(context, up)
        objects = seed_objects(context, up.stack) if "core" in up.wanted else 0
    except KeyboardInterrupt:
        raise GavanError(
            "GV006",
            "interrupted; the stack goes on starting in the background",
            hint="gavan status, or stop it: gavan down",
            exit_code=130,
        ) from None
    finally:
        up.launched.client.close()
    rows = address_rows(up.stack, up.keys)
    took = time.monotonic() - up.started
    data = {
        "stack": up.stack.name,
        "was_running": up.launched.was_running,
        "changes": list(up.launched.changes),
        "objects": objects,
        "addresses": {} if up.stack.profile.protected else dict(rows),
        "units": {name: {"state": s.state, "ready_ms": s.ready_ms} for name, s in known.items()},
    }
    return Result(data=data, text=lambda style: _text(up, rows, took, style))


def _text(up: Up, rows: list[tuple[str, str]], took: float, style: Style) -> str:
    if up.launched.was_running:
        did = "updated" if up.launched.changes else "already up, nothing changed"
    else:
        did = f"up in {took:.1f} s"
    head = style.good(f"{up.stack.name} is {did}")
    return f"{head}\n\n{table(('what', 'where'), rows, style)}"
