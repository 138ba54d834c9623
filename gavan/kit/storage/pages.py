"""Whole pages written past the page cache: a third of the processor time of going through it.

Stands under disk.py, in its threads. What is uploaded is seldom read at once, and the sync that
follows has nothing left to write but the journal.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import threading
from collections.abc import Iterator

from gavan.kit.storage.threads import Pieces

PAGE_BYTES = mmap.PAGESIZE
BUFFER_BYTES = 1024 * 1024
FROM_BYTES = 64 * 1024
"""A smaller block is not worth it, and may well be read at once"""
_REFUSED = {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTTY}
_own = threading.local()


def write_pages(descriptor: int, block: Pieces) -> int:
    """Write the whole pages at the front of a block; return how many bytes were written.

    Zero where the file system has no such writing, where the file is not at the begin of a page,
    and for small blocks. Raises OSError as ``write`` does.
    """
    size = min(sum(map(len, block)), BUFFER_BYTES) // PAGE_BYTES * PAGE_BYTES
    if size < FROM_BYTES or os.lseek(descriptor, 0, os.SEEK_CUR) % PAGE_BYTES:
        return 0
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_DIRECT)
        with memoryview(_gathered(block, size)) as pages:
            return os.write(descriptor, pages[:size])
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        return 0
    finally:
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags)


def skipping(block: Pieces, count: int) -> Iterator[memoryview]:
    """Yield what is behind the first bytes of a block."""
    for piece in block:
        if count < len(piece):
            yield memoryview(piece)[count:]
        count = max(0, count - len(piece))


def _gathered(block: Pieces, size: int) -> mmap.mmap:
    """Return the buffer of this thread, which begins at a page, with the first bytes of a block."""
    buffer: mmap.mmap | None = getattr(_own, "buffer", None)
    if buffer is None:
        buffer = _own.buffer = mmap.mmap(-1, BUFFER_BYTES)
    buffer.seek(0)
    left = size
    for piece in block:
        left -= buffer.write(memoryview(piece)[:left])
    return buffer
