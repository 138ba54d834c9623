"""Names in the folder of backups: what is one, what is not, and what a killed run leaves."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gavan.backups.layout import Repository, is_id, new_id
from gavan.backups.model import Kind
from gavan.kit.errors import GavanError

NOW = datetime(2026, 11, 21, 3, 30, tzinfo=UTC)
ONE, TWO = "20261121T033000Z-logical-ab12cd", "20261122T033000Z-logical-ab12ce"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    found = Repository(tmp_path / "backups")
    found.create()
    return found


def test_a_new_name_is_a_name_and_tells_time_and_kind() -> None:
    name = new_id(Kind.PHYSICAL, NOW)
    assert is_id(name)
    assert name.startswith("20261121T033000Z-physical-")


def test_of_two_names_of_one_second_the_later_one_is_the_latest() -> None:
    times = [NOW.replace(microsecond=1000 * number) for number in range(1000)]
    names = [new_id(Kind.LOGICAL, time) for time in times]
    assert names == sorted(names)


def test_the_folder_is_private_and_unseen_by_git(repository: Repository) -> None:
    assert repository.root.stat().st_mode & 0o777 == 0o700
    assert (repository.root / ".gitignore").read_text() == "*\n"


def test_unfinished_and_foreign_folders_are_no_backups(repository: Repository) -> None:
    for name in (ONE, f"{TWO}.partial", ".trash-x", "objects", "notes"):
        (repository.root / name).mkdir()
    assert repository.ids() == [ONE]


def test_publishing_names_the_newest(repository: Repository) -> None:
    assert repository.latest() is None
    for name in (ONE, TWO):
        repository.partial(name).mkdir()
        repository.publish(name)
    assert repository.latest() == TWO == repository.resolve("latest")
    repository.remove(TWO)
    assert repository.latest() is None
    assert repository.resolve("latest") == ONE


def test_the_beginning_of_a_name_is_enough_when_it_is_the_only_one(repository: Repository) -> None:
    for name in (ONE, TWO):
        (repository.root / name).mkdir()
    assert repository.resolve("20261121") == ONE
    with pytest.raises(GavanError, match="no backup") as caught:
        repository.resolve("2026")
    assert caught.value.details == "2 begin with it"
    with pytest.raises(GavanError) as caught:
        repository.resolve("2025")
    assert caught.value.code == "GV400"


def test_without_a_folder_there_is_no_backup(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "none")
    assert repository.ids() == []
    with pytest.raises(GavanError, match="no backup 'latest'"):
        repository.resolve("latest")


def test_what_killed_runs_left_is_removed(repository: Repository) -> None:
    for name in (f"{ONE}.partial", ".trash-x", "my.partial"):
        (repository.root / name / "deep").mkdir(parents=True)
    assert repository.remove_unfinished() == [f"{ONE}.partial"]
    assert sorted(entry.name for entry in repository.root.iterdir()) == [".gitignore", "my.partial"]


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "a" * 63])
def test_only_a_digest_names_an_object(digest: str, repository: Repository) -> None:
    with pytest.raises(GavanError):
        repository.object_path(digest)
