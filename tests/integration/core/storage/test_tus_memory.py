"""An upload of any size takes the same memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import Database
from tests.integration.core.storage.conftest import running_storage
from tests.integration.core.storage.tus import begun, go_on

MEBIBYTE = 1024 * 1024
SIZE = 256 * MEBIBYTE
MOST_MORE = 60 * MEBIBYTE


def _zeros(size: int) -> Iterator[bytes]:
    chunk = bytes(MEBIBYTE)
    for _ in range(size // MEBIBYTE):
        yield chunk


@pytest.mark.slow
def test_an_upload_in_one_piece_takes_constant_memory(database: Database, tmp_path: Path) -> None:
    with running_storage(database, tmp_path, {"UPLOAD_FILE_SIZE_LIMIT": str(SIZE)}) as storage:
        bucket = storage.bucket()
        begun(storage.service, bucket, "warm", MEBIBYTE, content=bytes(MEBIBYTE))
        core = psutil.Process(storage.live.pid)
        before = core.memory_info().rss
        most = before
        path = begun(storage.service, bucket, "a", SIZE)

        def watched() -> Iterator[bytes]:
            nonlocal most
            for chunk in _zeros(SIZE):
                yield chunk
                most = max(most, core.memory_info().rss)

        done = go_on(storage.service, path, 0, watched(), content_length=str(SIZE))
        assert done.headers["tus-complete"] == "1"
        most = max(most, core.memory_info().rss)
        assert most - before < MOST_MORE
