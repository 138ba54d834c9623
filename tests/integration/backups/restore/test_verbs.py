"""What `gavan backup restore` asks, refuses and says, before anything is touched."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from gavan.backups.lock import locked
from tests.integration.backups.restore.conftest import House

PROTECTED = '[profiles.prod]\nengine = "embedded"\nprotected = true\n'


def gavan(house: House, *argv: str, code: int) -> dict[str, Any]:
    """Run a verb in the folder of the stack, whose keys are not those of the test's server."""
    done = subprocess.run(
        [sys.executable, "-m", "gavan", *argv, "--json"], cwd=house.stack.root,
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return dict(json.loads(done.stdout)["error"])


def test_a_protected_profile_asks_for_the_name_of_the_stack(house: House) -> None:
    house.more = PROTECTED
    house.backup()
    verb = ("backup", "restore", "latest", "-p", "prod")
    for more in (("--yes",), ("--yes", "--confirm", "another")):
        error = gavan(house, *verb, *more, code=6)
        assert error["code"] == "GV004"
    assert house.run("select count(*) from card") == [(10,)]


def test_without_yes_and_without_a_terminal_nothing_is_replaced(house: House) -> None:
    house.backup()
    assert gavan(house, "backup", "restore", code=6)["code"] == "GV004"


@pytest.mark.parametrize(
    "flags",
    [("--objects", "--only", "card"), ("--portable", "x", "--to", "y")],
)
def test_flags_that_say_two_things_are_refused(house: House, flags: tuple[str, ...]) -> None:
    assert gavan(house, "backup", "restore", "latest", *flags, code=2)["code"] == "GV448"


def test_a_damaged_manifest_is_named_with_what_can_still_be_done(house: House) -> None:
    made = house.backup()
    (house.repository.folder(made.id) / "manifest.json").write_bytes(b"{")
    error = gavan(house, "backup", "restore", "latest", "--yes", code=5)
    assert error["code"] == "GV441"
    assert "--salvage" in error["mend"]


def test_no_backup_at_all_says_how_to_make_one(house: House) -> None:
    error = gavan(house, "backup", "restore", code=1)
    assert (error["code"], error["mend"]) == ("GV400", "gavan backup run")


def test_another_run_in_the_folder_is_waited_for_or_refused(house: House) -> None:
    house.backup()
    with locked(house.repository, "a test"):
        error = gavan(house, "backup", "restore", "latest", "--yes", code=4)
    assert error["code"] == "GV404"
