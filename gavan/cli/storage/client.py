"""The storage service as the verbs use it: over HTTP, with the stack's secret key.

Stands under the storage verbs. No object is ever in memory: what goes up is read, and what comes
down handed on, piece by piece.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from gavan.cli.core_api import CoreApi, unreachable
from gavan.cli.storage.address import Remote, shown
from gavan.kit.errors import GavanError

Json = dict[str, Any]
PAGE = 1000
CHUNK_BYTES = 256 * 1024
CONNECT_S = 15.0
SILENCE_S = 120.0
MOST_TEXT = 200
_MENDS = {
    "GV711": 'add "storage" to services in [core], then: gavan up',
    "NoSuchBucket": "gavan storage buckets; declare it: [core.storage.buckets.<name>]",
    "EntityTooLarge": "raise file_size_limit in [core.storage] or of the bucket, then: gavan up",
    "InvalidMimeType": "give another --content-type, or add it to allowed_mime_types of the bucket",
    "InvalidKey": "names have letters of ASCII, digits, space and _/!-.*'()&$@=;:+,? and begin as "
    "allow_prefixes of the bucket says",
    "ResourceAlreadyExists": "replace it: --overwrite",
    "KeyAlreadyExists": "replace it: --overwrite",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """An object of a listing; ``etag`` without quotes, ``modified`` in seconds since the epoch."""

    name: str
    size: int
    etag: str
    modified: float
    mime: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What an object shall be made of; ``size`` in bytes."""

    chunks: AsyncIterable[bytes]
    size: int
    mime: str
    cache_control: str
    overwrite: bool


