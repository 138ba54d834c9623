"""Read the bytes of objects where the stack keeps them: its folder, or its S3.

Stands between the storage of the stack and the backups; a version's bytes never change.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol, cast

from gavan.backups.sealing import Reader
from gavan.kit.secret import Secret
from gavan.kit.storage.blob import blob_key
from gavan.kit.storage.provider import BlobMissing
from gavan.stack.model import Stack


class Blobs(Protocol):
    """Bytes by version."""

    def reading(self, version: str) -> AbstractContextManager[Reader]:
        """Open the bytes of a version for the block; raise BlobMissing when there are none."""


class FolderBlobs:
    """Blobs as files, as gavan/kit/storage/files.py keeps them."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def reading(self, version: str) -> Iterator[Reader]:
        try:
            file = io.FileIO(f"{self._root}/{blob_key(version)}")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise BlobMissing(version) from error
        with file:
            yield cast(Reader, file)


def blobs_of(stack: Stack) -> Blobs:
    """Return where the stack keeps the bytes of its objects."""
    variables = {
        name: value.reveal() if isinstance(value, Secret) else value
        for name, value in stack.core.storage.items()
    }
    if variables.get("STORAGE_BACKEND") == "s3":
        from gavan.backups.blobs_s3 import S3Blobs  # noqa: PLC0415 - boto3 is slow to load

        return S3Blobs(variables)
    return FolderBlobs(stack.state_dir / "storage")
