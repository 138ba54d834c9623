"""How the last runs ended, one JSON line each: so that `gavan status` can tell of failures.

Stands beside the layout; a run that failed leaves nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import orjson

from gavan.backups.layout import Repository
from gavan.backups.model import State
from gavan.backups.places import replace_file

KEPT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run; ``at`` is when it ended (UTC, ISO), ``id`` is empty when it made no backup."""

    at: str
    verb: str
    id: str
    state: State
    code: str = ""
    message: str = ""

    @property
    def moment(self) -> datetime:
        return datetime.fromisoformat(self.at)


def record(repository: Repository, run: Run) -> None:
    """Add a run; a full disk costs the note, never the backups."""
    with suppress(OSError):
        lines = [orjson.dumps(asdict(one)) for one in [*read_runs(repository), run][-KEPT:]]
        replace_file(repository.runs_file, b"\n".join(lines) + b"\n")


def read_runs(repository: Repository) -> Sequence[Run]:
    """Return the runs that are remembered, oldest first; damaged lines are left out."""
    try:
        lines = repository.runs_file.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    runs: list[Run] = []
    for line in lines:
        with suppress(orjson.JSONDecodeError, TypeError, KeyError, ValueError):
            said = orjson.loads(line)
            runs.append(Run(**{**said, "state": State(said["state"])}))
    return runs


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
