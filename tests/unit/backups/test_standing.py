"""How a stack stands with its backups, as `gavan status` says it."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from gavan.backups import manifest
from gavan.backups.layout import Repository
from gavan.backups.model import State
from gavan.backups.places import OFFSITE, Arrival, write_places
from gavan.backups.runs import Run, read_runs, record
from gavan.backups.standing import Verdict, standing, was_proved
from gavan.cli.backup.standing import backup_lines
from gavan.cli.render import Style
from gavan.stack.load import load_stack
from gavan.stack.model import Backup
from tests.unit.backups import made

NOW = made.BEGAN + timedelta(hours=2)
PLAIN = Style(enabled=False)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    found = Repository(tmp_path / "backups")
    found.create()
    return found


@pytest.fixture
def settings(tmp_path: Path) -> Backup:
    (tmp_path / "gavan.toml").write_text('[stack]\nname = "s"\n[backup]\n')
    return load_stack(tmp_path / "gavan.toml", environ={}).backup


def add(repository: Repository, arrival: Arrival | None = None) -> None:
    folder = repository.folder(made.ID)
    folder.mkdir()
    if arrival is not None:
        write_places(folder, {OFFSITE: arrival})
    manifest.write(made.manifest(), folder, b"key")
    ended(repository, State.PARTIAL if arrival else State.OK, made.ID)


def ended(repository: Repository, state: State, backup_id: str = "", message: str = "") -> None:
    code = "GV407" if state is State.FAILED else ""
    record(repository, Run(at=NOW.isoformat(), verb="backup run", id=backup_id, state=state,
                           code=code, message=message))  # fmt: skip


def lines(repository: Repository, settings: Backup, now: datetime = NOW) -> list[str]:
    return list(backup_lines(standing(repository, settings, now), PLAIN))


def test_a_stack_that_makes_none_says_nothing(repository: Repository, settings: Backup) -> None:
    by_hand = dataclasses.replace(settings, schedule=None)
    assert standing(repository, by_hand, NOW) is None
    assert lines(repository, by_hand) == []
    assert lines(repository, settings) == ["backup: none, no good one yet"]


def test_a_good_one_is_told_with_its_age(repository: Repository, settings: Backup) -> None:
    add(repository)
    assert lines(repository, settings) == [f"backup: ok, newest good one 2 h old, {made.ID}"]
    late = lines(repository, settings, NOW + timedelta(days=2))
    assert late == [f"backup: overdue, newest good one 2 d old, {made.ID}"]


def test_what_went_wrong_last_is_told_until_it_goes_well(
    repository: Repository, settings: Backup
) -> None:
    add(repository)
    ended(repository, State.FAILED, message="pg_dump failed")
    found = standing(repository, settings, NOW)
    assert found is not None
    assert found.verdict is Verdict.FAILED
    assert lines(repository, settings)[1] == "  GV407 pg_dump failed"
    ended(repository, State.OK, made.ID)
    assert len(lines(repository, settings)) == 1


def test_a_backup_that_is_only_here_is_not_a_good_one(
    repository: Repository, settings: Backup
) -> None:
    """Trap 37."""
    add(repository, Arrival(target="s3://there", error="the key has expired"))
    found = standing(repository, settings, NOW)
    assert found is not None
    assert (found.verdict, found.newest) == (Verdict.PARTIAL, None)


def test_the_last_drill_is_told(repository: Repository, settings: Backup) -> None:
    add(repository)
    for ok in (True, False):
        drilled = {"ok": ok, "backup": made.ID, "started": NOW.isoformat()}
        with (repository.root / "drills.jsonl").open("ab") as log:
            log.write(orjson.dumps(drilled) + b"\n")
    later = NOW + timedelta(days=3)
    assert lines(repository, settings, later)[-1] == f"drill: FAILED, 3 d ago, {made.ID}"
    assert was_proved(repository, later, timedelta(days=4))
    assert not was_proved(repository, later, timedelta(days=2))


def test_only_the_last_runs_are_remembered_and_damage_costs_a_line(
    repository: Repository,
) -> None:
    for number in range(205):
        ended(repository, State.OK, str(number))
    assert [run.id for run in read_runs(repository)] == [str(n) for n in range(5, 205)]
    with repository.runs_file.open("ab") as file:
        file.write(b'{"at": "cut o')
    assert len(read_runs(repository)) == 200
    assert read_runs(repository)[-1].moment == NOW.astimezone(UTC)
