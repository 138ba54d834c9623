"""The bytes of an upload: how many are safe, more of them, and the object they become.

A process that dies between the last byte and the row leaves an upload that is complete and no
object; then the bytes are a blob already, or not yet. ``progress`` tells these apart by what is
there, nothing of it is written down.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path

import orjson
from starlette.requests import ClientDisconnect, Request

from gavan.core.storage.commons import Commons
from gavan.core.storage.errors import StorageError, may_pass
from gavan.core.storage.finish import carry_through
from gavan.core.storage.resumable import answers
from gavan.core.storage.resumable.arriving import Arriving
from gavan.core.storage.resumable.naming import UploadId
from gavan.core.storage.resumable.states import State, States, now
from gavan.core.storage.resumable.turns import Turn
from gavan.core.storage.store import Queries
from gavan.core.storage.uploads.uploads import Permit
from gavan.kit.storage.blob import blob_key
from gavan.kit.storage.provider import BlobMissing, Written

_VERSION = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_queries = Queries(Path(__file__).parent / "growth.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an upload is.

    ``is_settled``: its bytes are a blob; ``is_finished``: an object. ``is_stopped``: its request
    was told to make room for another one.
    """

    state: State
    offset: int
    is_settled: bool = False
    is_finished: bool = False
    is_stopped: bool = False

    @property
    def is_complete(self) -> bool:
        return self.offset == self.state.length


def _finished(state: State) -> Progress:
    return Progress(state=state, offset=state.length or 0, is_settled=True, is_finished=True)


class Growth:
    """Whoever calls has the turn of the upload. All may raise ProviderError and StorageError."""

    def __init__(self, commons: Commons, states: States) -> None:
        self._commons = commons
        self._provider = commons.provider
        self._states = states

    async def find(self, upload: UploadId) -> State | None:
        """Return what is known of an upload, be it an object by now; None when nothing is."""
        if not _VERSION.fullmatch(upload.version):
            return None
        return await self._states.find(upload) or await self._object(upload)

    async def progress(self, state: State) -> Progress:
        """Return what is there; raise StorageError 410 when nothing is."""
        if not state.handle:
            return _finished(state)
        try:
            offset = await self._provider.grown(state.handle)
        except BlobMissing:
            offset = None
        # A process may have died when the blob was there, and its handle was too.
        if offset or (offset == 0 and not await self._is_blob(state)):
            return Progress(state=state, offset=offset)
        if state.length is None:
            raise answers.gone()
        if await self._object(state.id) is not None:
            return _finished(state)
        if not await self._is_blob(state):
            raise answers.gone()
        return Progress(state=state, offset=state.length, is_settled=True)

    async def receive(self, before: Progress, room: int, request: Request, turn: Turn) -> Progress:
        """Take in the body of a request, at most ``room`` bytes of it.

        Raises:
            StorageError: 413 when it has more; what fitted is kept.
            ClientDisconnect: it ended early; what came is kept.
        """
        arriving = Arriving(request, room, turn)
        offset = await self._provider.grow(before.state.handle, before.offset, arriving)
        if arriving.is_cut:
            raise ClientDisconnect
        if arriving.is_over:
            raise answers.over_maximum()
        return replace(before, offset=offset, is_stopped=arriving.is_stopped)

    async def finish(self, complete: Progress, permit: Permit) -> Progress:
        """Make the object; carried through when the client leaves now.

        When that is refused the upload is over; when it fails for now, nothing is lost: the next
        request tries again.
        """
        return await carry_through(self._finish(complete, permit))

    async def discard(self, progress: Progress) -> None:
        """Forget an upload and its bytes."""
        state = progress.state
        await self._provider.discard(state.handle)
        if progress.is_settled:
            await self._commons.uploads.forget([state.version])
        await self._states.forget(state.version)

    async def _finish(self, complete: Progress, permit: Permit) -> Progress:
        state = complete.state
        if complete.is_settled:
            written = await self._measured(state)
            await self._provider.discard(state.handle)
        else:
            written = await self._provider.settle(state.handle)
        try:
            await self._commons.uploads.commit(permit, state.version, written, keeps=True)
        except StorageError as error:
            if not may_pass(error):
                await self._states.forget(state.version)
            raise
        await self._states.forget(state.version)
        return _finished(state)

    async def _object(self, upload: UploadId) -> State | None:
        asked = _queries("object", upload.bucket, upload.name, upload.version)
        rows = await self._commons.store.as_owner(asked)
        if not rows.values:
            return None
        row = orjson.loads(rows.values[0][0] or b"{}")
        return State(
            bucket=upload.bucket,
            name=upload.name,
            version=upload.version,
            owner=row["owner"],
            metadata={
                "bucketName": upload.bucket,
                "objectName": upload.name,
                "contentType": row["mime"],
                "cacheControl": row["cache_control"],
            },
            length=row["length"],
            handle="",
            begun_at=now(),
        )

    async def _measured(self, state: State) -> Written:
        """Return what a blob is that was settled by a process that died."""
        reading = await self._provider.read(blob_key(state.version))
        md5 = hashlib.md5(usedforsecurity=False)  # as providers do
        try:
            async for chunk in reading:
                md5.update(chunk)
            return Written(size=reading.size, etag=md5.hexdigest())
        finally:
            await reading.close()

    async def _is_blob(self, state: State) -> bool:
        try:
            reading = await self._provider.read(blob_key(state.version))
        except BlobMissing:
            return False
        await reading.close()
        return True
