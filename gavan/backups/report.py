"""The report of a drill: what was checked and how long it took, for people and for machines.

Stands at the end of the drill; pure but for ``record``, which writes it beside the backups.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson

from gavan.backups.layout import Repository

LOG = "drills.jsonl"
FOLDER = "drills"


class Outcome(StrEnum):
    OK = "ok"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One question of a drill and its answer; ``detail`` is one line, or several of a failure."""

    name: str
    outcome: Outcome
    detail: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Drilled:
    """A drill that has ended. Times are UTC.

    ``rto_s``: how long it took until a restored stack answered; None when it never did. ``rpo_s``:
    how old its data were when the drill began.
    """

    stack: str
    backup: str
    started: datetime
    ended: datetime
    rto_s: float | None
    rpo_s: float
    database_bytes: int
    tool_version: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing failed; a drill in which nothing was asked proves nothing."""
        outcomes = [check.outcome for check in self.checks]
        return Outcome.OK in outcomes and Outcome.FAIL not in outcomes


def as_data(drilled: Drilled) -> dict[str, Any]:
    """Return the report for machines."""
    return {
        "v": 1,
        "ok": drilled.ok,
        **asdict(drilled),
        "started": drilled.started.astimezone(UTC).isoformat(timespec="seconds"),
        "ended": drilled.ended.astimezone(UTC).isoformat(timespec="seconds"),
        "checks": [asdict(check) for check in drilled.checks],
    }


def as_markdown(drilled: Drilled) -> str:
    """Return the report for people."""
    verdict = "passed" if drilled.ok else "FAILED"
    rto = "never answered" if drilled.rto_s is None else f"{drilled.rto_s:.1f} s"
    facts = [
        ("Stack", drilled.stack),
        ("Backup", drilled.backup),
        ("Began", f"{drilled.started.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"),
        ("Took", f"{(drilled.ended - drilled.started).total_seconds():.1f} s"),
        ("Back in service after (RTO)", rto),
        ("Age of the data (RPO)", shown_age(drilled.rpo_s)),
        ("Size of the database", f"{drilled.database_bytes / 1024 / 1024:.1f} MiB"),
        ("gavan", drilled.tool_version),
    ]
    return "\n".join(
        [
            f"# Restore drill {verdict}",
            "",
            *_table(("", ""), facts),
            "",
            *_table(
                ("Check", "Result", "Seconds", "Detail"),
                [(c.name, c.outcome, f"{c.seconds:.2f}", c.detail) for c in drilled.checks],
            ),
            "",
        ]
    )


def record(repository: Repository, drilled: Drilled) -> Path:
    """Append to the log of drills and write both reports; return the path of the Markdown one."""
    data = as_data(drilled)
    folder = repository.root / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    name = f"{drilled.started.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    path = folder / f"{name}.md"
    path.write_text(as_markdown(drilled), encoding="utf-8")
    (folder / f"{name}.json").write_bytes(orjson.dumps(data, option=orjson.OPT_INDENT_2))
    with (repository.root / LOG).open("ab") as log:
        log.write(orjson.dumps(data) + b"\n")
        log.flush()
        os.fsync(log.fileno())
    return path


def last_drills(repository: Repository) -> list[dict[str, Any]]:
    """Return the reports of all drills, oldest first; a line cut off by a crash is left out."""
    try:
        lines = (repository.root / LOG).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        try:
            found.append(orjson.loads(line))
        except orjson.JSONDecodeError:
            continue
    return found


def shown_age(seconds: float) -> str:
    """Return a duration as people say it."""
    whole = timedelta(seconds=round(seconds))
    hours, rest = divmod(whole.seconds, 3600)
    parts = [(whole.days, "d"), (hours, "h"), (rest // 60, "min"), (rest % 60, "s")]
    said = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(said[:2]) or "0 s"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", "<br>")
