"""Folders that recoveries keep: which are ours, how large and how old, and which stay."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gavan.backups.kept import KeptKind, kept_folders, remove
from gavan.backups.wal import SPOOL, put_spool_aside
from gavan.database.data_folder import kept_name

MOMENT = datetime(2026, 11, 21, 3, 30, tzinfo=UTC)
NOBODY = 2**22 + 1
"""No process has this number (linux: PID_MAX_LIMIT)"""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder with data, and what a recovery kept of before."""
    folder = tmp_path / ".gavan"
    filled(folder / "data")
    filled(kept_name(folder / "data", MOMENT))
    filled(folder / SPOOL)
    put_spool_aside(folder / SPOOL, MOMENT)
    return folder


def filled(folder: Path, pid: int | None = None) -> Path:
    folder.mkdir(parents=True)
    (folder / "base").mkdir()
    (folder / "base" / "1").write_bytes(bytes(100_000))
    if pid is not None:
        (folder / "postmaster.pid").write_text(f"{pid}\n{folder}\n")
    return folder


def test_data_and_log_of_before_are_listed_with_size_and_age(state: Path) -> None:
    found = kept_folders(state)
    assert {Path(one.name).name for one in found} == {
        f"{SPOOL}_before_20261121T033000Z", "data_before_20261121T033000Z",
    }  # fmt: skip
    assert {(one.kind, one.since, one.user) for one in found} == {(KeptKind.FOLDER, MOMENT, "")}
    assert all(100_000 <= one.bytes < 200_000 for one in found)


def test_only_what_a_recovery_named_is_removed(state: Path) -> None:
    others = [
        filled(state / name)
        for name in ("data_before_noon", "data_before_20261121", "other_before_20261121T033000Z",
                     "datax_before_20261121T033000Z", "storage")
    ]  # fmt: skip
    link = state / "data_before_20261122T033000Z"
    link.symlink_to(others[0])
    remove(None, kept_folders(state))
    assert sorted(path.name for path in state.iterdir()) == sorted(
        [*(path.name for path in others), "data", link.name]
    )
    assert all((path / "base" / "1").exists() for path in (*others, state / "data"))


def test_data_outside_of_the_project_are_found_where_they_are(tmp_path: Path) -> None:
    state, elsewhere = tmp_path / ".gavan", tmp_path / "var" / "crm-ab12"
    filled(elsewhere)
    state.mkdir()
    (state / "data").symlink_to(elsewhere)
    kept = filled(kept_name(elsewhere, MOMENT))
    assert [one.name for one in kept_folders(state)] == [str(kept)]
    remove(None, kept_folders(state))
    assert not kept.exists()
    assert elsewhere.exists()


@pytest.mark.parametrize("pid", ["own", "nobody", "damaged"])
def test_data_on_which_a_server_runs_stay(pid: str, tmp_path: Path) -> None:
    kept = filled(tmp_path / "data_before_20261121T033000Z")
    numbers = {"own": str(os.getpid()), "nobody": str(NOBODY), "damaged": "x"}
    (kept / "postmaster.pid").write_text(f"{numbers[pid]}\n")
    (found,) = kept_folders(tmp_path)
    assert bool(found.user) is (pid != "nobody")
    remove(None, [found])
    assert kept.exists() is (pid != "nobody")


def test_a_removal_that_was_killed_is_ended_by_the_next(tmp_path: Path) -> None:
    going = filled(tmp_path / "data_before_20261121T033000Z.going")
    (going / "base" / "1").unlink()
    found = kept_folders(tmp_path)
    assert [one.name for one in found] == [str(going)]
    remove(None, found)
    assert list(tmp_path.iterdir()) == []
