"""Blobs as objects of a bucket, as gavan/kit/storage/s3.py keeps them. Stands beside blobs.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager

from gavan.backups.sealing import Reader
from gavan.kit.storage.blob import blob_key
from gavan.kit.storage.s3_client import Bucket
from gavan.kit.storage.s3_settings import read_s3_environ


class S3Blobs:
    """Bytes by version; ``variables`` are those of the storage service."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._bucket = Bucket(read_s3_environ(variables))

    @contextmanager
    def reading(self, version: str) -> Iterator[Reader]:
        with closing(self._bucket.get(blob_key(version))["Body"]) as body:
            yield body
