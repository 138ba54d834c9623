"""Two folders of data change places; whoever is stopped in between has lost neither."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from gavan.database.data_folder import exchange
from gavan.kit.errors import GavanError


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    data, fresh = tmp_path / "data", tmp_path / ".recovered-data-ab12"
    for folder, text in ((data, "former"), (fresh, "recovered")):
        folder.mkdir()
        (folder / "is").write_text(text)
    return data, fresh, tmp_path / "data_before_x"


class Stopped(BaseException):
    """As Ctrl-C."""


@contextmanager
def stopped_at(step: int) -> Iterator[None]:
    """Stop ``exchange`` before the line that it reaches at this step."""
    left = step

    def tracing(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal left
        if frame.f_code is not exchange.__code__:
            return None
        if event == "line":
            left -= 1
            if left < 0:
                raise Stopped
        return tracing

    before = sys.gettrace()
    sys.settrace(tracing)
    try:
        yield
    finally:
        sys.settrace(before)


def test_the_recovered_data_get_the_name_and_the_former_stay(
    folders: tuple[Path, Path, Path],
) -> None:
    data, fresh, kept = folders
    exchange(data, fresh, kept)
    assert (data / "is").read_text() == "recovered"
    assert (kept / "is").read_text() == "former"
    assert not fresh.exists()


@pytest.mark.parametrize("step", range(12))
def test_stopped_at_any_line_the_former_data_are_never_what_is_cleared_away(
    step: int, folders: tuple[Path, Path, Path]
) -> None:
    data, fresh, kept = folders
    try:
        with stopped_at(step):
            exchange(data, fresh, kept)
    except Stopped:
        pass
    assert data.is_dir()
    # What is called like that goes: when the run ends, or the next one begins.
    assert not fresh.exists() or (fresh / "is").read_text() == "recovered"
    assert "former" in {(path / "is").read_text() for path in (data, kept) if path.exists()}


def test_where_names_cannot_be_exchanged_nothing_changes(
    folders: tuple[Path, Path, Path],
) -> None:
    data, fresh, kept = folders
    (data / "is").unlink()
    data.rmdir()
    with pytest.raises(GavanError) as caught:
        exchange(data, fresh, kept)
    assert caught.value.code == "GV457"
    assert (fresh / "is").read_text() == "recovered"
    assert not kept.exists()
