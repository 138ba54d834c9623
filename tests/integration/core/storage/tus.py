"""A client of TUS that says exactly what a test wants to be said."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx

PATH = "/upload/resumable"
BYTES = "application/offset+octet-stream"


def described(**metadata: str) -> str:
    """Return the header ``Upload-Metadata``."""
    return ",".join(
        f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in metadata.items()
    )


def begin(
    client: httpx.Client,
    bucket: str,
    name: str,
    length: int | None,
    *,
    content: bytes | None = None,
    headers: dict[str, str] | None = None,
    path: str = PATH,
    **metadata: str,
) -> httpx.Response:
    """Create an upload; ``length`` None defers it."""
    metadata = {"bucketName": bucket, "objectName": name, "contentType": "text/plain", **metadata}
    said = {"upload-defer-length": "1"} if length is None else {"upload-length": str(length)}
    if content is not None:
        said["content-type"] = BYTES
    sent = {"tus-resumable": "1.0.0", "upload-metadata": described(**metadata), **said}
    return client.post(path, headers={**sent, **(headers or {})}, content=content)


def begun(client: httpx.Client, bucket: str, name: str, length: int | None, **more: Any) -> str:
    """Create an upload and return its path."""
    created = begin(client, bucket, name, length, **more)
    assert created.status_code == 201, created.text
    return below(created.headers["location"])


def below(location: str) -> str:
    """Return the path of a URL below that of the service."""
    return urlsplit(location).path.removeprefix("/storage/v1")


def go_on(
    client: httpx.Client,
    path: str,
    offset: int,
    content: bytes | Iterator[bytes],
    **headers: str,
) -> httpx.Response:
    """Send bytes."""
    said = {"tus-resumable": "1.0.0", "upload-offset": str(offset), "content-type": BYTES}
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.patch(path, headers={**said, **more}, content=content)


def look(client: httpx.Client, path: str, **headers: str) -> httpx.Response:
    """Ask how far it is."""
    return client.head(path, headers={"tus-resumable": "1.0.0", **headers})


def end(client: httpx.Client, path: str, **headers: str) -> httpx.Response:
    """Give it up."""
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.delete(path, headers={"tus-resumable": "1.0.0", **more})
