"""Read files by way of memory that a thread keeps: thousands of small ones ask for none anew.

Stands under whatever hashes, copies or seals.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator

BLOCK_BYTES = 1024 * 1024


class _Own(threading.local):
    def __init__(self) -> None:
        self.free: list[bytearray] = []


_OWN = _Own()


def blocks(file: io.RawIOBase) -> Iterator[memoryview]:
    """Walk what is left of a file; a block holds until the next one is asked for."""
    free = _OWN.free
    memory = free.pop() if free else bytearray(BLOCK_BYTES)
    view = memoryview(memory)
    try:
        while count := file.readinto(view):
            yield view[:count]
    finally:
        free.append(memory)
