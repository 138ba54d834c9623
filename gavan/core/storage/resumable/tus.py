"""Uploads in pieces: begin, go on, look, end; the rules of TUS 1.0.0 over rows and bytes.

Bytes go to the provider as they come, and stay there when a request is cut or the process dies;
the last of them makes the object, by the road that every upload takes (uploads/). The policies
are asked at each request, as upstream.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import uuid4

from starlette.requests import Request

from gavan.core.storage.buckets.find import find_bucket
from gavan.core.storage.commons import Commons
from gavan.core.storage.model import Bucket
from gavan.core.storage.objects.incoming import check_type, most_bytes
from gavan.core.storage.resumable import answers
from gavan.core.storage.resumable.growth import Growth, Progress
from gavan.core.storage.resumable.headers import Asked
from gavan.core.storage.resumable.metadata import (
    DEFAULT_MIME,
    NO_CACHE,
    Pairs,
    cache_control,
    user_metadata,
)
from gavan.core.storage.resumable.states import State, States, now
from gavan.core.storage.resumable.turns import Turn, Turns
from gavan.core.storage.resumable.visit import CREATE, DELETE, PART, Visit
from gavan.core.storage.rules import check_mime
from gavan.core.storage.uploads.uploads import RESUMABLE, Permit, Upload
from gavan.kit.storage.blob import blob_key
from gavan.kit.storage.provider import ProviderError


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request on an upload: what its headers say, and its body."""

    visit: Visit
    asked: Asked
    request: Request


class Tus:
    """The protocol. Every method may raise StorageError, and ProviderError when the store of blobs
    fails; what had arrived stays."""

    def __init__(self, commons: Commons, turns: Turns) -> None:
        self._commons = commons
        self._turns = turns
        self.states = States(commons.provider)
        self.growth = Growth(commons, self.states)

    async def begin(self, step: Step, pairs: Pairs) -> Progress:
        """Begin an upload, with its first bytes when they came along.

        Raises:
            StorageError: the bucket is missing, the object too large, its name or type not taken,
                or a policy refuses.
        """
        asked = step.asked
        bucket = await find_bucket(self._commons.store, pairs.get("bucketName") or "")
        state = State(
            bucket=bucket.id,
            name=pairs.get("objectName") or "",
            version=str(uuid4()),
            owner=step.visit.owner,
            metadata={**pairs, "cacheControl": cache_control(pairs)},
            length=asked.length,
            handle="",
            begun_at=now(),
        )
        if asked.length is not None and asked.length > self._most(bucket, state.name):
            raise answers.over_maximum()
        permit = await self._permit(step.visit, state, bucket, CREATE)
        check_type(permit.upload.mime)
        check_mime(permit.upload.mime, bucket.allowed_mime_types, state.name)
        start = Progress(state=await self._open(state), offset=0)
        if not asked.has_bytes and asked.length != 0:
            return start
        async with self._turns.hold(state.version) as turn:
            return await self._go_on(start, permit, step, turn)

    async def go_on(self, state: State, step: Step) -> Progress:
        """Take in more bytes, which begin where the others end; the last ones make the object.

        Raises:
            StorageError: 409 when they begin elsewhere, 413 when they are too many, 410 when the
                upload expired, 423 when another request does not let it go.
        """
        self._check_time(state)
        bucket = await find_bucket(self._commons.store, state.bucket)
        permit = await self._permit(step.visit, state, bucket, PART)
        async with self._turns.hold(state.version) as turn:
            state = await self._as_told(state)
            progress = await self.growth.progress(state)
            if step.asked.offset != progress.offset:
                raise answers.wrong_offset()
            if step.asked.length is not None:
                progress = await self._tell_length(progress, permit, step.asked.length)
            if progress.is_finished:
                return progress
            return await self._go_on(progress, permit, step, turn)

    async def look(self, state: State, visit: Visit) -> Progress:
        """Return how far an upload is: what is safe, whatever happened to who brought it.

        One that is complete, but no object because a process died there, becomes one now.
        """
        self._check_time(state)
        async with self._turns.hold(state.version):
            progress = await self.growth.progress(await self._as_told(state))
            if not progress.is_complete or progress.is_finished:
                return progress
            bucket = await find_bucket(self._commons.store, state.bucket)
            permit = await self._permit(visit, state, bucket, PART)
            return await self.growth.finish(progress, permit)

    async def end(self, state: State, visit: Visit) -> None:
        """Forget an upload; raise StorageError 400 when it is an object by now."""
        bucket = await find_bucket(self._commons.store, state.bucket)
        await self._permit(visit, state, bucket, DELETE)
        async with self._turns.hold(state.version):
            progress = await self.growth.progress(state)
            if progress.is_finished:
                raise answers.finished_already()
            await self.growth.discard(progress)

    def ends_at(self, state: State) -> float:
        """Return when an upload expires, in seconds since the epoch."""
        return state.begun_at + self._commons.config.resumable_s

    def _check_time(self, state: State) -> None:
        if now() > self.ends_at(state):
            raise answers.gone()

    async def _as_told(self, state: State) -> State:
        """Return the state with the length that another request may have told meanwhile."""
        if state.length is not None:
            return state
        found = await self.growth.find(state.id)
        if found is None:
            raise answers.not_found()
        return found

    async def _open(self, state: State) -> State:
        provider = self._commons.provider
        handle = await provider.begin(blob_key(state.version))
        opened = replace(state, handle=handle)
        try:
            await self.states.save(opened)
        except ProviderError:
            await provider.discard(handle)
            raise
        return opened

    async def _tell_length(self, progress: Progress, permit: Permit, length: int) -> Progress:
        if progress.state.length is not None or length < progress.offset:
            raise answers.wrong_length()
        if length > permit.upload.most:
            raise answers.over_maximum()
        return replace(progress, state=await self.states.tell_length(progress.state, length))

    async def _go_on(self, progress: Progress, permit: Permit, step: Step, turn: Turn) -> Progress:
        if step.asked.has_bytes and not progress.is_settled:
            room = _room(progress, permit, step.asked)
            progress = await self.growth.receive(progress, room, step.request, turn)
        if progress.is_complete:
            return await self.growth.finish(progress, permit)
        return progress

    async def _permit(self, visit: Visit, state: State, bucket: Bucket, action: str) -> Permit:
        """Ask the policies; raises as Uploads.permit."""
        upload = Upload(
            bucket_id=bucket.id,
            name=state.name,
            owner=state.owner,
            mime=state.metadata.get("contentType") or DEFAULT_MIME,
            cache_control=state.metadata.get("cacheControl") or NO_CACHE,
            most=self._most(bucket, state.name),
            is_upsert=visit.is_upsert,
            declared=state.length,
            user_metadata=user_metadata(state.metadata),
            origin=visit.origin,
            upload_type=RESUMABLE,
        )
        return await self._commons.uploads.permit(upload, visit.judge(action))

    def _most(self, bucket: Bucket, name: str) -> int:
        return most_bytes(bucket, name, self._commons.config.size_limit)


def _room(progress: Progress, permit: Permit, asked: Asked) -> int:
    """Return how many bytes may come; raise StorageError 413 when more are announced."""
    length = progress.state.length
    room = (permit.upload.most if length is None else length) - progress.offset
    if asked.body_bytes is not None and asked.body_bytes > room:
        raise answers.over_length()
    return room
