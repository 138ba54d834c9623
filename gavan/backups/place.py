"""What a second place can do; place_s3.py is the one that exists, loaded when a stack has one.

Stands between the places and those who send, fetch and prune. Keys are those of the folder of
backups here: ``<id>/manifest.json``, ``objects/<aa>/<sha256>``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from gavan.backups.model import Heard, StoredFile
from gavan.stack.model import Offsite

MOST_BYTES = 256 * 1024 * 1024
"""Of a file that is read into memory: the index of a year of the log"""


class Place(Protocol):
    """Files by key; every call raises GavanError GV413 in words, without a credential."""

    @property
    def target(self) -> str:
        """Where it is, in words."""

    def sizes(self, prefix: str) -> dict[str, int]:
        """Return the size of everything below a prefix, by key."""

    def folders(self) -> list[str]:
        """Return the names that stand first in keys."""

    def send(self, path: Path, key: str, sha256: str, heard: Heard) -> None:
        """Store a file; what was there under the key is replaced."""

    def prove(self, path: Path, key: str, stored: StoredFile) -> None:
        """Read back what was sent: all of a small file, the ends and samples of a large one."""

    def get(self, key: str) -> bytes | None:
        """Return a small file, of MOST_BYTES at most; None when there is none."""

    def read(self, key: str) -> Iterator[bytes]:
        """Walk the bytes of a file."""

    def delete(self, keys: Iterable[str]) -> list[str]:
        """Remove files; return those that the place would not let go (an object lock)."""

    def close(self) -> None:
        """End all connections."""


def place_name(offsite: Offsite) -> str:
    """Return where a second place is, in words without keys."""
    parts = [offsite.s3.endpoint or "s3:/", offsite.s3.bucket, offsite.prefix]
    return "/".join(filter(None, parts))


def object_key(sha256: str) -> str:
    """Return the key of stored bytes, as the folder ``objects`` has it."""
    return f"objects/{sha256[:2]}/{sha256}"


@contextmanager
def open_place(offsite: Offsite) -> Iterator[Place]:
    """Yield the second place of a stack."""
    from gavan.backups.place_s3 import S3Place  # noqa: PLC0415 - boto3 takes half a second to load

    place = S3Place(offsite)
    try:
        yield place
    finally:
        place.close()
