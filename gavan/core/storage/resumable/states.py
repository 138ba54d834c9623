"""What is known of an upload that is not yet an object; kept beside the blobs.

One small blob for each, written once, as upstream keeps its ``.info`` (tus/tus-node-server:
packages/s3-store). Not a row: schema storage has no table for it that clients of the S3 protocol
would not be shown, and a bucket could not be deleted while one is open. How many bytes arrived is
never written down: the provider alone knows what is safe.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass

import orjson

from gavan.core.storage.resumable.metadata import Pairs
from gavan.core.storage.resumable.naming import UploadId
from gavan.kit.storage.provider import BlobMissing, Provider

FOLDER = "tus"
"""Where the blobs of this module are; those of objects are in folders of two hex digits"""
_LENGTH = "-length"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """``length`` None: the client has not told it yet. ``begun_at`` in seconds since the epoch.

    ``owner`` is the ``sub`` of whoever began it, ``handle`` the provider's name of the bytes; an
    upload that has become an object has none.
    """

    bucket: str
    name: str
    version: str
    owner: str | None
    metadata: Pairs
    length: int | None
    handle: str
    begun_at: float

    @property
    def id(self) -> UploadId:
        return UploadId(self.bucket, self.name, self.version)


class States:
    """The uploads that are not yet objects."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def save(self, state: State) -> None:
        """Keep a new one. Raises ProviderError, as all of these do."""
        await self._write(_key(state.version), orjson.dumps(asdict(state)))

    async def find(self, upload: UploadId) -> State | None:
        """Return what is known of an upload, None when nothing is."""
        document = await self._read(_key(upload.version))
        if document is None:
            return None
        state = State(**orjson.loads(document))
        if state.id != upload:
            return None
        if state.length is None:
            length = await self._read(_key(state.version) + _LENGTH)
            state = _with_length(state, length)
        return state

    async def tell_length(self, state: State, length: int) -> State:
        """Return the state of an upload whose length is known by now."""
        document = orjson.dumps(length)
        await self._write(_key(state.version) + _LENGTH, document)
        return _with_length(state, document)

    async def forget(self, version: str) -> None:
        """Know nothing of an upload any more."""
        key = _key(version)
        await self._provider.delete([key, key + _LENGTH])

    async def begun_before(self, moment: float) -> AsyncIterator[State]:
        """Walk those begun before a moment, in seconds since the epoch."""
        async for found in self._provider.list(f"{FOLDER}/"):
            if found.modified >= moment or found.key.endswith(_LENGTH):
                continue
            document = await self._read(found.key)
            if document is not None:
                yield State(**orjson.loads(document))

    async def _write(self, key: str, document: bytes) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            yield document

        await self._provider.write(key, chunks(), length=len(document))

    async def _read(self, key: str) -> bytes | None:
        try:
            reading = await self._provider.read(key)
        except BlobMissing:
            return None
        try:
            return b"".join([chunk async for chunk in reading])
        finally:
            await reading.close()


def now() -> float:
    """Return the time as states tell it."""
    return time.time()


def _key(version: str) -> str:
    return f"{FOLDER}/{version}"


def _with_length(state: State, document: bytes | None) -> State:
    length = None if document is None else orjson.loads(document)
    return State(**{**asdict(state), "length": length})
