"""What a measurement of size found, beside what is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psutil

MB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure; ``goal`` is the most it may be, None when nothing was promised."""

    name: str
    value: float
    unit: str
    goal: float | None = None

    @property
    def verdict(self) -> str:
        if self.goal is None:
            return ""
        return "met" if self.value <= self.goal else "missed"


class Failed(Exception):
    """The server did not bear it at all."""


def rss_mb(process: psutil.Process) -> float:
    """Return the resident memory of a process and its descendants."""
    family = (process, *process.children(recursive=True))
    return sum(one.memory_info().rss for one in family) / MB


def as_text(figures: Sequence[Figure]) -> str:
    """Return lines for a terminal."""
    return "\n".join(
        f"{one.name:<58}{one.value:>10.2f} {one.unit:<16}{_goal(one):>8}  {one.verdict}".rstrip()
        for one in figures
    )


def as_markdown(facts: str, command: str, figures: Sequence[Figure]) -> str:
    """Return the table of the documentation."""
    rows = [
        f"| {one.name} | {one.value:.2f} {one.unit} | {_goal(one)} | {one.verdict} |"
        for one in figures
    ]
    return "\n".join(
        [
            f"Made by `{command}` on {facts}.",
            "",
            "| | measured | goal | |",
            "|---|---:|---:|---:|",
            *rows,
        ]
    )


def as_json(facts: str, figures: Sequence[Figure]) -> dict[str, Any]:
    """Return the figures as JSON."""
    shown = [
        {"name": one.name, "value": one.value, "unit": one.unit, "goal": one.goal}
        for one in figures
    ]
    return {"machine": facts, "figures": shown}


def _goal(one: Figure) -> str:
    return "" if one.goal is None else f"< {one.goal:g}"
