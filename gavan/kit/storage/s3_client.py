"""What s3.py lets its threads do: calls of boto3 on one bucket, with the errors of a provider.

No error names a credential, nor the address of the S3: callers may show it to anyone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import cache
from typing import IO, Any

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from gavan.kit.storage.provider import BlobMissing, ProviderError
from gavan.kit.storage.s3_settings import S3Settings

CONNECT_S = 5
READ_S = 20
ATTEMPTS = 3
CONNECTIONS = 64
DELETED_AT_ONCE = 1000
COPIED_AT_ONCE = 5 * 1024**3
"""The most that one CopyObject, or one part of a copy, may have (Amazon S3)"""
COPY_PART = 1024**3
_MISSING = {"NoSuchKey", "NoSuchUpload", "InvalidPart"}
_HINTS = {
    "NoSuchBucket": "make the bucket that S3_BUCKET_ARTIFACTS names",
    "AccessDenied": "the access key may not do this on the bucket",
    "InvalidAccessKeyId": "S3_ACCESS_KEY_ID is not known there",
    "SignatureDoesNotMatch": "S3_SECRET_ACCESS_KEY, or S3_REGION, is another there",
}
_DOWN = "S3_ENDPOINT must answer from where the service runs"
Body = bytes | IO[bytes]


class Bucket:
    """The calls, for threads; every one raises ProviderError, BlobMissing named by ``key``."""

    def __init__(self, settings: S3Settings) -> None:
        self.name = settings.bucket
        self._client = make_client(settings)  # its type is made when it runs

    def put(self, key: str, body: Body) -> str:
        """Store an object; return its ETag."""
        with telling(None):
            answer = self._client.put_object(Bucket=self.name, Key=key, Body=body)
        return _etag(answer)

    def put_file(self, key: str, file: IO[bytes]) -> None:
        """Store an object of any size, in parts when it is large: one call takes 5 GiB."""
        with telling(None):
            self._client.upload_fileobj(file, self.name, key)

    def get(self, key: str, span: str | None = None) -> dict[str, Any]:
        """Return the answer of GetObject for a header ``Range``; None: for all bytes."""
        asked = {} if span is None else {"Range": span}
        with telling(key):
            return dict(self._client.get_object(Bucket=self.name, Key=key, **asked))

    def size(self, key: str) -> int:
        """Return the size of an object; raise BlobMissing."""
        with telling(key):
            return int(self._client.head_object(Bucket=self.name, Key=key)["ContentLength"])

    def copy(self, source: str, target: str) -> None:
        """Copy an object within the S3, in parts when it is larger than one call takes."""
        size = self.size(source)
        origin = {"Bucket": self.name, "Key": source}
        with telling(source):
            if size <= COPIED_AT_ONCE:
                self._client.copy_object(Bucket=self.name, Key=target, CopySource=origin)
                return
        upload = self.create(target)
        try:
            parts = [
                (number, self._copy_part(target, upload, number, f"bytes={at}-{end - 1}", source))
                for number, (at, end) in enumerate(_spans(size), start=1)
            ]
            self.complete(target, upload, parts)
        except BaseException:
            self.abort(target, upload)
            raise

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects, whether they exist or not."""
        for at in range(0, len(keys), DELETED_AT_ONCE):
            batch = keys[at : at + DELETED_AT_ONCE]
            with telling(None):
                answer = self._client.delete_objects(
                    Bucket=self.name,
                    Delete={"Objects": [{"Key": key} for key in batch], "Quiet": True},
                )
            left = [error for error in answer.get("Errors", []) if error["Code"] not in _MISSING]
            if left:
                raise ProviderError(
                    left[0].get("Code", "Unknown"),
                    details=f"{len(left)} of {len(batch)} objects stay",
                    hint=_HINTS.get(left[0].get("Code", "")),
                )

    def pages(self, operation: str, prefix: str) -> Iterator[dict[str, Any]]:
        """Walk the pages of a listing of the whole bucket."""
        # rclone says NoSuchUpload where others list no upload.
        with contextlib.suppress(BlobMissing), telling(""):
            pages = self._client.get_paginator(operation)
            yield from pages.paginate(Bucket=self.name, Prefix=prefix)

    def create(self, key: str) -> str:
        """Begin a multipart upload; return its id."""
        with telling(None):
            answer = self._client.create_multipart_upload(Bucket=self.name, Key=key)
        return str(answer["UploadId"])

    def put_part(self, key: str, upload: str, number: int, body: Body) -> str:
        """Store a part; return its ETag."""
        with telling(key):
            answer = self._client.upload_part(
                Bucket=self.name, Key=key, UploadId=upload, PartNumber=number, Body=body
            )
        return _etag(answer)

    def parts(self, key: str, upload: str) -> list[dict[str, Any]]:
        """Return the parts of an upload, at most 10,000, by number; raise BlobMissing."""
        with telling(key):
            pages = self._client.get_paginator("list_parts").paginate(
                Bucket=self.name, Key=key, UploadId=upload
            )
            return [part for page in pages for part in page.get("Parts", [])]

    def complete(self, key: str, upload: str, parts: Sequence[tuple[int, str]]) -> str:
        """Make the object of parts; return its ETag."""
        listed = [{"PartNumber": number, "ETag": f'"{etag}"'} for number, etag in parts]
        with telling(key):
            answer = self._client.complete_multipart_upload(
                Bucket=self.name,
                Key=key,
                UploadId=upload,
                MultipartUpload={"Parts": listed},
            )
        return _etag(answer)

    def abort(self, key: str, upload: str) -> None:
        """Forget an upload; one that is missing counts as forgotten."""
        with contextlib.suppress(BlobMissing), telling(key):
            self._client.abort_multipart_upload(Bucket=self.name, Key=key, UploadId=upload)

    def presigned(self, key: str, seconds: int) -> str:
        """Return a URL by which anyone may read an object; nothing is asked of the S3."""
        with telling(key):
            url: str = self._client.generate_presigned_url(
                "get_object", Params={"Bucket": self.name, "Key": key}, ExpiresIn=seconds
            )
        return url

    def close(self) -> None:
        """Close every connection."""
        self._client.close()

    def _copy_part(self, target: str, upload: str, number: int, span: str, source: str) -> str:
        with telling(source):
            answer = self._client.upload_part_copy(
                Bucket=self.name,
                Key=target,
                UploadId=upload,
                PartNumber=number,
                CopySource={"Bucket": self.name, "Key": source},
                CopySourceRange=span,
            )
        return _etag(answer["CopyPartResult"])


