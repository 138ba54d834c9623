"""Blocks gathered in a file instead of memory: for uploads beyond those that memory has room for.

Stands under s3.py, in its threads. A block is in memory only while it is sent, and the threads are
few, so any number of slow clients takes no more than what each has just sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import SpooledTemporaryFile
from typing import IO, TypeVar

from gavan.kit.storage.provider import ProviderError
from gavan.kit.storage.threads import Pieces

T = TypeVar("T")


@contextmanager
def _telling() -> Iterator[None]:
    """Raise ProviderError for a disk that does not take what is spooled."""
    try:
        yield
    except OSError as error:
        raise ProviderError(
            type(error).__name__,
            details=error.strerror or str(error),
            hint="uploads to an S3 pass through the folder for temporary files (TMPDIR)",
        ) from error


def spool(file: IO[bytes], pieces: Pieces) -> None:
    """Write pieces; raise ProviderError when the disk does not take them."""
    with _telling():
        file.writelines(pieces)


class Spooling:
    """Calls ``append`` with a block whenever there is more than one; ``file`` holds what is not.

    All methods raise ProviderError when the disk is full, and what ``append`` raises.
    """

    def __init__(
        self, file: SpooledTemporaryFile[bytes], block_bytes: int, append: Callable[[bytes], object]
    ) -> None:
        self._file = file
        self._block_bytes = block_bytes
        self._append = append
        self._size = 0

    def add(self, pieces: Pieces) -> None:
        """Take in what came, and hand on what is a block by now."""
        spool(self._file, pieces)
        self._size += sum(map(len, pieces))
        while self._size > self._block_bytes:
            self._append(self._take(self._block_bytes))

    def finish(self, pieces: Pieces, last: Callable[[bytes], T]) -> T:
        """Take in the rest; return what ``last`` returns for what is behind the last block."""
        self.add(pieces)
        return last(self._take(self._size))

    def flush(self) -> None:
        """Hand on what is not a block: nothing follows."""
        if self._size:
            self._append(self._take(self._size))

    def _take(self, size: int) -> bytes:
        with _telling():
            self._file.seek(0)
            block, rest = self._file.read(size), self._file.read()
            self._file.seek(0)
            self._file.truncate()
            self._file.write(rest)
        self._size = len(rest)
        return block
