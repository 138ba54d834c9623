"""Carry a plan out: the supervisor's life from its first state file to its last process.

One asyncio process per stack. It is told what to run on standard input and never reads a stack
file, so it imports little and stays small.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gavan.engines.embedded import guard
from gavan.engines.embedded.child import Child, Reaper
from gavan.engines.embedded.control import Control
from gavan.engines.embedded.fleet import Fleet
from gavan.engines.embedded.logs import LogWriter
from gavan.engines.embedded.model import Plan, Status
from gavan.engines.embedded.paths import logs_dir
from gavan.engines.embedded.state import (
    RunState,
    boot_id,
    remove_state,
    started_ticks,
    write_state,
)

GUARD_PAUSE_S = 0.2


class Guarding:
    """Keep one guard alive; it inherits the lock, so the next `up` waits until it is done."""

    def __init__(self, fleet: Fleet, reaper: Reaper, lock: int) -> None:
        self._fleet = fleet
        self._reaper = reaper
        self._lock = lock
        self._popen: subprocess.Popen[bytes] | None = None
        self._task = asyncio.create_task(self._keep(), name="guard")

    async def _keep(self) -> None:
        while True:
            child = self._spawn()
            await child.ended
            await asyncio.sleep(GUARD_PAUSE_S)

    def _spawn(self) -> Child:
        argv = [sys.executable, "-I", "-S", str(Path(guard.__file__))]
        held = (self._lock,) if self._lock >= 0 else ()
        if self._popen is not None and self._popen.stdin is not None:
            self._popen.stdin.close()
        self._popen = subprocess.Popen(
            [*argv, self._fleet.marker, self._fleet.plan.data_dir],
            stdin=subprocess.PIPE,
            env={},
            start_new_session=True,
            pass_fds=held,
        )
        child = Child(self._popen, -1)
        self._reaper.watch(child)
        return child

    def dismiss(self) -> None:
        """Tell the guard that there is nothing left to guard."""
        self._task.cancel()
        if self._popen is not None and self._popen.stdin is not None:
            with contextlib.suppress(OSError):
                self._popen.stdin.write(guard.CLEAN_STOP)
                self._popen.stdin.flush()
                self._popen.stdin.close()


class Supervision:
    """One run: the fleet, its control socket, its guard, its log."""

    def __init__(self, plan: Plan, lock: int) -> None:
        self._plan = plan
        self._state_dir = Path(plan.state_dir)
        self._loop = asyncio.get_running_loop()
        self._down = asyncio.Event()
        self._writer = LogWriter(logs_dir(self._state_dir), self._trouble_from_thread)
        self._own_log = self._writer.file("supervisor")
        reaper = Reaper()
        self._state = self._make_state()
        self._fleet = Fleet(plan, self._state.run_id, self._writer, reaper)
        self._fleet.listeners.add(self._record)
        self._control = Control(self._fleet, asdict(self._state), self._ask_down)
        self._guarding = Guarding(self._fleet, reaper, lock)

    async def run(self) -> None:
        """Start everything, wait for the word to go down, stop everything."""
        write_state(self._state_dir, self._state)
        await self._control.open(Path(self._plan.control))
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._ask_down, False)
        # A closed terminal is told by the end of standard input, and only to an attached run.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        await self._fleet.start()
        await self._down.wait()
        self._control.refuse()
        await self._fleet.stop_all()
        spared = frozenset({os.getpid()})
        await asyncio.to_thread(guard.end_all, self._fleet.marker, self._plan.data_dir, spared, 5.0)
        self._guarding.dismiss()
        self._control.close()
        self._say("down")
        self._leave_nothing()

    def _leave_nothing(self) -> None:
        Path(self._plan.control).unlink(missing_ok=True)
        remove_state(self._state_dir)
        self._writer.stop()

    def follow_parent(self) -> None:
        """Go down when standard input ends: the terminal that started this run is gone."""

        def look() -> None:
            if not os.read(0, 4096):
                self._loop.remove_reader(0)
                self._ask_down(False)

        self._loop.add_reader(0, look)

    def _make_state(self) -> RunState:
        return RunState(
            run_id=uuid.uuid4().hex,
            pid=os.getpid(),
            started_ticks=started_ticks(os.getpid()),
            boot_id=boot_id(),
            uid=os.getuid(),
            since=time.time(),
            file=self._plan.file,
            profile=self._plan.profile,
            data_dir=self._plan.data_dir,
            control=self._plan.control,
        )

    def _ask_down(self, force: bool) -> None:
        if force:
            self._fleet.kill_all()
        self._down.set()

    def _record(self, status: Status) -> None:
        self._say("unit_state", unit=status.name, state=status.state, reason=status.reason,
                  pid=status.pid, generation=status.generation)  # fmt: skip

    def _say(self, event: str, **more: Any) -> None:
        line = {"event": event, **more}
        self._own_log.feed(json.dumps(line).encode() + b"\n")

    def _trouble_from_thread(self, why: str) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            self._loop.call_soon_threadsafe(self._trouble, why)

    def _trouble(self, why: str) -> None:
        folder = logs_dir(self._state_dir)
        self._control.trouble = (
            f"logs cannot be written to {folder}: {why}; units go on, their output is dropped"
            if why
            else ""
        )
        if not why:
            self._say("logs_recovered")


async def supervise(plan: Plan, lock: int) -> None:
    """Run a stack until it is told to go down."""
    supervision = Supervision(plan, lock)
    if plan.attached:
        supervision.follow_parent()
    await supervision.run()
