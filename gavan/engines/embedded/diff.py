"""Say in words what differs between the running plan and a new one; values of variables stay out.

Pure. The supervisor restarts what is named here, the verb prints it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from gavan.engines.embedded.model import Probe, Process

QUIET = frozenset({"note"})
OPAQUE = frozenset({"fingerprint"})


@dataclass(frozen=True, slots=True)
class Change:
    """``what`` is added, removed or changed; ``details`` one line per difference."""

    unit: str
    what: str
    details: tuple[str, ...] = ()


def compare(old: Iterable[Process], new: Iterable[Process]) -> tuple[Change, ...]:
    """Return the differences in the order of the new plan, removed units first."""
    before = {process.name: process for process in old}
    after = {process.name: process for process in new}
    changes = [Change(name, "removed") for name in before if name not in after]
    for name, process in after.items():
        if name not in before:
            changes.append(Change(name, "added"))
        elif details := _details(before[name], process):
            changes.append(Change(name, "changed", details))
    return tuple(changes)


def _details(old: Process, new: Process) -> tuple[str, ...]:
    lines: list[str] = []
    for field in fields(Process):
        was, now = getattr(old, field.name), getattr(new, field.name)
        if field.name in QUIET or was == now:
            continue
        if field.name == "env":
            if not new.env_matters:
                continue
            lines.extend(_variables(was, now))
        elif field.name == "probe":
            lines.extend(_probe(was, now))
        elif field.name in OPAQUE:
            lines.append("files it reads changed")
        else:
            lines.append(f"{field.name}: {_short(was)} -> {_short(now)}")
    return tuple(lines)


def _probe(was: Probe | None, now: Probe | None) -> list[str]:
    if was is None or now is None:
        return ["probe: removed" if now is None else "probe: added"]
    return [
        f"probe {field.name}: {_short(getattr(was, field.name))} -> {_short(new)}"
        for field in fields(Probe)
        if (new := getattr(now, field.name)) != getattr(was, field.name)
    ]


def _variables(was: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    lines = [f"env {name}: added" for name in now if name not in was]
    lines += [f"env {name}: removed" for name in was if name not in now]
    lines += [f"env {name}: changed" for name in now if name in was and was[name] != now[name]]
    return sorted(lines)


def _short(value: object) -> str:
    text = " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
