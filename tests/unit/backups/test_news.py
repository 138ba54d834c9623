"""What people and the core hear of backups: failures, their end, age; once, never in the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gavan.backups import manifest, news
from gavan.backups.drill import refused
from gavan.backups.layout import Repository
from gavan.backups.model import Kind, Manifest, State
from gavan.backups.report import Check, Drilled, Outcome
from gavan.backups.report import record as write_drill
from gavan.backups.runs import Run, now, record
from gavan.backups.standing import drill_overdue_since, standing
from gavan.cli.main import main
from gavan.kit.backup_state import FILE, BackupState, backup_field, read_state, write_state
from gavan.kit.errors import GavanError
from gavan.stack.load import load_stack
from gavan.stack.model import Stack
from tests.local_http import Heard, LocalServer, Reply, local_server
from tests.unit.backups import made

BROKEN = GavanError("GV407", "pg_dump failed: exit code 1", hint="see the details")
AWAY = GavanError("GV413", "the second place does not answer")


@pytest.fixture
def channel() -> Iterator[LocalServer]:
    def taken(_: Heard) -> Reply:
        return Reply(status=200)

    with local_server(taken) as server:
        yield server


@pytest.fixture
def stack(tmp_path: Path, channel: LocalServer) -> Stack:
    (tmp_path / "gavan.toml").write_text(
        '[stack]\nname = "crm"\n[backup]\nmax_age = "26h"\n'
        '[notify.team]\ntype = "webhook"\ntarget = "${TEAM_TARGET}"\n'
    )
    return load_stack(tmp_path / "gavan.toml", environ={"TEAM_TARGET": f"{channel.url}/in"})


@pytest.fixture
def repository(stack: Stack) -> Repository:
    found = Repository(stack.backup.dir)
    found.create()
    return found


def heard(channel: LocalServer) -> list[str]:
    return [json.loads(one.body)["event"] for one in channel.heard]


def add(repository: Repository, began: datetime) -> Manifest:
    """Put a good backup into the folder, and note its run."""
    identifier = f"{began:%Y%m%dT%H%M%SZ}-logical-ab12cd"
    backup = made.manifest(id=identifier, started=began)
    repository.folder(identifier).mkdir()
    manifest.write(backup, repository.folder(identifier), b"key")
    record(repository, Run(at=now(), verb="backup run", id=identifier, state=State.OK))
    return backup


def fail(repository: Repository) -> None:
    record(
        repository,
        Run(at=now(), verb="backup run", id="", state=State.FAILED, code="GV407", message="no"),
    )


def drill(outcome: Outcome) -> Drilled:
    moment = datetime.now(UTC)
    check = Check(name="rows", outcome=outcome, detail="2 instead of 3", seconds=0.1)
    return Drilled(
        stack="crm", backup=made.ID, started=moment, ended=moment, rto_s=12.0, rpo_s=1.0,
        database_bytes=1, tool_version="0", checks=(check,),
    )  # fmt: skip


def test_a_failure_is_told_once_and_so_is_its_end(stack: Stack, channel: LocalServer) -> None:
    news.failed(stack, Kind.LOGICAL, BROKEN)
    news.failed(stack, Kind.LOGICAL, BROKEN)
    news.made(stack, made.manifest(), None)
    news.made(stack, made.manifest(), None)
    assert heard(channel) == ["backup.failed", "backup.done"]
    assert "GV407 pg_dump failed" in channel.heard[0].body.decode()


def test_a_second_place_that_is_away_is_told_and_its_return(
    stack: Stack, channel: LocalServer
) -> None:
    news.made(stack, made.manifest(), AWAY)
    news.made(stack, made.manifest(), None)
    assert heard(channel) == ["backup.partial", "backup.done"]
    assert "is only here: GV413" in channel.heard[0].body.decode()


def test_a_gap_in_the_log_is_told_once_and_the_base_that_closes_it(
    stack: Stack, channel: LocalServer
) -> None:
    for _ in range(2):
        news.gap(stack, "the slot gavan_wal lost its place")
    news.made(stack, made.manifest(), None)  # a dump closes nothing
    news.made(stack, made.manifest(kind=Kind.PHYSICAL), None)
    assert heard(channel) == ["backup.gap", "backup.done"]
    assert "--kind physical" in channel.heard[0].body.decode()


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), GavanError("GV404", "another run works"), SystemExit(1)]
)
def test_who_is_interrupted_or_meets_another_run_is_no_news(
    error: BaseException, stack: Stack, channel: LocalServer
) -> None:
    news.failed(stack, Kind.LOGICAL, error)
    assert channel.heard == []


def test_a_drill_that_fails_is_told_and_the_next_good_one(
    stack: Stack, channel: LocalServer
) -> None:
    news.drilled(stack, drill(Outcome.FAIL))
    news.drilled(stack, drill(Outcome.OK))
    news.drilled(stack, refused("crm", made.ID, "its manifest is cut off"))
    news.drill_failed(stack, GavanError("GV431", "another drill is at work"))
    assert heard(channel) == ["drill.failed", "drill.done", "drill.failed"]
    assert "rows: 2 instead of 3" in channel.heard[0].body.decode()
    assert "its manifest is cut off" in channel.heard[2].body.decode()


def test_a_channel_that_is_away_costs_no_backup(stack: Stack, repository: Repository) -> None:
    gone = load_stack(stack.file, environ={"TEAM_TARGET": "http://127.0.0.1:9/in"})
    news.made(gone, add(repository, datetime.now(UTC)), AWAY)
    found = read_state(gone.state_dir / FILE)
    assert found is not None


def test_backups_that_fail_until_the_newest_is_too_old_are_told_again(
    stack: Stack, repository: Repository, channel: LocalServer
) -> None:
    """Trap 37: at once, and at max_age."""
    began = datetime.now(UTC)
    add(repository, began)
    fail(repository)
    news.failed(stack, Kind.LOGICAL, BROKEN)
    young, old = (
        standing(repository, stack.backup, began + timedelta(hours=hours)) for hours in (25, 27)
    )
    assert young is not None
    assert old is not None
    assert (news.is_too_old(stack, young), news.is_too_old(stack, old)) == (False, True)
    news.aged(stack, old)
    assert heard(channel) == ["backup.failed", "backup.too_old"]
    assert "max_age is 1 d 2 h" in channel.heard[1].body.decode()


def test_the_verb_of_the_clock_tells_and_exits_5(
    stack: Stack,
    repository: Repository,
    channel: LocalServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TEAM_TARGET", f"{channel.url}/in")
    assert verb(stack, "age", capsys)[0] == 0  # no schedule has come yet: young, and not late
    add(repository, datetime.now(UTC) - timedelta(hours=1))
    assert verb(stack, "age", capsys)[0] == 0
    assert channel.heard == []
    for folder in repository.ids():
        repository.remove(folder)
    add(repository, datetime.now(UTC) - timedelta(hours=30))
    code, data = verb(stack, "age", capsys)
    assert (code, data["too_old"], data["backup"]["verdict"]) == (5, True, "overdue")
    assert heard(channel) == ["backup.too_old"]


def test_drills_that_do_not_come_are_told_once_two_were_due(
    stack: Stack,
    repository: Repository,
    channel: LocalServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TEAM_TARGET", f"{channel.url}/in")
    add(repository, datetime.now(UTC) - timedelta(days=22))
    add(repository, datetime.now(UTC) - timedelta(hours=1))
    code, data = verb(stack, "age", capsys)
    assert (code, data["too_old"]) == (5, False)
    assert heard(channel) == ["drill.too_old"]
    write_drill(repository, drill(Outcome.OK))
    code, data = verb(stack, "age", capsys)
    assert (code, data["no_drill_since"]) == (0, None)
    # Once a week: one that was not made is not yet worth a word, the second is.
    began = datetime.now(UTC)
    ages = [drill_overdue_since(repository, "30 4 * * 0", began + timedelta(days=days))
            for days in (6, 15)]  # fmt: skip
    assert ages[0] is None
    assert ages[1] is not None
    assert drill_overdue_since(repository, None, began + timedelta(days=99)) is None


def verb(stack: Stack, name: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    code = main(["-f", str(stack.file), "--json", "backup", name])
    return code, json.loads(capsys.readouterr().out)["data"]


def test_health_is_told_how_old_the_newest_is(stack: Stack, repository: Repository) -> None:
    path = stack.state_dir / FILE
    moment = datetime.now(UTC).replace(microsecond=0)
    assert backup_field(path, moment) == {"state": "none", "last_ok_at": None, "age_s": None}
    began = moment - timedelta(hours=2)
    news.made(stack, add(repository, began), None)
    assert backup_field(path, moment)["state"] == "ok"
    assert 7199 <= backup_field(path, moment)["age_s"] <= 7201
    assert backup_field(path, moment + timedelta(hours=25))["state"] == "overdue"
    fail(repository)
    news.failed(stack, Kind.LOGICAL, BROKEN)
    said = backup_field(path, moment)
    assert said["state"] == "failed"
    assert datetime.fromisoformat(said["last_ok_at"]) - began < timedelta(seconds=2)


def test_a_damaged_file_of_health_is_none(tmp_path: Path) -> None:
    path = tmp_path / "state" / FILE
    write_state(path, BackupState(state="ok", last_ok_at=None, max_age_s=1.0))
    assert read_state(path) == BackupState(state="ok", last_ok_at=None, max_age_s=1.0)
    for content in (b"", b"{", b"[]", b'{"state": "ok"}', b'{"state":1,"last_ok_at":"x"}'):
        path.write_bytes(content)
        assert read_state(path) is None
        assert backup_field(path, datetime.now(UTC))["state"] == "none"
