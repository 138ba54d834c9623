"""All units of a stack together: start by readiness, stop backwards, apply a changed plan.

Stands between the control socket, which brings commands, and the keepers, which carry them out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace

from gavan.engines.embedded import guard
from gavan.engines.embedded.child import Child, Reaper, spawn
from gavan.engines.embedded.diff import Change, compare
from gavan.engines.embedded.keeper import Keeper
from gavan.engines.embedded.logs import LogWriter
from gavan.engines.embedded.model import (
    BAD,
    MARKER,
    UNIT_MARKER,
    Plan,
    Process,
    State,
    Status,
)
from gavan.engines.embedded.needs import Blocked, Met, Waiting, dependants, judge
from gavan.kit.errors import GavanError

Listener = Callable[[Status], None]


class Fleet:
    """The keepers by name, what they know of each other, and who listens."""

    def __init__(self, plan: Plan, run_id: str, writer: LogWriter, reaper: Reaper) -> None:
        self.plan = plan
        self.keepers: dict[str, Keeper] = {}
        self.listeners: set[Listener] = set()
        self._run_id = run_id
        self._writer = writer
        self._reaper = reaper
        self._news = asyncio.Event()
        self._applying = asyncio.Lock()
        for process in plan.processes:
            self._add(process)

    @property
    def marker(self) -> str:
        return f"{MARKER}={self._run_id}"

    def statuses(self) -> dict[str, Status]:
        return {name: keeper.status for name, keeper in self.keepers.items()}

    def process(self, name: str) -> Process:
        """Return what a unit runs; raise GavanError GV223 for an unknown one."""
        return self._named([name])[0].process

    # -- commands ---------------------------------------------------------------------------

    async def start(self, names: Iterable[str] = ()) -> None:
        """Start the named units, or all; what is alive stays as it is."""
        for keeper in self._named(names):
            await keeper.start()

    async def stop(self, names: Iterable[str]) -> None:
        """Stop the named units; their dependants stay up, as they do when a need crashes."""
        await asyncio.gather(*(keeper.stop() for keeper in self._named(names)))

    async def restart(self, names: Iterable[str]) -> None:
        """Restart the named units one after another; without names all that are no jobs."""
        wanted = list(names) or [
            name for name, keeper in self.keepers.items() if not keeper.process.once
        ]
        for keeper in self._named(wanted):
            await keeper.restart()

    async def stop_all(self) -> None:
        """Stop everything, each unit after the units that need it."""
        processes = [keeper.process for keeper in self.keepers.values()]
        ended = {process.name: asyncio.Event() for process in processes}

        async def stop_after(keeper: Keeper) -> None:
            for name in dependants(keeper.process.name, processes):
                await ended[name].wait()
            try:
                await keeper.stop()
            finally:
                ended[keeper.process.name].set()

        await asyncio.gather(*(stop_after(keeper) for keeper in self.keepers.values()))

    def kill_all(self) -> None:
        """End everything at once: the person asked twice."""
        for keeper in self.keepers.values():
            keeper.kill()

    async def apply(self, plan: Plan) -> tuple[Change, ...]:
        """Make the running units those of a new plan and return what was different.

        Only what changed is restarted; what has failed or was stopped gets a new chance.
        """
        async with self._applying:
            changes = compare(self.plan.processes, plan.processes)
            kinds = {change.unit: change.what for change in changes}
            for name in [name for name, what in kinds.items() if what == "removed"]:
                await self.keepers.pop(name).stop()
            self.plan = replace(plan, attached=self.plan.attached)
            for process in plan.processes:
                keeper = self.keepers.get(process.name)
                if keeper is None:
                    await self._add(process).start()
                elif process.name in kinds:
                    await keeper.restart(process)
                elif keeper.status.state in BAD or keeper.status.state is State.STOPPED:
                    await keeper.restart()
            self.keepers = {item.name: self.keepers[item.name] for item in plan.processes}
            return changes

    def _add(self, process: Process) -> Keeper:
        keeper = Keeper(process, self, self._writer.file(process.name))
        self.keepers[process.name] = keeper
        return keeper

    def _named(self, names: Iterable[str]) -> list[Keeper]:
        wanted = list(names)
        unknown = [name for name in wanted if name not in self.keepers]
        if unknown:
            raise GavanError(
                "GV223",
                f"no unit {', '.join(unknown)} in this stack",
                hint=f"units: {', '.join(self.keepers)}",
                exit_code=2,
            )
        return [self.keepers[name] for name in wanted] or list(self.keepers.values())

    # -- what keepers ask (keeper.House) ----------------------------------------------------

    def spawn(self, process: Process) -> Child:
        """Start a unit's process, its output going to its log."""
        return self._spawn(process, self._writer.file(process.name).feed)

    async def run_command(self, process: Process, command: str) -> int:
        """Run a probe's command with the unit's environment; its output is not kept."""
        child = self._spawn(replace(process, argv=("/bin/sh", "-c", command)), None)
        try:
            return await asyncio.shield(child.ended)
        finally:
            child.signal(guard.KILL)

    def _spawn(self, process: Process, take: Callable[[bytes], None] | None) -> Child:
        marks = {MARKER: self._run_id, UNIT_MARKER: process.name}
        child = spawn(process, marks, take)
        self._reaper.watch(child)
        return child

    def verdict(self, process: Process) -> Met | Waiting | Blocked:
        """Say whether the needs of a unit are met now."""
        return judge(process.needs, self.statuses())

    async def changed(self) -> None:
        """Wait until the state of any unit changes."""
        await self._news.wait()

    def publish(self, status: Status) -> None:
        """Tell everybody who listens, and wake who waits for a need."""
        news, self._news = self._news, asyncio.Event()
        news.set()
        for listener in list(self.listeners):
            listener(status)

    def leftovers(self, unit: str) -> list[int]:
        """Return living processes of a unit by their mark, whatever session they are in."""
        mark = f"{UNIT_MARKER}={unit}".encode()
        return [pid for pid in guard.find(self.marker, "") if guard.is_marked(pid, mark)]

    def sweep(self, unit: str) -> None:
        """End what a unit left behind, so that its next life finds its port free."""
        for pid in self.leftovers(unit):
            guard.send(pid, guard.KILL)
