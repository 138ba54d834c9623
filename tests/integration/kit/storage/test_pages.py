"""Writing past the page cache: every size arrives whole, with it and where it is not to be had."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from gavan.kit.storage import pages
from gavan.kit.storage.files import Files

PAGE = pages.PAGE_BYTES
FROM, FULL = pages.FROM_BYTES, pages.BUFFER_BYTES
SIZES = (0, 1, PAGE, FROM - 1, FROM, FROM + 1, FULL, FULL + 1, 3 * FULL + 5 * PAGE + 7)


async def pieces(data: bytes, sizes: Sequence[int]) -> AsyncIterator[bytes]:
    at = 0
    while at < len(data):
        for size in sizes:
            yield data[at : at + size]
            at += size


@pytest.fixture(params=["offered", "refused"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on a file system that has such writing, or one that says no to it."""
    ordinary = fcntl.fcntl

    def refusing(descriptor: int, command: int, flags: int = 0) -> int:
        if flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, "Invalid argument")
        return ordinary(descriptor, command, flags)

    if request.param == "refused":
        monkeypatch.setattr(fcntl, "fcntl", refusing)
    return tmp_path


@pytest.mark.parametrize("size", SIZES)
async def test_a_blob_of_any_size_in_any_pieces_is_what_was_sent(folder: Path, size: int) -> None:
    data, files = os.urandom(size), Files(folder)
    try:
        for number, cut in enumerate(((65536,), (1, PAGE, 70_001), (size or 1,))):
            written = await files.write(f"a/{number}", pieces(data, cut))
            assert (written.size, written.etag) == (size, hashlib.md5(data).hexdigest())
            assert (folder / "a" / str(number)).read_bytes() == data
    finally:
        await files.close()


def test_whole_pages_are_written_and_the_file_is_an_ordinary_one_after_it(tmp_path: Path) -> None:
    data = os.urandom(pages.FROM_BYTES + 10)
    with (tmp_path / "blob").open("wb", buffering=0) as file:
        written = pages.write_pages(file.fileno(), [data])
        assert written in (0, pages.FROM_BYTES)
        assert not fcntl.fcntl(file.fileno(), fcntl.F_GETFL) & os.O_DIRECT
        for left in pages.skipping([data], written):
            file.write(left)
        assert pages.write_pages(file.fileno(), [data]) == 0, "not at the begin of a page"
    assert (tmp_path / "blob").read_bytes() == data
