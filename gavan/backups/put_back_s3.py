"""Objects back into the bucket where a stack keeps them. Stands beside put_back.py."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping

from gavan.backups.put_back import Fill
from gavan.kit.storage.blob import blob_key
from gavan.kit.storage.provider import BlobMissing
from gavan.kit.storage.s3_client import Bucket
from gavan.kit.storage.s3_settings import read_s3_environ

IN_MEMORY = 16 * 1024 * 1024


class S3Target:
    """The bucket of gavan/kit/storage/s3.py."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> S3Target:
        """Return the bucket that the variables of the storage service name."""
        return cls(Bucket(read_s3_environ(variables)))

    def has(self, version: str) -> bool:
        try:
            self._bucket.size(blob_key(version))
        except BlobMissing:
            return False
        return True

    def add(self, version: str, fill: Fill) -> None:
        # In a nameless file when it is large: the S3 has to be told the length first.
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as file:
            fill(file)
            file.seek(0)
            self._bucket.put_file(blob_key(version), file)

    def settle(self) -> None:
        """An S3 has what it has answered for."""
