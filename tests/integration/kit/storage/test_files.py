"""What only a folder of files has: rights, a disk that fills up, links, and leftovers."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gavan.kit.storage.files import STAGING, Files
from gavan.kit.storage.provider import BlobMissing, ProviderError
from tests.integration.kit.storage.blobs import MIB, content, in_chunks, new_key, shown, some_bytes


@pytest.fixture
async def files(tmp_path: Path) -> AsyncIterator[Files]:
    files = Files(tmp_path / "a" / "blobs")
    yield files
    await files.close()


@contextmanager
def file_size_limit(most: int) -> Iterator[None]:
    """Let no file grow over ``most`` bytes: Linux answers as a quota does."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)


async def test_folders_and_files_are_their_owners_alone(files: Files, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        await files.write(new_key(), in_chunks(b"x"))
        handle = await files.begin(new_key())
        await files.grow(handle, 0, in_chunks(b"x"))
        await files.write_part(handle, 1, in_chunks(b"x"))
    finally:
        os.umask(old)
    below = [tmp_path / "a" / "blobs", *(tmp_path / "a" / "blobs").rglob("*")]
    modes = {(path.is_dir(), path.stat().st_mode & 0o777) for path in below}
    assert modes == {(True, 0o700), (False, 0o600)}


async def test_a_full_disk_is_told_and_nothing_is_left(files: Files) -> None:
    kept, grown = new_key(), await files.begin(new_key())
    await files.write(kept, in_chunks(b"kept"))
    await files.grow(grown, 0, in_chunks(b"x" * MIB))
    joined, parts = await files.begin(new_key()), []
    for number in (1, 2):
        part = await files.write_part(joined, number, in_chunks(some_bytes(3 * MIB)))
        parts.append((number, part.etag))
    with file_size_limit(4 * MIB):
        for refused in (
            files.write(new_key(), in_chunks(some_bytes(9 * MIB))),
            files.write_part(joined, 3, in_chunks(some_bytes(9 * MIB))),
            files.join(joined, parts),
            files.grow(grown, MIB, in_chunks(some_bytes(9 * MIB))),
        ):
            with pytest.raises(ProviderError) as told:
                await refused
            assert told.value.hint is not None
            assert "full" in told.value.hint
            assert "/" not in f"{told.value.message}{told.value.details}"
        told_of = await shown(files)
        assert list(told_of.blobs) == [kept]
        assert set(told_of.unfinished) == {grown, joined}
        at = await files.grown(grown)
        assert MIB <= at <= 4 * MIB
    assert (await files.join(joined, parts)).size == 6 * MIB
    await files.grow(grown, at, in_chunks(b"end"))
    assert (await files.settle(grown)).size == at + 3


async def test_bytes_are_copied_where_the_file_system_cannot_link(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target, data = new_key(), new_key(), some_bytes(3 * MIB + 1)
    await files.write(source, in_chunks(data))

    def refuses(*_args: object) -> None:
        raise OSError(errno.EXDEV, "no links")

    monkeypatch.setattr(os, "link", refuses)
    for ranges in (os.copy_file_range, refuses):
        monkeypatch.setattr(os, "copy_file_range", ranges)
        await files.copy(source, target)
        assert await content(files, target) == data
        await files.delete([target])
    assert (await shown(files)).unfinished == {}


async def test_a_copy_is_as_young_as_its_name(files: Files, tmp_path: Path) -> None:
    source, target = new_key(), new_key()
    await files.write(source, in_chunks(b"x"))
    os.utime(tmp_path / "a" / "blobs" / source, (1, 1))
    await files.copy(source, target)
    assert (await shown(files)).blobs[target].modified > time.time() - 3600


async def test_what_a_killed_writer_leaves_is_told_and_discarded(tmp_path: Path) -> None:
    root = tmp_path / "blobs"
    program = (
        "import asyncio, os, signal, sys\n"
        "from pathlib import Path\n"
        "from gavan.kit.storage.files import Files\n"
        "async def dies():\n"
        "    yield bytes(3_000_000)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(Files(Path(sys.argv[1])).write('a/b', dies()))\n"
    )
    ended = await asyncio.create_subprocess_exec(sys.executable, "-c", program, str(root))
    assert await ended.wait() == -signal.SIGKILL
    files = Files(root)
    told = await shown(files)
    assert told.blobs == {}
    [left] = told.unfinished.values()
    assert left.modified > time.time() - 3600
    await files.discard(left.handle)
    assert list((root / STAGING).iterdir()) == []
    await files.close()


async def test_a_part_is_replaced_and_others_are_left_out(files: Files) -> None:
    handle, etags = await files.begin(key := new_key()), []
    for number, data in ((7, b"seven"), (2, b"former"), (2, b"two"), (9, b"left out")):
        etags.append((await files.write_part(handle, number, in_chunks(data))).etag)
    with pytest.raises(BlobMissing):
        await files.join(handle, [(2, etags[1]), (7, etags[0])])
    await files.join(handle, [(2, etags[2]), (7, etags[0])])
    assert await content(files, key) == b"twoseven"


async def test_a_second_writer_of_one_upload_is_refused(files: Files) -> None:
    handle = await files.begin(new_key())

    async def meets_another() -> AsyncIterator[bytes]:
        yield b"first"
        with pytest.raises(ProviderError) as told:
            await files.grow(handle, 0, in_chunks(b"second"))
        assert "another request" in (told.value.hint or "")

    await files.grow(handle, 0, meets_another())
    assert await files.grown(handle) == 5


async def test_a_folder_that_cannot_be_made_is_an_error_and_no_missing_blob(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("a file where the folder should be")
    files = Files(tmp_path / "blobs")
    with pytest.raises(ProviderError, match="NotADirectoryError"):
        await files.write(new_key(), in_chunks(b"x"))
    assert (await shown(files)).blobs == {}
    await files.close()
