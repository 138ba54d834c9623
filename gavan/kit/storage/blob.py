"""Where the bytes of a version are in a store of blobs.

Stands beside the provider: the storage service writes by these keys, backups read by them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from gavan.kit.storage.provider import BlobMissing

_VERSION = re.compile(r"[0-9a-z-]{3,64}")  # one case: some file systems know no other


def blob_keys(versions: Iterable[str]) -> list[str]:
    """Return where the bytes of those versions are that name any."""
    return [blob_key(version) for version in versions if _VERSION.fullmatch(version)]


def blob_key(version: str) -> str:
    """Return where the bytes of a version are.

    The name of the object has no part in it: no name can lead anywhere, and moving an object moves
    no byte. A row may have come by other roads, with a version that names no blob of ours: then
    BlobMissing is raised.
    """
    if not _VERSION.fullmatch(version):
        raise BlobMissing(version)
    return f"{version[:2]}/{version}"
