"""Bring a stack up, whatever is there: nothing, a running one, one on its way down, a wreck.

Stands between the verb `up` and the supervisor: takes the lock or finds who has it, prepares
Postgres, hands the plan over.
"""

from __future__ import annotations

import json
import os
import pwd
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gavan.engines.embedded import lock, ports, reap
from gavan.engines.embedded.client import Client, connect
from gavan.engines.embedded.model import MARKER, UNIT_MARKER, Plan, State, dump
from gavan.engines.embedded.paths import control_socket, make_state_dir, run_dir
from gavan.engines.embedded.state import read_state
from gavan.kit.errors import GavanError
from gavan.stack.model import Stack

SPAWN_S = 15.0
POLL_S = 0.01
ERR_LINES = 15

BEFORE_USE = (State.PENDING, State.PREPARING, State.STARTING)

MakePlan = Callable[[], Plan]


@dataclass(frozen=True, slots=True, kw_only=True)
class Launched:
    """``client`` talks to the supervisor, ``changes`` is what a running stack was told.

    ``pipe`` is the writing end of the supervisor's standard input when it is attached: closing
    it brings the stack down. ``reaped`` counts processes of an earlier run that were left.
    """

    client: Client
    plan: Plan
    was_running: bool
    changes: tuple[dict[str, Any], ...] = ()
    reaped: int = 0
    pid: int = 0
    pipe: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How a stack is to be brought up; ``make_plan`` is called when the way is free."""

    stack: Stack
    make_plan: MakePlan
    timeout_s: float
    attached: bool = False


def launch(wish: Wish) -> Launched:
    """Return a running supervisor that has the plan; raises GavanError GV220, GV221, GV231."""
    stack = wish.stack
    make_state_dir(stack.state_dir)
    control = control_socket(stack.state_dir)
    held: list[Client] = []
    path = run_dir(stack.state_dir) / "lock"
    descriptor = lock.wait_lock(path, wish.timeout_s, lambda: _find_running(control, held))
    if descriptor is not None:
        return _launch_new(wish, descriptor)
    if not held:
        raise _locked(stack)
    _let_postgres_start(held[0], wish.timeout_s)
    plan = wish.make_plan()
    answer = held[0].ask("apply", plan=dump(plan))
    return Launched(client=held[0], plan=plan, was_running=True, changes=tuple(answer["changes"]))


def _let_postgres_start(client: Client, timeout_s: float) -> None:
    """Wait while Postgres starts: only then can be told that its directory is in use."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        units = client.ask("status")["units"]
        if not any(u["kind"] == "postgres" and u["state"] in BEFORE_USE for u in units):
            return
        time.sleep(lock.POLL_S)


def _find_running(control: Path, held: list[Client]) -> bool:
    """Look for a supervisor that takes commands; one on its way down is waited for."""
    client = connect(control)
    if client is None:
        return False
    with suppress(GavanError, OSError):
        if not client.ask("status")["run"]["stopping"]:
            held.append(client)
            return True
    client.close()
    return False


def _launch_new(wish: Wish, descriptor: int) -> Launched:
    stack = wish.stack
    try:
        reaped = reap.reap_last_run(stack.state_dir)
        ports.refuse_busy(ports.busy_ports(ports.wanted_ports(stack)))
        plan = wish.make_plan()
        pid, pipe = _spawn(plan, descriptor)
    finally:
        os.close(descriptor)
    try:
        client = _meet(Path(plan.control), pid, stack.state_dir)
    finally:
        if not wish.attached:
            os.close(pipe)
    return Launched(
        client=client, plan=plan, was_running=False, reaped=reaped, pid=pid,
        pipe=pipe if wish.attached else -1,
    )  # fmt: skip


def _spawn(plan: Plan, descriptor: int) -> tuple[int, int]:
    """Start the supervisor in a session of its own and hand it plan and lock."""
    argv = [sys.executable, "-m", "gavan.engines.embedded.supervisor"]
    argv += ["-f", plan.file, "-p", plan.profile, "--lock", str(descriptor)]
    errors = os.open(
        _errors_file(Path(plan.state_dir)), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600
    )
    reading, writing = os.pipe2(os.O_CLOEXEC)
    # A stack that is started from a process of another stack is not a part of that one.
    env = {name: text for name, text in os.environ.items() if name not in (MARKER, UNIT_MARKER)}
    os.set_inheritable(descriptor, True)
    try:
        pid = os.posix_spawn(
            sys.executable,
            argv,
            env,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, reading, 0),
                (os.POSIX_SPAWN_DUP2, errors, 1),
                (os.POSIX_SPAWN_DUP2, errors, 2),
            ],
            setsid=True,
        )
    finally:
        os.set_inheritable(descriptor, False)
        os.close(reading)
        os.close(errors)
    with os.fdopen(os.dup(writing), "wb") as stream, suppress(BrokenPipeError):
        stream.write(json.dumps(dump(plan)).encode() + b"\n")
    return pid, writing


def _meet(control: Path, pid: int, state_dir: Path) -> Client:
    """Wait until the new supervisor listens."""
    until = time.monotonic() + SPAWN_S
    while time.monotonic() < until:
        client = connect(control)
        if client is not None:
            return client
        with suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG)[0]:
                break
        time.sleep(POLL_S)
    lines = _errors_file(state_dir).read_text(errors="replace").splitlines()
    raise GavanError(
        "GV231",
        "the supervisor ended before it was ready",
        details="\n".join(lines[-ERR_LINES:]) or None,
        hint=f"see {_errors_file(state_dir)}",
        exit_code=3,
    )


def _errors_file(state_dir: Path) -> Path:
    return run_dir(state_dir) / "supervisor.err"


def _locked(stack: Stack) -> GavanError:
    state = read_state(stack.state_dir)
    who = "another gavan"
    if state is not None:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(state.since))
        who = f"pid {state.pid} of {_user(state.uid)} since {since}"
    return GavanError(
        "GV221",
        f"the stack {stack.name} is being started or stopped by {who}",
        hint="wait for it, or give it longer: gavan up --timeout 5m",
        exit_code=4,
    )


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def find_running(stack: Stack) -> Client:
    """Return a connection to the running stack; raise GavanError GV222, exit 3, without one."""
    client = connect(control_socket(stack.state_dir))
    if client is None:
        raise GavanError(
            "GV222", f"the stack {stack.name} is not running", hint="gavan up", exit_code=3
        )
    return client
