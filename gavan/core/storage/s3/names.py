"""Names of objects as they travel outside the path: in listings, and as the source of a copy."""

from __future__ import annotations

from urllib.parse import quote, unquote

from gavan.core.storage.errors import StorageError, invalid_parameter, no_such_key

BY_URL = "url"
COPY_SOURCE = "x-amz-copy-source"


def listed_name(name: str | None, encoding: str | None) -> str | None:
    """Return a name as ``encoding-type`` wants it: percent-encoded, or as it is."""
    if encoding not in {None, BY_URL}:
        raise invalid_parameter("EncodingType")
    return quote(name, safe="/-._~*") if name is not None and encoding == BY_URL else name


def copy_source(header: str) -> tuple[str, str]:
    """Return bucket and name of the header ``x-amz-copy-source``.

    Raises:
        StorageError: it names no object, or a version: there are none.
    """
    path, separator, version = header.partition("?versionId=")
    if separator and version != "null":
        raise StorageError(404, "NoSuchVersion", "The specified version does not exist.")
    bucket_id, _, name = unquote(path).removeprefix("/").partition("/")
    if not bucket_id or not name:
        raise no_such_key()
    return bucket_id, name
