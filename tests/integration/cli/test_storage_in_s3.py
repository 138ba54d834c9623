"""The stack file moves the bytes of new objects into an S3, by the variables of the stack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli_stack import LiveStack
from tests.integration.cli.conftest import Gavan
from tests.rclone_s3 import BUCKET, running_s3

LARGE = 7 * 1024 * 1024


@pytest.fixture(scope="module")
def s3_stack(live: LiveStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The running stack with provider = "s3"; the folder that the S3 keeps blobs in."""
    file = live.root / "gavan.toml"
    before = file.read_text()
    folder = tmp_path_factory.mktemp("s3")
    with running_s3(folder) as s3:
        lines = [f"{name}={value}" for name, value in s3.environ.items() if name.startswith("S3_")]
        (live.root / ".env").write_text("\n".join(lines))
        file.write_text(before.replace("[core.storage]\n", '[core.storage]\nprovider = "s3"\n'))
        live.up()
        yield folder / BUCKET
        (live.root / ".env").unlink()
        file.write_text(before)
        live.up()


def blobs(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_objects_go_into_the_s3_and_come_back(s3_stack: Path, empty: Gavan, tmp_path: Path) -> None:
    source, target = tmp_path / "up", tmp_path / "down"
    source.mkdir()
    (source / "small").write_text("hello")
    (source / "large").write_bytes(b"x" * LARGE)
    empty("sync", source, "ss:///files/d")
    assert sorted(path.stat().st_size for path in blobs(s3_stack)) == [5, LARGE]
    assert empty("sync", source, "ss:///files/d")["same"] == 2
    empty("sync", "ss:///files/d", target)
    assert (target / "large").read_bytes() == (source / "large").read_bytes()
    empty("rm", "-r", "ss:///files")
    assert blobs(s3_stack) == []
