"""Keep one unit as it should be: start it by need, probe it, restart it, stop it.

One keeper per unit, one supervisor over all keepers. Commands on a unit come one after another;
each life of the process has a generation number, and what an old life still reports is ignored.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from gavan.engines.embedded import backoff, probe
from gavan.engines.embedded.backoff import Backoff, CrashLoop, Exit
from gavan.engines.embedded.child import Child
from gavan.engines.embedded.logs import LogFile
from gavan.engines.embedded.model import ALIVE, Probe, Process, State, Status
from gavan.engines.embedded.needs import Blocked, Met, Waiting
from gavan.engines.embedded.reap import free_data_dir

SETTLE_S = 0.5
FIRST_PROBE_S = 0.03
DRAIN_S = 0.2
CLOCK_JUMP_S = 30.0
POSTGRES_QUIT_S = 30.0
POSTGRES_KILL_S = 15.0


class House(Protocol):
    """What a keeper asks of the supervisor."""

    def spawn(self, process: Process) -> Child: ...
    async def run_command(self, process: Process, command: str) -> int: ...
    def verdict(self, process: Process) -> Met | Waiting | Blocked: ...
    async def changed(self) -> None: ...
    def publish(self, status: Status) -> None: ...
    def leftovers(self, unit: str) -> list[int]: ...
    def sweep(self, unit: str) -> None: ...


class Keeper:
    """The state machine of one unit: pending -> starting -> running | healthy -> ... (4.2)."""

    def __init__(self, process: Process, house: House, log: LogFile) -> None:
        self.process = process
        self.status = Status(
            name=process.name, kind=process.kind, state=State.PENDING, ports=process.ports,
            once=process.once, note=process.note, since=time.time(),
        )  # fmt: skip
        self._house = house
        self._log = log
        self._backoff = Backoff()
        self._commands = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._child: Child | None = None
        self._healthy_since: float | None = None
        self._ended_by_us = ""

    # -- commands, one after another -------------------------------------------------------

    async def start(self) -> None:
        """Arm the unit: it starts as soon as its needs are met. Nothing when it is alive."""
        async with self._commands:
            if self._task is not None and not self._task.done():
                return
            self._arm()

    async def stop(self, *, wanted: bool = False) -> None:
        """Stop the unit; it stays stopped until it is started by hand unless ``wanted``."""
        async with self._commands:
            await self._halt(wanted=wanted)

    async def restart(self, process: Process | None = None) -> None:
        """Stop and start again, as another process when the configuration changed."""
        async with self._commands:
            await self._halt(wanted=True)
            if process is not None:
                self.process = process
                self.status = replace(
                    self.status, ports=process.ports, note=process.note, once=process.once
                )
            self._arm()

    def kill(self) -> None:
        """End the unit at once, without asking."""
        if self._child is not None:
            self._child.signal(signal.SIGKILL)

    # -- the life ---------------------------------------------------------------------------

    def _arm(self) -> None:
        self._backoff.reset()
        self.status = replace(self.status, wanted=True, restarts=0, hint="", tail=())
        self._become(State.PENDING)
        self._task = asyncio.create_task(self._keep(), name=f"keep {self.process.name}")
        self._task.add_done_callback(self._report_defect)

    def _report_defect(self, task: asyncio.Task[None]) -> None:
        """A keeper that breaks must not leave its unit looking as if it were on its way."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._become(State.FAILED, f"the supervisor failed: {type(error).__name__}: {error}")

    async def _keep(self) -> None:
        while True:
            await self._needs_met()
            exit_ = await self._live()
            if self._is_over(exit_):
                return
            verdict = self._backoff.after(exit_)
            if isinstance(verdict, CrashLoop):
                self._give_up(verdict, exit_)
                return
            self.status = replace(self.status, restarts=self.status.restarts + 1)
            self._become(State.PENDING, f"{exit_.reason}; next try in {verdict.delay_s:.1f} s")
            await asyncio.sleep(verdict.delay_s)
            self._house.sweep(self.process.name)

    async def _needs_met(self) -> None:
        while True:
            verdict = self._house.verdict(self.process)
            match verdict:
                case Met():
                    return
                case Blocked(reason):
                    self._become(State.SKIPPED, reason)
                case Waiting(name):
                    self._become(State.PENDING, f"waits for {name}")
            await self._house.changed()

    async def _live(self) -> Exit:
        """Run the process once, from start to exit."""
        self._healthy_since = None
        self._ended_by_us = ""
        self.status = replace(
            self.status, generation=self.status.generation + 1, ready_ms=None, pid=None
        )
        self._become(State.STARTING)
        if self.process.kind == "postgres":
            await self._clear_the_way()
        self._log.tail = b""
        try:
            child = self._house.spawn(self.process)
        except OSError as error:
            return self._never_lived(error)
        self._child = child
        self.status = replace(self.status, pid=child.pid)
        self._become(State.STARTING)
        watch = asyncio.create_task(self._watch(child), name=f"watch {self.process.name}")
        try:
            code = await asyncio.shield(child.ended)
        finally:
            watch.cancel()
        return await self._examine(child, code)

    async def _clear_the_way(self) -> None:
        """A Postgres that lost its postmaster must be gone before the next one comes."""
        sockets = []
        if self.process.probe is not None and self.process.probe.target:
            sockets = [Path(self.process.probe.target)]
        await asyncio.to_thread(free_data_dir, Path(self.process.cwd), sockets)

    async def _examine(self, child: Child, code: int) -> Exit:
        # A grandchild may keep the pipe open for ever: its lines are read on, nobody waits.
        # (`wait`, not `wait_for`: that one can swallow a cancellation in Python 3.11.)
        await asyncio.wait([child.drained], timeout=DRAIN_S)
        child.signal(signal.SIGKILL)
        self._child = None
        self.status = replace(self.status, pid=None)
        lines = self._log.last_lines()
        healthy = time.monotonic() - self._healthy_since if self._healthy_since else 0.0
        return Exit(
            code=code,
            at_s=time.monotonic(),
            lived_s=child.lived_s,
            healthy_s=healthy,
            last_line=lines[-1] if lines else "",
            reason=self._ended_by_us
            or backoff.describe_exit(code, lambda number: signal.Signals(number).name),
        )

    def _never_lived(self, error: OSError) -> Exit:
        code = 126 if isinstance(error, PermissionError) else 127
        reason = f"cannot start {self.process.argv[0]} in {self.process.cwd}: {error.strerror}"
        self._log.feed(f"[gavan] {reason}\n".encode())
        return Exit(
            code=code, at_s=time.monotonic(), lived_s=0.0, healthy_s=0.0, last_line=reason,
            reason=reason,
        )  # fmt: skip

    def _is_over(self, exit_: Exit) -> bool:
        """Settle an exit that asks for no other try; False when the back-off decides."""
        policy = self.process.restart
        if self.process.once and exit_.code == 0:
            self.status = replace(self.status, ready_ms=int(exit_.lived_s * 1000))
            self._become(State.COMPLETED)
            return True
        if exit_.code == 0 and policy in ("no", "on-failure"):
            self._become(State.STOPPED, "exit 0")
            return True
        if policy == "no" or (self.process.once and policy != "on-failure"):
            self.status = replace(self.status, tail=self._log.last_lines())
            self._become(State.FAILED, exit_.reason)
            return True
        return False

    def _give_up(self, verdict: CrashLoop, exit_: Exit) -> None:
        hint = verdict.hint
        left = self._house.leftovers(self.process.name)
        if left:
            hint += f"; it left processes in the background: pid {', '.join(map(str, left))}"
        self.status = replace(self.status, hint=hint, tail=self._log.last_lines())
        self._become(State.CRASH_LOOP, exit_.reason)

    # -- probes -----------------------------------------------------------------------------

    async def _watch(self, child: Child) -> None:
        """Find out when the unit is ready, then whether it stays so."""
        question = self.process.probe
        if question is None:
            if not self.process.once:
                await asyncio.sleep(SETTLE_S)
                self._ready(child, State.RUNNING)
            return
        delay, until = FIRST_PROBE_S, child.started + question.start_s
        while why := await probe.ask(question, self._run_command):
            if time.monotonic() > until:
                await self._never_ready(child, why)
                return
            await asyncio.sleep(delay)
            delay = min(delay * 1.5, question.interval_s, 0.5)
        self._ready(child, State.HEALTHY)
        await self._stay(question)

    async def _stay(self, question: Probe) -> None:
        fails, last = 0, time.monotonic()
        while True:
            await asyncio.sleep(question.interval_s)
            now = time.monotonic()
            why = await probe.ask(question, self._run_command)
            if now - last > CLOCK_JUMP_S + question.interval_s:
                fails = 0  # the machine slept: a probe that failed meanwhile says nothing
            last = now
            fails = fails + 1 if why else 0
            if fails >= question.fails and self.status.state is State.HEALTHY:
                self._become(State.DEGRADED, why)
            elif not why and self.status.state is State.DEGRADED:
                self._become(State.HEALTHY)

    async def _never_ready(self, child: Child, why: str) -> None:
        text = f"not ready within {child.lived_s:.1f} s: {why}"
        self._log.feed(f"[gavan] {text}\n".encode())
        self._ended_by_us = text
        await self._end(child)

    def _ready(self, child: Child, state: State) -> None:
        self._healthy_since = time.monotonic()
        self.status = replace(self.status, ready_ms=int(child.lived_s * 1000))
        self._become(state)

    async def _run_command(self, command: str) -> int:
        return await self._house.run_command(self.process, command)

    # -- stopping ---------------------------------------------------------------------------

    async def _halt(self, *, wanted: bool) -> None:
        task, child = self._task, self._child
        self.status = replace(self.status, wanted=wanted)
        if child is not None and self.status.state in ALIVE:
            self._become(State.STOPPING)
            await self._end(child)
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._task, self._child = None, None
        self._house.sweep(self.process.name)
        if self.status.state is not State.COMPLETED or not wanted:
            self.status = replace(self.status, pid=None, tail=(), hint="")
            self._become(State.STOPPED)

    async def _end(self, child: Child) -> None:
        """Ask the group to end, wait, then end it; Postgres is asked twice before."""
        number = signal.Signals[self.process.stop_signal]
        if self.process.kind == "postgres":
            steps = [(number, POSTGRES_QUIT_S), (signal.SIGQUIT, POSTGRES_KILL_S)]
        else:
            steps = [(number, self.process.stop_timeout_s)]
        for step, patience in steps:
            child.signal(step, group=self.process.kind != "postgres")
            await asyncio.wait([child.ended], timeout=patience)
            if child.ended.done():
                return
        child.signal(signal.SIGKILL)
        await child.ended

    def _become(self, state: State, reason: str = "") -> None:
        before = self.status
        if (before.state, before.reason) == (state, reason) and state is not State.STARTING:
            return
        since = before.since if before.state is state else time.time()
        self.status = replace(before, state=state, reason=reason, since=since)
        self._house.publish(self.status)