@contextlib.contextmanager
def telling(key: str | None) -> Iterator[None]:
    """Raise the errors of a provider; ``key`` None: nothing that is missing was expected."""
    try:
        yield
    except ClientError as error:
        told = error.response.get("Error", {})
        code = str(told.get("Code", "Unknown"))
        # HEAD has no body, and no code but the status.
        if key is not None and (code in _MISSING or code == "404"):
            raise BlobMissing(key) from error
        hint = _HINTS.get(code)
        raise ProviderError(code, details=told.get("Message") or code, hint=hint) from error
    except (BotoCoreError, HTTPError) as error:
        name = type(error).__name__
        raise ProviderError(name, details="the S3 does not answer", hint=_DOWN) from error


def is_out_of_range(error: ProviderError) -> bool:
    """Say whether the S3 has no byte in the range that was asked for."""
    return error.message in {"InvalidRange", "416"}


@cache
def _session() -> Session:
    """Return the one session, which reads the description of S3 once and knows no credential."""
    return Session()


def make_client(settings: S3Settings) -> Any:
    """Return a client of boto3 with timeouts and retries; raise ProviderError for none."""
    config = Config(
        signature_version="s3v4",
        connect_timeout=CONNECT_S,
        read_timeout=READ_S,
        max_pool_connections=CONNECTIONS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        # The checksums of newer clients are unknown to older servers.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        ignore_configured_endpoint_urls=True,
        s3={"addressing_style": "path" if settings.is_path_style else "virtual"},
    )
    try:
        return _session().client(
            "s3",
            aws_access_key_id=settings.access_key_id,
            aws_secret_access_key=settings.secret_access_key.reveal(),
            region_name=settings.region,
            endpoint_url=settings.endpoint or None,
            config=config,
        )
    except (BotoCoreError, ValueError) as error:
        raise ProviderError(
            type(error).__name__,
            details="the settings of the S3 are none",
            hint="look at S3_ENDPOINT and S3_REGION",
        ) from error


def _etag(answer: dict[str, Any]) -> str:
    return str(answer["ETag"]).strip('"')


def _spans(size: int) -> Iterator[tuple[int, int]]:
    for at in range(0, size, COPY_PART):
        yield at, min(at + COPY_PART, size)
