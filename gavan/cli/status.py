"""`gavan status`: what every unit is doing; `-o env` prints the names of the supabase CLI."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import click

from gavan.backups.layout import Repository
from gavan.backups.standing import standing
from gavan.cli.backup.standing import backup_lines
from gavan.cli.compose import look
from gavan.cli.compose.project import is_compose
from gavan.cli.context import Context
from gavan.cli.local import connection_facts, load_local
from gavan.cli.render import Result, Style, table
from gavan.cli.verb import verb
from gavan.engines.embedded.client import connect
from gavan.engines.embedded.model import BAD, READY, State, Status, load_status
from gavan.engines.embedded.paths import control_socket
from gavan.engines.embedded.usage import measure
from gavan.secrets.keys import load_or_create_keys
from gavan.stack.model import Stack

REFRESH_S = 1.0
HEADERS = ("unit", "state", "pid", "cpu", "rss", "restarts", "ready", "port", "why")
CLEAR = "\x1b[H\x1b[J"


@verb("status", examples=["gavan status", "gavan status --watch", "gavan status -o env"])
@click.option("--watch", is_flag=True, help="Show it again every second until Ctrl-C.")
@click.option("--exit-code", is_flag=True, help="Exit 3 unless every unit is ready.")
@click.option("-o", "form", type=click.Choice(["env"]), help="Print NAME=value lines for a shell.")
def command(context: Context, watch: bool, exit_code: bool, form: str | None) -> Result:
    """Show state, process, load and port of every unit."""
    if is_compose(context):
        return look.status(context, exit_code=exit_code)
    stack, _ = load_local(context)
    if form == "env":
        return _env(stack)
    while watch:
        context.output.line(CLEAR + _text(_ask(stack), context.output.style))
        time.sleep(REFRESH_S)
    snapshot = _ask(stack)
    units = _units(snapshot)
    ready = bool(units) and all(_is_fine(status) for status in units)
    backup = standing(Repository(stack.backup.dir), stack.backup, datetime.now(UTC))
    data = {"running": snapshot is not None, "ready": ready, "units": _rows_data(units)}
    return Result(
        data={**data, **({"backup": backup} if backup else {})},
        text=lambda style: "\n".join([_text(snapshot, style), *backup_lines(backup, style)]),
        exit_code=3 if exit_code and not ready else 0,
    )


def _env(stack: Stack) -> Result:
    facts = connection_facts(stack, load_or_create_keys(stack))
    lines = [f"{name}={shlex.quote(value)}" for name, value in facts.items()]
    return Result(data=facts, text="\n".join(lines))


def _ask(stack: Stack) -> dict[str, Any] | None:
    client = connect(control_socket(stack.state_dir))
    if client is None:
        return None
    with client:
        return client.ask("status")


def _units(snapshot: Mapping[str, Any] | None) -> list[Status]:
    return [load_status(unit) for unit in snapshot["units"]] if snapshot else []


def _is_fine(status: Status) -> bool:
    return status.state in READY or (status.state is State.STOPPED and status.reason == "exit 0")


def _rows_data(units: list[Status]) -> list[dict[str, object]]:
    loads = measure({status.name: status.pid for status in units if status.pid})
    return [
        {
            "name": status.name,
            "kind": status.kind,
            "state": status.state,
            "pid": status.pid,
            "cpu_percent": loads[status.name].cpu_percent if status.name in loads else None,
            "rss_bytes": loads[status.name].rss_bytes if status.name in loads else None,
            "restarts": status.restarts,
            "ready_ms": status.ready_ms,
            "ports": list(status.ports),
            "since": status.since,
            "reason": status.reason,
            "hint": status.hint,
        }
        for status in units
    ]


def _text(snapshot: Mapping[str, Any] | None, style: Style) -> str:
    if snapshot is None:
        return "the stack is not running; start it: gavan up"
    units = _units(snapshot)
    loads = measure({status.name: status.pid for status in units if status.pid})
    rows = []
    for status in units:
        load = loads.get(status.name)
        rows.append(
            (
                status.name,
                _colored(status, style),
                status.pid or "",
                f"{load.cpu_percent:.1f} %" if load else "",
                f"{load.rss_bytes / 2**20:.0f} MB" if load else "",
                status.restarts or "",
                f"{status.ready_ms} ms" if status.ready_ms is not None else "",
                ", ".join(map(str, status.ports)),
                "; ".join(filter(None, (status.reason, status.hint))),
            )
        )
    parts = [table(HEADERS, rows, style)]
    if snapshot["run"]["trouble"]:
        parts.append(style.doubt(f"warning: {snapshot['run']['trouble']}"))
    return "\n".join(parts)


def _colored(status: Status, style: Style) -> str:
    text = status.state.value
    if status.state in READY:
        return style.good(text)
    return style.bad(text) if status.state in BAD else style.doubt(text)
