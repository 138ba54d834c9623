"""Sealed files as streams: a thread seals what is written at this end, or opens what is read.

Stands between what wants a file to write to or read from (gzip, tar, pg_restore) and the sealer.
"""

from __future__ import annotations

import gzip
import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, cast

from gavan.backups.model import StoredFile
from gavan.backups.sealing import Opener, Sealer
from gavan.backups.stored import store

COMPRESSION = 3


class SealedStream:
    """``target`` is written to; ``stored`` is known when the block has ended."""

    def __init__(self, target: IO[bytes]) -> None:
        self.target = target
        self.stored: StoredFile | None = None

    def result(self) -> StoredFile:
        """Return what was stored."""
        if self.stored is None:
            raise RuntimeError("the stream has not ended")
        return self.stored


@contextmanager
def sealed_stream(folder: Path, name: str, sealer: Sealer) -> Iterator[SealedStream]:
    """Yield a stream into ``folder/name``, sealed; a block that fails leaves no file.

    Errors of the disk come out of the block as they are.
    """
    source, sink = os.pipe()
    sealing = _Sealing(folder, name, sealer, source)
    sealing.start()
    stream = SealedStream(os.fdopen(sink, "wb"))
    try:
        yield stream
        stream.target.close()
    except BaseException:
        with suppress(OSError):
            stream.target.close()
        sealing.join()
        if sealing.stored is not None:
            (folder / sealing.stored.path).unlink(missing_ok=True)
        if sealing.error is not None:
            # Who wrote met a broken pipe; why it broke is what counts.
            raise sealing.error from None
        raise
    sealing.join()
    if sealing.error is not None:
        raise sealing.error
    stream.stored = sealing.stored


@contextmanager
def sealed_gzip(
    folder: Path, name: str, sealer: Sealer
) -> Iterator[tuple[IO[bytes], SealedStream]]:
    """Yield a stream that is compressed and then sealed, and the one below it."""
    with (
        sealed_stream(folder, name, sealer) as below,
        gzip.GzipFile(filename="", fileobj=below.target, mode="wb", compresslevel=COMPRESSION,
                      mtime=0) as packed,
    ):  # fmt: skip
        yield cast(IO[bytes], packed), below


@contextmanager
def opened_stream(path: Path, opener: Opener) -> Iterator[IO[bytes]]:
    """Yield what a sealed file holds, as a stream; it is never on the disk in clear.

    Raises GavanError GV412 when the key is missing or another; a block that ends early is no error.
    """
    source, sink = os.pipe()
    opening = _Opening(path, opener, sink)
    opening.start()
    with os.fdopen(source, "rb") as stream:
        try:
            yield stream
        except BaseException:
            stream.close()
            opening.join()
            if opening.error is not None:
                # What was read was cut short; why it was is what counts.
                raise opening.error from None
            raise
        is_read = not stream.read(1)
    opening.join()
    if is_read and opening.error is not None:
        raise opening.error


@contextmanager
def opened_gzip(path: Path, opener: Opener) -> Iterator[IO[bytes]]:
    """Yield what a file holds that was compressed and then sealed."""
    with (
        opened_stream(path, opener) as below,
        gzip.GzipFile(fileobj=below, mode="rb") as unpacked,
        io.BufferedReader(unpacked) as lines,
    ):
        yield lines


class _Opening(threading.Thread):
    def __init__(self, path: Path, opener: Opener, sink: int) -> None:
        super().__init__(name="opening", daemon=True)
        self._path = path
        self._opener = opener
        self._sink = sink
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            with os.fdopen(self._sink, "wb") as writer, self._path.open("rb") as reader:
                self._opener.open(reader, writer)
        except BrokenPipeError:
            return  # who reads has seen enough
        except BaseException as error:  # noqa: BLE001 - carried to the thread that waits
            self.error = error


class _Sealing(threading.Thread):
    def __init__(self, folder: Path, name: str, sealer: Sealer, source: int) -> None:
        super().__init__(name="sealing", daemon=True)
        self._folder = folder
        self._name = name
        self._sealer = sealer
        self._source = source
        self.stored: StoredFile | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            with os.fdopen(self._source, "rb") as reader:
                self.stored = store(self._folder, self._name, reader, self._sealer)
        except BaseException as error:  # noqa: BLE001 - carried to the thread that waits
            self.error = error
