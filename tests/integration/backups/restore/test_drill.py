"""A drill proves a backup on a cluster of its own, fails loudly, and leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from gavan.backups.drill import FOLDER, drill, refused
from gavan.backups.report import Drilled, Outcome, as_data, as_markdown, last_drills, record
from gavan.backups.scratch import ENTRY, remove_leftovers
from gavan.engines.embedded import guard
from gavan.engines.embedded.lock import try_lock
from tests.integration.backups.restore.conftest import House
from tests.integration.backups.restore.test_restore import flip
from tests.servers import wait_until


def outcomes(drilled: Drilled) -> dict[str, Outcome]:
    return {check.name: check.outcome for check in drilled.checks}


def left(house: House) -> list[str]:
    return [path.name for path in (house.root / ".gavan" / FOLDER).iterdir() if path.name != "lock"]


def test_a_good_backup_passes_every_question(house: House) -> None:
    # What would make the throw-away server step on the real one is not taken over.
    house.more = (
        '[database.settings]\narchive_mode = "on"\narchive_command = "false"\nwork_mem = "5MB"\n'
        "[backup.drill]\nsql = [\"select count(*) = 10 and current_setting('archive_mode') = 'off'"
        " and current_setting('work_mem') = '5MB' from card\"]\n"
    )
    for number in range(5):
        house.blob(f"folder {number}/a + b.txt", b"x" * number)
    made = house.backup()
    house.run("drop table card cascade")
    drilled = drill(house.wish(), sample=3)
    assert drilled.ok, as_markdown(drilled)
    assert set(outcomes(drilled).values()) == {Outcome.OK}
    assert drilled.rto_s is not None
    assert 0 < drilled.rto_s < (drilled.ended - drilled.started).total_seconds() + 1
    assert drilled.rpo_s == (drilled.started - made.started).total_seconds()
    assert left(house) == []
    path = record(house.repository, drilled)
    assert "# Restore drill passed" in path.read_text()
    assert path.with_suffix(".json").is_file()
    assert last_drills(house.repository) == [orjson.loads(orjson.dumps(as_data(drilled)))]


def test_a_flipped_byte_fails_before_anything_is_made(house: House) -> None:
    made = house.backup()
    flip(next((house.repository.folder(made.id) / "db").glob("*.dat.gz")))
    drilled = drill(house.wish())
    assert outcomes(drilled) == {"checksums": Outcome.FAIL}
    assert drilled.rto_s is None
    assert ".dat.gz" in drilled.checks[0].detail


def test_a_cluster_that_cannot_be_made_is_a_failed_drill(house: House) -> None:
    house.more = '[database.settings]\nno_such_setting = "1"\n'
    house.backup()
    drilled = drill(house.wish())
    assert outcomes(drilled) == {"checksums": Outcome.OK, "cluster": Outcome.FAIL}
    assert "no_such_setting" in drilled.checks[-1].detail
    assert left(house) == []


def test_a_manifest_that_cannot_be_read_is_a_failed_drill(house: House) -> None:
    drilled = refused("house", "20261121T033000Z-logical-ab12cd", "it is cut off")
    house.repository.create()
    record(house.repository, drilled)
    with (house.repository.root / "drills.jsonl").open("ab") as log:
        log.write(b'{"cut')
    assert [one["ok"] for one in last_drills(house.repository)] == [False]


def begin(house: House, *more: str) -> subprocess.Popen[str]:
    """Begin a drill by the command line; of the stack it needs the file and the backups alone."""
    return subprocess.Popen(
        [sys.executable, "-m", "gavan", "backup", "drill", "--json", *more], cwd=house.stack.root,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_what_is_not_true_fails_by_exit_1_on_record_and_does_not_hide_the_rest(
    house: House,
) -> None:
    house.more = '[backup.drill]\nsql = ["select false", "select 1/0", "select true"]\n'
    # A project's own trigger, which no longer works, keeps everybody from signing up.
    house.run(
        "create function public.welcome() returns trigger language plpgsql as"
        " 'begin insert into public.gone values (new.id); return new; end'",
        "create trigger welcome after insert on auth.users for each row execute function welcome()",
    )
    house.backup()
    process = begin(house)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1, out + err
    said = json.loads(out)
    assert said["ok"] is False
    checks = {check["name"]: check for check in said["data"]["checks"]}
    failed = {name for name, check in checks.items() if check["outcome"] == "fail"}
    assert failed == {"sign-in", "questions"}
    assert "pages" in checks
    assert "select false: False" in checks["questions"]["detail"]
    assert "division by zero" in checks["questions"]["detail"]
    assert "Restore drill FAILED" in Path(said["data"]["report"]).read_text()
    assert [one["ok"] for one in last_drills(house.repository)] == [False]
    assert left(house) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_drill_that_is_ended_leaves_no_process_and_soon_no_file(
    house: House, how: signal.Signals
) -> None:
    house.backup()
    place = house.root / ".gavan" / FOLDER
    process = begin(house)
    # Its core has begun: everything that can be left over is there.
    wait_until(lambda: any(place.glob("*/core.log")), 120)
    (folder,) = (path for path in place.iterdir() if path.is_dir())
    entry, data = (folder / ENTRY).read_text(), os.path.realpath(folder / "state/data")
    assert guard.find(entry, data)
    process.send_signal(how)
    process.communicate(timeout=60)
    wait_until(lambda: not guard.find(entry, data))
    if how is signal.SIGINT:
        assert process.returncode == 130
    else:
        assert left(house) == [folder.name]
        held = try_lock(place / "lock")
        assert held is not None
        assert remove_leftovers(place) == 1
        os.close(held)
    assert left(house) == []
    assert not Path(data).exists()
