"""A second place for backups in any S3: what is sent is read back before it counts.

Stands under offsite.py, which decides what is sent. No error names a credential.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from gavan.backups.blocks import BLOCK_BYTES
from gavan.backups.model import Heard, StoredFile
from gavan.backups.place import MOST_BYTES, place_name
from gavan.kit.errors import GavanError
from gavan.kit.storage.s3_client import make_client
from gavan.stack.model import Offsite

SMALL_BYTES = 1024 * 1024
"""Up to here everything is read back, of larger files samples"""
SAMPLES = 4
SAMPLE_BYTES = 64 * 1024
PART_BYTES = 16 * 1024 * 1024
DELETED_AT_ONCE = 1000
MISSING = frozenset({"404", "NoSuchKey", "NotFound"})
_HINTS = {
    "NoSuchBucket": "make the bucket that [backup.offsite] names",
    "AccessDenied": "the key may not do this there, or has expired",
    "InvalidAccessKeyId": "the key is not known there, or has expired: [backup.offsite] key_id",
    "SignatureDoesNotMatch": "secret, or region, of [backup.offsite] is another there",
    "ExpiredToken": "the key has expired",
    "403": "the key may not do this there, or has expired",
}
_DOWN = "it must answer from here: endpoint of [backup.offsite]; the next run tries again"


class S3Place:
    """A bucket and a prefix; every call raises GavanError GV413 in words."""

    def __init__(self, offsite: Offsite) -> None:
        s3 = offsite.s3
        self.target = place_name(offsite)
        self._bucket = s3.bucket
        self._prefix = f"{offsite.prefix}/" if offsite.prefix else ""
        with self._in_words():
            self._client = make_client(s3)
        self._class = {"StorageClass": offsite.storage_class} if offsite.storage_class else {}
        self._transfer = TransferConfig(
            multipart_threshold=PART_BYTES,
            multipart_chunksize=PART_BYTES,
            max_concurrency=4,
            max_bandwidth=offsite.rate_limit,
        )

    def sizes(self, prefix: str) -> dict[str, int]:
        """Return the size of everything below a prefix, by key."""
        found: dict[str, int] = {}
        with self._in_words():
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix):
                for item in page.get("Contents", []):
                    found[str(item["Key"])[len(self._prefix) :]] = int(item["Size"])
        return found

    def folders(self) -> list[str]:
        """Return the names that stand first in keys."""
        names: list[str] = []
        with self._in_words():
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix, Delimiter="/"):
                for item in page.get("CommonPrefixes", []):
                    names.append(str(item["Prefix"])[len(self._prefix) :].rstrip("/"))
        return names

    def send(self, path: Path, key: str, sha256: str, heard: Heard) -> None:
        """Store a file; what was there under the key is replaced."""
        extra = {"Metadata": {"sha256": sha256}, **self._class}
        with path.open("rb") as file, self._in_words():
            self._client.upload_fileobj(
                file, self._bucket, self._prefix + key,
                ExtraArgs=extra, Config=self._transfer, Callback=heard,
            )  # fmt: skip

    def prove(self, path: Path, key: str, stored: StoredFile) -> None:
        """Read back what was sent: all of a small file, the ends and samples of a large one."""
        with self._in_words():
            head = self._client.head_object(Bucket=self._bucket, Key=self._prefix + key)
        if int(head["ContentLength"]) != stored.bytes:
            raise self._differs(key, f"{head['ContentLength']} bytes, not {stored.bytes}")
        if stored.bytes <= SMALL_BYTES:
            if hashlib.sha256(self._get(key)).hexdigest() != stored.sha256:
                raise self._differs(key, "other bytes")
            return
        with path.open("rb") as file:
            for at in _places(stored.bytes):
                wanted = os.pread(file.fileno(), SAMPLE_BYTES, at)
                if self._get(key, f"bytes={at}-{at + len(wanted) - 1}") != wanted:
                    raise self._differs(key, f"other bytes from {at}")

    def get(self, key: str) -> bytes | None:
        """Return a small file; None when there is none."""
        try:
            with self._in_words(pass_missing=True):
                return self._get(key)
        except ClientError:
            return None

    def read(self, key: str) -> Iterator[bytes]:
        """Walk the bytes of a file."""
        with self._in_words():
            body = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)["Body"]
            with contextlib.closing(body):
                while block := body.read(BLOCK_BYTES):
                    yield block

    def delete(self, keys: Iterable[str]) -> list[str]:
        """Remove files; return those that the place would not let go (an object lock)."""
        wanted, stay = list(keys), []
        for at in range(0, len(wanted), DELETED_AT_ONCE):
            batch = [{"Key": self._prefix + key} for key in wanted[at : at + DELETED_AT_ONCE]]
            with self._in_words():
                answer = self._client.delete_objects(
                    Bucket=self._bucket, Delete={"Objects": batch, "Quiet": True}
                )
            stay += [str(error["Key"]) for error in answer.get("Errors", [])]
        return [key[len(self._prefix) :] for key in stay]

    def close(self) -> None:
        self._client.close()

    def _get(self, key: str, span: str | None = None) -> bytes:
        asked: dict[str, Any] = {"Range": span} if span else {}
        with self._in_words(pass_missing=True):
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key, **asked)
            with contextlib.closing(answer["Body"]) as body:
                content = bytes(body.read(MOST_BYTES + 1))
        if len(content) > MOST_BYTES:
            raise self._failed(f"{key} is larger than {MOST_BYTES} bytes", None)
        return content

    def _differs(self, key: str, how: str) -> GavanError:
        return GavanError(
            "GV413",
            f"the second place {self.target} gives back {how} for {key}",
            hint="it is no place for backups, or something changes what is sent",
        )

    @contextlib.contextmanager
    def _in_words(self, *, pass_missing: bool = False) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            told = error.response.get("Error", {})
            code = str(told.get("Code", "Unknown"))
            if pass_missing and code in MISSING:
                raise
            raise self._failed(f"{code}: {told.get('Message') or code}", _HINTS.get(code)) from None
        except (BotoCoreError, HTTPError) as error:
            raise self._failed(f"{type(error).__name__}: it does not answer", _DOWN) from None
        except GavanError as error:
            if error.code == "GV413":
                raise
            raise self._failed(error.message, error.hint) from None

    def _failed(self, why: str, hint: str | None) -> GavanError:
        return GavanError(
            "GV413",
            f"the second place {self.target} failed: {why}",
            details="what is here is whole; the next run sends what is missing there",
            hint=hint or "look at [backup.offsite]",
        )


def _places(size: int) -> list[int]:
    """Return where samples begin: both ends, and others that nobody can foresee."""
    last = size - SAMPLE_BYTES
    chosen = random.SystemRandom()
    return [0, last, *(chosen.randrange(last) for _ in range(SAMPLES - 2))]
