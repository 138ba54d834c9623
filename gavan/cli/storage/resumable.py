"""Upload a large file by TUS: after a broken connection it goes on where the service has got to.

Stands under the transfers; the protocol is tus.io 1.0.0 as the storage service speaks it.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

from gavan.cli.storage.address import Remote
from gavan.cli.storage.client import Body, StorageClient
from gavan.cli.storage.local import LocalFile, read
from gavan.kit.errors import GavanError

TRIES = 5
PAUSE_S = 1.0
FORGET_S = 2.0
_TUS = {"tus-resumable": "1.0.0"}
_BROKEN = "GV240"


async def upload(
    client: StorageClient, target: Remote, file: LocalFile, body: Body, seen: Callable[[int], None]
) -> None:
    """Make an object of a file; what was sent of one that fails is forgotten by the service.

    Args:
        seen: told the size of every piece, and minus what has to be sent again.

    Raises:
        GavanError: GV240, the connection broke more often than it is worth; GV245, GV247.
    """
    url = await _begin(client, target, body)
    try:
        await _send_all(client, url, target, file, seen)
    except BaseException:
        with suppress(GavanError, TimeoutError):
            async with asyncio.timeout(FORGET_S):
                await client.send("DELETE", url, headers=_TUS)
        raise


async def _begin(client: StorageClient, target: Remote, body: Body) -> str:
    told = {
        "bucketName": target.bucket,
        "objectName": target.path,
        "contentType": body.mime,
        "cacheControl": body.cache_control.removeprefix("max-age="),
    }
    pairs = [f"{name} {b64encode(value.encode()).decode()}" for name, value in told.items()]
    headers = {
        **_TUS,
        "upload-length": str(body.size),
        "upload-metadata": ",".join(pairs),
        "x-upsert": str(body.overwrite).lower(),
    }
    answer = await client.send("POST", "/upload/resumable", target, headers=headers)
    # The host that the service tells is the public one; this machine reaches it by another.
    return client.at(urlsplit(answer.headers["location"]).path)


async def _send_all(
    client: StorageClient, url: str, target: Remote, file: LocalFile, seen: Callable[[int], None]
) -> None:
    offset, left = 0, TRIES
    while True:
        sent = 0

        def count(size: int) -> None:
            nonlocal sent
            sent += size
            seen(size)

        try:
            await _append(client, url, target, (file, offset), count)
        except GavanError as error:
            left -= 1
            if error.code != _BROKEN or not left:
                raise
            await asyncio.sleep(PAUSE_S)
            reached = await _reached(client, url, target)
            seen(reached - offset - sent)
            if reached > offset:
                left = TRIES
            offset = reached
        else:
            return


async def _append(
    client: StorageClient,
    url: str,
    target: Remote,
    rest: tuple[LocalFile, int],
    seen: Callable[[int], None],
) -> None:
    file, offset = rest
    headers = {
        **_TUS,
        "content-type": "application/offset+octet-stream",
        "content-length": str(file.size - offset),
        "upload-offset": str(offset),
    }
    await client.send("PATCH", url, target, content=read(file, seen, offset), headers=headers)


async def _reached(client: StorageClient, url: str, target: Remote) -> int:
    """Return how many bytes the service has."""
    answer = await client.send("HEAD", url, target, headers=_TUS)
    return int(answer.headers["upload-offset"])
