"""What was measured as text for people, as JSON, and as the table of the documentation."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.rest.compare import Series
from bench.rest.limit import LIMIT
from bench.rest.load import Round
from bench.rest.questions import GOAL_CONNECTIONS, Question
from bench.rest.servers import FASTAPI, GAVAN, POSTGREST_ONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The medians of one series; ``low`` and ``high`` are its slowest and fastest round.

    ``ratio`` is how many times as fast the core is: the median over the rounds, each of which saw
    both within seconds. None where the core was not measured, and for the core itself.
    """

    question: Question
    connections: int
    contender: str
    per_s: float
    low: float
    high: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    postgres_us: float
    ratio: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How many times as fast as another the core is, and how many times it should be."""

    question: Question
    other: str
    ratio: float
    goal: float

    @property
    def is_met(self) -> bool:
        return self.ratio >= self.goal


def lines_of(found: Sequence[Series]) -> list[Line]:
    """Return one line for each series."""
    ours = {
        (series.question, series.connections): series.rounds
        for series in found
        if series.contender == GAVAN
    }
    return [_line(series, ours.get((series.question, series.connections))) for series in found]


def _line(series: Series, ours: tuple[Round, ...] | None) -> Line:
    ratio = None
    if ours is not None and series.contender != GAVAN:
        pairs = zip(ours, series.rounds, strict=True)
        ratio = statistics.median(our.per_s / their.per_s for our, their in pairs)
    rates = [one.per_s for one in series.rounds]
    return Line(
        question=series.question,
        connections=series.connections,
        contender=series.contender,
        per_s=statistics.median(rates),
        low=min(rates),
        high=max(rates),
        p50_ms=statistics.median(one.p50_ms for one in series.rounds),
        p99_ms=statistics.median(one.p99_ms for one in series.rounds),
        cpu_us=statistics.median(one.cpu_us for one in series.rounds),
        postgres_us=statistics.median(one.postgres_us for one in series.rounds),
        ratio=ratio,
    )


def verdicts_of(lines: Sequence[Line]) -> list[Verdict]:
    """Return the goals that can be judged from what was measured at their connections."""
    ratios = {
        (line.question, line.contender): line.ratio
        for line in lines
        if line.connections == GOAL_CONNECTIONS
    }
    found = []
    for question in dict.fromkeys(line.question for line in lines):
        goals = question.goals
        for other, goal in (
            (LIMIT, goals.limit),
            (POSTGREST_ONE, goals.postgrest),
            (FASTAPI, goals.fastapi),
        ):
            ratio = ratios.get((question, other))
            if ratio is not None:
                found.append(Verdict(question=question, other=other, ratio=ratio, goal=goal))
    return found


HEADS = ("server", "req/s", "slowest-fastest", "p50 ms", "p99 ms", "cpu us", "postgres us", "gavan")


def _cells(line: Line) -> list[str]:
    served = line.cpu_us > 0
    return [
        line.contender,
        f"{line.per_s:.0f}",
        f"{line.low:.0f}-{line.high:.0f}",
        *([f"{line.p50_ms:.1f}", f"{line.p99_ms:.1f}"] if served else ["", ""]),
        *([f"{line.cpu_us:.0f}", f"{line.postgres_us:.0f}"] if served else ["", ""]),
        "" if line.ratio is None else f"x {line.ratio:.2f}",
    ]


def _groups(lines: Sequence[Line]) -> list[tuple[str, list[list[str]]]]:
    """Return a title and rows for each question at each number of connections."""
    found = []
    for connections, question in dict.fromkeys((one.connections, one.question) for one in lines):
        members = [
            one for one in lines if one.connections == connections and one.question is question
        ]
        found.append((question.at(connections), [_cells(one) for one in members]))
    return found


def as_text(facts: str, lines: Sequence[Line]) -> str:
    """Return tables for a terminal."""
    parts = [facts]
    for title, rows in _groups(lines):
        parts += ["", *_aligned((title, *HEADS[1:]), rows)]
    judged = verdicts_of(lines)
    if judged:
        heads = (f"goals at {GOAL_CONNECTIONS} connections", "beside", "ratio", "goal", "")
        parts += ["", *_aligned(heads, [_judged(one) for one in judged])]
    return "\n".join(parts)


def _judged(one: Verdict) -> list[str]:
    return [
        one.question.name,
        one.other,
        f"x {one.ratio:.2f}",
        f"x {one.goal:g}",
        "met" if one.is_met else "missed",
    ]


def _aligned(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[at]) for row in (heads, *rows)) for at in range(len(heads))]
    return [
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (heads, *rows)
    ]


def as_markdown(facts: str, command: str, lines: Sequence[Line]) -> str:
    """Return the tables of the documentation, goals first."""
    parts = [f"Made by `{command}` on {facts}.", ""]
    judged = verdicts_of(lines)
    if judged:
        heads = ("question", "beside", "gavan", "goal", "")
        parts += [*_markdown(heads, [_judged(one) for one in judged]), ""]
    for title, rows in _groups(lines):
        parts += [f"**{title}**", "", *_markdown(HEADS, rows), ""]
    return "\n".join(parts)


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    ruler = ["---", *("---:" for _ in heads[1:])]
    return [f"| {' | '.join(row)} |" for row in (heads, ruler, *rows)]


def as_json(facts: str, found: Sequence[Series]) -> dict[str, Any]:
    """Return everything, the single rounds too."""
    lines = lines_of(found)
    return {
        "machine": facts,
        "series": [
            {
                "question": line.question.name,
                "connections": line.connections,
                "server": line.contender,
                "per_s": line.per_s,
                "rounds_per_s": [one.per_s for one in series.rounds],
                "p50_ms": line.p50_ms,
                "p99_ms": line.p99_ms,
                "cpu_us": line.cpu_us,
                "postgres_us": line.postgres_us,
                "ratio": line.ratio,
            }
            for line, series in zip(lines, found, strict=True)
        ],
        "goals": [
            {
                "question": one.question.name,
                "beside": one.other,
                "ratio": one.ratio,
                "goal": one.goal,
                "met": one.is_met,
            }
            for one in verdicts_of(lines)
        ],
    }
