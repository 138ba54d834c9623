"""The road of `up` and `dev`: stack, keys, ports, Postgres, plan, supervisor, ready.

Stands under both verbs; shows progress, returns what the stack turned out to be.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gavan.cli.context import Context
from gavan.cli.local import load_local, read_again, trouble_details
from gavan.cli.ports import with_ports
from gavan.database.embedded import Server, passwords_by_role, prepare
from gavan.engines.embedded import ports
from gavan.engines.embedded.client import connect
from gavan.engines.embedded.environment import External, Surroundings
from gavan.engines.embedded.follow import follow, troubles
from gavan.engines.embedded.launch import Launched, Wish, launch
from gavan.engines.embedded.model import BAD, Plan, State, Status, dump
from gavan.engines.embedded.needs import closure
from gavan.engines.embedded.paths import control_socket, make_state_dir
from gavan.engines.embedded.units import Request, build_plan
from gavan.kit.errors import GavanError
from gavan.secrets.keys import StackKeys, load_or_create_keys
from gavan.stack.model import Stack
from gavan.stack.plan import plan_units

READY_S = 300.0
TICK_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """``units`` empty means all; ``attached`` ties the stack to this terminal (`dev`)."""

    create_user: bool
    auto_ports: bool
    units: tuple[str, ...] = ()
    attached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    stack: Stack
    keys: StackKeys
    launched: Launched
    wanted: frozenset[str]
    started: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    stack: Stack
    keys: StackKeys
    overrides: tuple[str, ...]


def plan_for(context: Context, loaded: Loaded, options: Options) -> Plan:
    """Prepare Postgres and return what the supervisor shall run."""
    stack, keys = loaded.stack, loaded.keys
    server = _prepare(context, stack, keys, create_user=options.create_user)
    request = Request(
        around=Surroundings(stack=stack, keys=keys, urls=server or _external(stack, keys)),
        server=server,
        attached=options.attached,
        dev_sites=options.attached,
        overrides=loaded.overrides,
    )
    return build_plan(request, plan_units(stack, dev=options.attached))


def reapply(context: Context, launched: Launched, options: Options) -> list[dict[str, Any]]:
    """Read the stack file again, tell the running stack, return what changed."""
    stack, overrides = read_again(context)
    keys = load_or_create_keys(stack)
    plan = plan_for(context, Loaded(stack=stack, keys=keys, overrides=overrides), options)
    client = connect(Path(launched.plan.control))
    if client is None:
        raise GavanError("GV226", "the supervisor ended", exit_code=3)
    with client:
        return list(client.ask("apply", plan=dump(plan))["changes"])


def bring_up(context: Context, options: Options) -> Up:
    """Start the stack or tell a running one what changed; does not wait until it is ready."""
    started = time.monotonic()
    stack, overrides = load_local(context)
    make_state_dir(stack.state_dir)
    if not is_running(stack):
        stack, overrides = _settle_ports(context, stack, auto=options.auto_ports)
    keys = load_or_create_keys(stack)

    def make_plan() -> Plan:
        return plan_for(context, Loaded(stack=stack, keys=keys, overrides=overrides), options)

    timeout = context.flags.timeout_s or READY_S
    launched = launch(
        Wish(stack=stack, make_plan=make_plan, timeout_s=timeout, attached=options.attached)
    )
    if launched.reaped:
        context.output.warn(f"an earlier run had left {launched.reaped} processes; they are gone")
    wanted = _wanted(launched.plan, options.units)
    return Up(stack=stack, keys=keys, launched=launched, wanted=wanted, started=started)


def _external(stack: Stack, keys: StackKeys) -> External:
    url = stack.database.external_url
    if url is None:
        raise GavanError("GV150", "neither an embedded nor an external database")
    return External(admin=url, passwords=passwords_by_role(keys))


def is_running(stack: Stack) -> bool:
    """Say whether a supervisor of this stack listens."""
    client = connect(control_socket(stack.state_dir))
    if client is not None:
        client.close()
    return client is not None


def _settle_ports(context: Context, stack: Stack, *, auto: bool) -> tuple[Stack, tuple[str, ...]]:
    """Return the stack with free ports: its own, or with ``auto`` the next free ones."""
    if not auto:
        ports.record_ports(stack.state_dir, {})
        return load_local(context)
    wanted = ports.wanted_ports(stack)
    busy = ports.busy_ports(wanted)
    others = ports.other_ports(busy, wanted)
    chosen = {**ports.recorded_ports(stack.state_dir), **others}
    for key, port in others.items():
        context.output.warn(f"{key} {wanted[key]} is taken, {port} is used instead")
    ports.record_ports(stack.state_dir, chosen)
    return with_ports(context, stack, chosen)


def _prepare(
    context: Context, stack: Stack, keys: StackKeys, *, create_user: bool
) -> Server | None:
    if stack.database.external_url is not None:
        return None
    is_first = not (stack.state_dir / "data").exists()
    if is_first:
        context.progress.start("prepare", "a new Postgres data directory")
    server = prepare(stack, keys, create_user=create_user)
    if server.user is not None and is_first:
        context.output.warn(f"Postgres refuses to run as root; it runs as {server.user.name}")
    if is_first:
        context.progress.ok("prepare", str(server.data_dir))
    return server


def _wanted(plan: Plan, units: tuple[str, ...]) -> frozenset[str]:
    processes = {process.name: process for process in plan.processes}
    unknown = [name for name in units if name not in processes]
    if unknown:
        raise GavanError(
            "GV223",
            f"no unit {', '.join(unknown)} in this stack",
            hint=f"units: {', '.join(processes)}",
            exit_code=2,
        )
    return closure(units or processes, processes)


def wait_ready(context: Context, up: Up) -> dict[str, Status]:
    """Show the units as they start and return them when all are ready.

    Raises GavanError: GV232 exit 3 with the unit and its last lines, GV233 exit 124.
    """
    until = time.monotonic() + (context.flags.timeout_s or READY_S)
    shown = Shown(context)
    messages = up.launched.client.watch(TICK_S)
    known, settled = follow(messages, up.wanted, shown.show, lambda: time.monotonic() > until)
    bad = troubles(known, up.wanted)
    if settled and not bad:
        return known
    failed = [status for status in bad if status.state in BAD] or bad
    if not failed:
        raise GavanError("GV226", "the supervisor ended", hint="gavan logs supervisor", exit_code=3)
    # What was skipped was skipped because of the others, and says so at length.
    failed = [status for status in failed if status.state is not State.SKIPPED] or failed
    names = "; ".join(f"{status.name} is {status.state}: {status.reason}" for status in failed)
    raise GavanError(
        "GV232" if settled else "GV233",
        names,
        details=trouble_details(failed[0]) or None,
        hint=f"gavan logs {failed[0].name}, mend it, then: gavan up",
        exit_code=3 if settled else 124,
    )


class Shown:
    """Turns states of units into steps of progress."""

    def __init__(self, context: Context) -> None:
        self._progress = context.progress
        self._begun: set[str] = set()

    def show(self, status: Status) -> None:
        """Show one new state."""
        name = status.name
        if status.state in (State.STARTING, State.PENDING) and name not in self._begun:
            if status.state is State.STARTING:
                self._begun.add(name)
                self._progress.start(name, status.note)
            return
        match status.state:
            case State.HEALTHY | State.RUNNING | State.COMPLETED:
                self._progress.ok(name, status.note, state=status.state.value)
            case State.FAILED | State.CRASH_LOOP:
                self._progress.fail(name, f"{status.state}: {status.reason}")
            case State.SKIPPED:
                self._progress.skip(name, status.reason)
            case State.PENDING if status.restarts:
                self._progress.warn(name, status.reason)
            case _:
                self._progress.tick(name, status.reason)
