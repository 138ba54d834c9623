"""Where artifacts lie: any S3 by the variables ``S3_*``, by default the core's own door.

A browser sends and fetches the bytes itself, by URLs that are signed here: no byte of an artifact
passes through the backend.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol
from urllib.parse import quote

from botocore.exceptions import ClientError

from gavan.kit.storage.s3_client import make_client
from gavan.kit.storage.s3_settings import read_s3_environ

SCOPES = ("artifacts/", "installers/")


class StorageProvider(Protocol):
    """What the backend asks of a store of artifacts; keys begin with one of SCOPES."""

    def upload_url(self, key: str, content_type: str) -> str: ...

    def download_url(self, key: str, name: str) -> str: ...

    async def size(self, key: str) -> int | None: ...

    async def remove(self, key: str) -> None: ...

    async def check(self) -> None: ...


class S3Storage:
    """One bucket of an S3; S3_PUBLIC_ENDPOINT is where browsers reach it, else S3_ENDPOINT."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        settings = read_s3_environ(environ)
        public = environ.get("S3_PUBLIC_ENDPOINT", "") or settings.endpoint
        self._bucket = settings.bucket
        self._seconds = settings.presign_s
        self._client = make_client(settings)
        self._public = make_client(replace(settings, endpoint=public))

    def upload_url(self, key: str, content_type: str) -> str:
        """Return a URL to which whoever has it may send this one object, of this type."""
        return self._signed("put_object", key, ContentType=content_type)

    def download_url(self, key: str, name: str) -> str:
        """Return a URL from which whoever has it may fetch the object, to be saved as ``name``."""
        disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
        return self._signed("get_object", key, ResponseContentDisposition=disposition)

    async def size(self, key: str) -> int | None:
        """Return the bytes that are there; None when there is nothing."""
        try:
            head = await asyncio.to_thread(
                self._client.head_object, Bucket=self._bucket, Key=_in_scope(key)
            )
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise
        return int(head["ContentLength"])

    async def remove(self, key: str) -> None:
        """Remove an object; one that is missing counts as removed."""
        await asyncio.to_thread(self._client.delete_object, Bucket=self._bucket, Key=_in_scope(key))

    async def check(self) -> None:
        """Raise when the bucket does not answer."""
        await asyncio.to_thread(self._client.head_bucket, Bucket=self._bucket)

    def close(self) -> None:
        """Close every connection."""
        self._client.close()
        self._public.close()

    def _signed(self, operation: str, key: str, **more: str) -> str:
        params = {"Bucket": self._bucket, "Key": _in_scope(key), **more}
        url: str = self._public.generate_presigned_url(
            operation, Params=params, ExpiresIn=self._seconds
        )
        return url


def _in_scope(key: str) -> str:
    if not key.startswith(SCOPES):
        raise ValueError(f"{key} is neither an artifact nor an installer")
    return key
