"""What `gavan backup restore` asks, refuses and says, before anything is touched."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gavan.backups import manifest
from gavan.backups.layout import new_id
from gavan.backups.lock import locked
from gavan.backups.model import Kind, silent
from gavan.backups.recover import Recovery, find_road
from gavan.backups.sealing import Clear
from gavan.cli.main import main
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from tests.integration.backups.restore.conftest import House

PROTECTED = '[profiles.prod]\nengine = "embedded"\nprotected = true\n'


Verb = Callable[..., dict[str, Any]]


@pytest.fixture
def gavan(house: House, capsys: pytest.CaptureFixture[str]) -> Verb:
    """Run a verb over the stack, whose keys are not those of the test's server."""

    def run(*argv: str, code: int) -> dict[str, Any]:
        capsys.readouterr()
        found = main(["-f", str(house.stack.file), "--json", *argv])
        said = capsys.readouterr()
        assert found == code, said.out + said.err
        return dict(json.loads(said.out)["error"])

    return run


def test_a_protected_profile_asks_for_the_name_of_the_stack(gavan: Verb, house: House) -> None:
    house.more = PROTECTED
    house.backup()
    verb = ("backup", "restore", "latest", "-p", "prod")
    for more in (("--yes",), ("--yes", "--confirm", "another")):
        error = gavan(*verb, *more, code=6)
        assert error["code"] == "GV004"
    assert house.run("select count(*) from card") == [(10,)]


def test_without_yes_and_without_a_terminal_nothing_is_replaced(gavan: Verb, house: House) -> None:
    house.backup()
    assert gavan("backup", "restore", code=6)["code"] == "GV004"


@pytest.mark.parametrize(
    "flags",
    [("--objects", "--only", "card"), ("--portable", "x", "--to", "y")],
)
def test_flags_that_say_two_things_are_refused(
    gavan: Verb, house: House, flags: tuple[str, ...]
) -> None:
    assert gavan("backup", "restore", "latest", *flags, code=2)["code"] == "GV448"


def test_a_damaged_manifest_is_named_with_what_can_still_be_done(gavan: Verb, house: House) -> None:
    made = house.backup()
    (house.repository.folder(made.id) / "manifest.json").write_bytes(b"{")
    error = gavan("backup", "restore", "latest", "--yes", code=5)
    assert error["code"] == "GV441"
    assert "--salvage" in error["mend"]


def test_a_damaged_object_is_stored_again_once_its_file_is_gone(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    house.blob("a.txt", b"bytes of an object")
    house.backup()
    (path,) = (p for p in house.repository.objects.rglob("*") if p.is_file())
    path.write_bytes(b"bytes of an 0bject")
    house.backup()  # as large as before: nobody looks
    capsys.readouterr()
    verify = ["-f", str(house.stack.file), "--json", "backup", "verify"]
    assert main(verify) == 5
    said = json.loads(capsys.readouterr().out)["warnings"]
    assert any(f"Remove the files, {path} first" in one for one in said)
    path.unlink()
    house.backup()
    assert main(verify) == 0


def test_no_backup_at_all_says_how_to_make_one(gavan: Verb, house: House) -> None:
    error = gavan("backup", "restore", code=1)
    assert (error["code"], error["mend"]) == ("GV400", "gavan backup run")


def test_another_run_in_the_folder_is_waited_for_or_refused(gavan: Verb, house: House) -> None:
    house.backup()
    with locked(house.repository, "a test"):
        error = gavan("backup", "restore", "latest", "--yes", code=4)
    assert error["code"] == "GV404"


def test_the_end_of_the_log_that_only_lies_in_the_spool_is_told(house: House) -> None:
    """The server is down: what it wrote last is not in the archive, and can be brought in."""
    made = house.backup()
    began = datetime.now(UTC) - timedelta(hours=2)
    base = new_id(Kind.PHYSICAL, began)
    house.repository.folder(base).mkdir()
    manifest.write(
        replace(made, id=base, kind=Kind.PHYSICAL, started=began, ended=began, files=(),
                lsn_start="0/2000028", lsn_end="0/2000100"),
        house.repository.folder(base), b"key",
    )  # fmt: skip
    left = house.root / ".gavan/wal/000000010000000000000002.partial"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"what came last")
    nobody = Secret("postgresql://supabase_admin@127.0.0.1:9/none")
    on = Recovery(
        root=house.root, moment=began + timedelta(hours=1), server=house.database.cluster.server,
        access=replace(house.access, admin=nobody), repository=house.repository,
        opener_of=lambda _made: Clear(), report=silent,
    )  # fmt: skip
    with pytest.raises(GavanError) as caught:
        find_road(on)
    assert caught.value.code == "GV455"
    assert str(left) in (caught.value.details or "")
    assert "gavan up brings it in" in (caught.value.details or "")
