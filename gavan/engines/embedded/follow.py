"""Follow a stack until it has settled: every unit ready, or some that will not be.

Pure over the stream of the control socket; the verb shows what passes by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gavan.engines.embedded.model import BAD, READY, State, Status, load_status

Show = Callable[[Status], None]


def is_settled(status: Status) -> bool:
    """Say whether nothing more will happen to a unit by itself."""
    return status.state in READY or status.state in BAD or status.state is State.STOPPED


def follow(
    messages: Iterable[Mapping[str, Any] | None],
    wanted: frozenset[str],
    show: Show,
    is_late: Callable[[], bool],
) -> tuple[dict[str, Status], bool]:
    """Read messages until all wanted units have settled; return what is known and whether it is so.

    ``show`` gets every state that is new. False: the time was over, or the supervisor is gone.
    """
    known: dict[str, Status] = {}
    for message in messages:
        if message is not None:
            units = message["units"] if "units" in message else [message["unit"]]
            for unit in units:
                status = load_status(unit)
                if known.get(status.name) != status:
                    known[status.name] = status
                    show(status)
        names = wanted or frozenset(known)
        if known and all(name in known and is_settled(known[name]) for name in names):
            return known, True
        if is_late():
            return known, False
    return known, False


def troubles(known: Mapping[str, Status], wanted: frozenset[str]) -> list[Status]:
    """Return the units that are not as they should be, causes before what was skipped for them."""
    bad = [
        status
        for name, status in known.items()
        if (not wanted or name in wanted)
        and status.state not in READY
        and not (status.state is State.STOPPED and status.reason == "exit 0")
    ]
    return sorted(bad, key=lambda status: status.state is State.SKIPPED)
