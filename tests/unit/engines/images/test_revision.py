"""What images are called: the commit, whether the files differ from it, whether main moved."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gavan.engines.images.revision import descends, read_revision
from gavan.engines.images.runtime import pins
from gavan.kit.errors import GavanError


def git(root: Path, *words: str) -> str:
    config = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    done = subprocess.run(["git", "-C", str(root), *config, *words], check=True,
                          capture_output=True, text=True)  # fmt: skip
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    return tmp_path


def test_a_clean_main_is_called_after_its_commit_and_moves_main_latest(repository: Path) -> None:
    revision = read_revision(repository)
    commit = git(repository, "rev-parse", "HEAD")
    assert revision.tags == (f"sha-{commit[:7]}", "main-latest")


def test_changed_files_make_a_dirty_tag_that_moves_nothing(repository: Path) -> None:
    (repository / "a").write_text("2")
    revision = read_revision(repository)
    assert revision.dirty
    assert revision.tags == (f"sha-{revision.commit[:7]}-dirty",)


def test_another_branch_moves_nothing(repository: Path) -> None:
    git(repository, "switch", "-qc", "feature")
    assert len(read_revision(repository).tags) == 1


def test_the_login_in_the_url_of_the_repository_stays_out(repository: Path) -> None:
    git(repository, "remote", "add", "origin", "https://ann:token@git.example/acme/shop.git")
    assert read_revision(repository).source == "https://git.example/acme/shop.git"


def test_without_a_commit_there_is_no_name(tmp_path: Path) -> None:
    with pytest.raises(GavanError, match="has no commit") as caught:
        read_revision(tmp_path)
    assert caught.value.code == "GV502"


def test_descent_is_known_only_of_commits_that_are_there(repository: Path) -> None:
    first = git(repository, "rev-parse", "HEAD")
    git(repository, "commit", "-q", "--allow-empty", "-m", "two")
    second = git(repository, "rev-parse", "HEAD")
    assert descends(repository, second, first) is True
    assert descends(repository, first, second) is False
    assert descends(repository, second, "0" * 40) is None


def test_libraries_are_pinned_with_theirs() -> None:
    names = {pin.partition("==")[0].lower() for pin in pins()}
    assert {"boto3", "botocore", "psycopg", "psycopg-binary", "starlette", "anyio"} <= names
    assert not {"gavan", "pytest", "ruff"} & names
    assert all("==" in pin for pin in pins())