class StorageClient:
    """Calls to the storage service of one core; every method may raise GavanError GV240, GV245."""

    def __init__(self, core: CoreApi, *, jobs: int = 1) -> None:
        self._core = core
        self._http = httpx.AsyncClient(
            base_url=f"{core.url}/storage/v1",
            headers=core.headers,
            timeout=httpx.Timeout(SILENCE_S, connect=CONNECT_S),
            limits=httpx.Limits(max_connections=jobs + 1),
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def buckets(self) -> list[Json]:
        """Return every bucket."""
        found: list[Json] = (await self.send("GET", "/bucket")).json()
        return found

    async def objects(self, where: Remote) -> AsyncIterator[RemoteFile]:
        """Walk all objects whose path begins so, however deep, by name."""
        async for page in self._pages(where, with_delimiter=False):
            for item in page["objects"]:
                yield _file(item)

    async def entries(self, where: Remote) -> AsyncIterator[str | RemoteFile]:
        """Walk one level: folders as text that ends in a slash, then the objects of each page."""
        async for page in self._pages(where, with_delimiter=True):
            for item in page["folders"]:
                yield str(item["name"])
            for item in page["objects"]:
                yield _file(item)

    async def find(self, where: Remote) -> RemoteFile | None:
        """Return the object of exactly this path."""
        # In byte order the path itself is the first of all that begin with it.
        first = await self.first(where)
        return first if first is not None and first.name == where.path else None

    async def first(self, where: Remote) -> RemoteFile | None:
        """Return the first object whose path begins so."""
        async for page in self._pages(where, with_delimiter=False, limit=1):
            return next(map(_file, page["objects"]), None)
        return None

    @asynccontextmanager
    async def read(self, where: Remote) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open an object for reading from its beginning."""
        request = self._http.build_request("GET", f"/object/authenticated/{_path(where)}")
        try:
            answer = await self._http.send(request, stream=True)
            try:
                if not answer.is_success:
                    await answer.aread()
                    raise refused(answer, where)
                yield answer.aiter_raw(CHUNK_BYTES)
            finally:
                await answer.aclose()
        except httpx.HTTPError as error:
            raise unreachable(self._core.url, error) from error

    async def write(self, where: Remote, body: Body) -> None:
        """Make an object."""
        headers = {
            "content-type": body.mime,
            "content-length": str(body.size),
            "cache-control": body.cache_control,
            "x-upsert": str(body.overwrite).lower(),
        }
        await self.send("POST", f"/object/{_path(where)}", where, content=body.chunks,
                         headers=headers)  # fmt: skip

    async def copy(self, source: Remote, target: Remote, *, overwrite: bool) -> None:
        """Copy an object inside the service."""
        headers = {"x-upsert": str(overwrite).lower()}
        await self.send("POST", "/object/copy", f"{source} -> {target}", json=_pair(source, target),
                         headers=headers)  # fmt: skip

    async def move(self, source: Remote, target: Remote) -> None:
        """Give an object another name, in its bucket or another one."""
        await self.send("POST", "/object/move", f"{source} -> {target}", json=_pair(source, target))

    async def remove(self, bucket: str, paths: Sequence[str]) -> list[str]:
        """Remove objects; return the paths of those that were there."""
        gone: list[str] = []
        for start in range(0, len(paths), PAGE):
            body = {"prefixes": list(paths[start : start + PAGE])}
            answer = await self.send("DELETE", f"/object/{quote(bucket, safe='')}",
                                      Remote(bucket, ""), json=body)  # fmt: skip
            gone += [str(item["name"]) for item in answer.json()]
        return gone

    async def remove_bucket(self, bucket: str) -> None:
        """Remove an empty bucket."""
        await self.send("DELETE", f"/bucket/{quote(bucket, safe='')}", Remote(bucket, ""))

    async def _pages(
        self, where: Remote, *, with_delimiter: bool, limit: int = PAGE
    ) -> AsyncIterator[Json]:
        body: Json = {"prefix": where.path, "limit": limit, "with_delimiter": with_delimiter}
        path = f"/object/list-v2/{quote(where.bucket, safe='')}"
        while True:
            page: Json = (await self.send("POST", path, where, json=body)).json()
            yield page
            if not page.get("hasNext"):
                return
            body["cursor"] = page["nextCursor"]

    def at(self, path: str) -> str:
        """Return the URL of a path that the service named, prefix included."""
        return f"{self._core.url}{path}"

    async def send(
        self, method: str, path: str, where: object = None, **more: Any
    ) -> httpx.Response:
        """Return a successful answer; ``where`` is what an error speaks of."""
        try:
            answer = await self._http.request(method, path, **more)
        except httpx.HTTPError as error:
            raise unreachable(self._core.url, error) from error
        if not answer.is_success:
            raise refused(answer, where)
        return answer


def refused(answer: httpx.Response, where: object) -> GavanError:
    """Return what the service refused, in its own words and with what mends it."""
    try:
        said = answer.json()
    except ValueError:
        said = {}
    said = said if isinstance(said, dict) else {}
    plain = "" if said else answer.text.strip()[:MOST_TEXT]
    # The names of objects are in it, as strangers gave them.
    message = shown(said.get("message") or plain or f"the service answered {answer.status_code}")
    code = shown(said.get("code", "no code"))
    mend = _MENDS.get(code)
    if answer.status_code >= 500:
        mend = "gavan logs core says more"
    return GavanError(
        "GV245",
        f"{where}: {message}" if where else message,
        details=f"{code}, status {shown(said.get('statusCode', answer.status_code))}",
        hint=mend,
    )


def _path(where: Remote) -> str:
    return f"{quote(where.bucket, safe='')}/{quote(where.path, safe='/')}"


def _pair(source: Remote, target: Remote) -> Json:
    return {
        "bucketId": source.bucket,
        "sourceKey": source.path,
        "destinationBucket": target.bucket,
        "destinationKey": target.path,
    }


def _file(item: Json) -> RemoteFile:
    metadata: Json = item.get("metadata") or {}
    moment = metadata.get("lastModified") or item.get("updated_at")
    return RemoteFile(
        name=str(item["name"]),
        size=int(metadata.get("size") or 0),
        etag=str(metadata.get("eTag") or "").strip('"'),
        modified=datetime.fromisoformat(str(moment)).timestamp() if moment else 0.0,
        mime=str(metadata.get("mimetype") or ""),
    )
