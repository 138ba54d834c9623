"""Generated files: what a person changed is seen, and never overwritten in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from gavan.engines.generated import File, State, write
from gavan.kit.errors import GavanError


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(path=tmp_path / "deploy" / "a.yml", body="a: 1\n")


def state(file: File) -> State:
    """Ask anew: it changes under the eyes of the type checker."""
    return file.state


def test_a_file_is_written_once(file: File) -> None:
    assert state(file) is State.MISSING
    assert write([file]) == [file]
    assert state(file) is State.CURRENT
    assert write([file]) == []


def test_our_own_older_file_is_renewed(file: File) -> None:
    write([file])
    newer = File(path=file.path, body="a: 2\n")
    assert state(newer) is State.STALE
    assert "+a: 2" in newer.difference()
    write([newer])
    assert state(newer) is State.CURRENT


@pytest.mark.parametrize("how", ["edited", "foreign"])
def test_what_a_person_wrote_stands_and_nothing_else_is_written(file: File, how: str) -> None:
    write([file])
    text = file.path.read_text() + "b: 2\n" if how == "edited" else "mine: true\n"
    file.path.write_text(text)
    other = File(path=file.path.with_name("b.yml"), body="b: 1\n")
    assert state(file) == how
    with pytest.raises(GavanError, match=r"changed by hand.*a\.yml") as caught:
        write([other, file])
    assert (caught.value.code, caught.value.exit_code) == ("GV510", 6)
    assert state(other) is State.MISSING
    assert file.path.read_text() == text
    write([other, file], force=True)
    assert state(file) is State.CURRENT
