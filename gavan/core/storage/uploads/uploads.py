"""Bring bytes and their row in together; every road that stores an object ends here.

The order (contract storage.md 10): the policies judge the row as the caller; the bytes go under a
new version that nobody knows; one statement puts the row on it; the bytes of the replaced version
go last. A process that dies anywhere in between leaves the old object or the new one, and at worst
bytes without a row, which ``gavan storage sweep`` removes.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from gavan.core.storage.caller import Caller, uuid_or_none
from gavan.core.storage.config import StorageConfig
from gavan.core.storage.errors import (
    StorageError,
    already_exists,
    invalid_key,
    provider_error,
    too_large,
)
from gavan.core.storage.finish import carry_through
from gavan.core.storage.model import Metadata, StoredObject, blob_key
from gavan.core.storage.rules import check_key
from gavan.core.storage.store import Queries, Store
from gavan.database.session import CONNECTION_DIED, DatabaseError, Rows
from gavan.kit.storage.provider import Provider, ProviderError, Written

ATTEMPTS = 100
"""How often an upsert that others overtake begins again; of any number at once, one wins a round"""
TAKEN, KEY_TAKEN = "ResourceAlreadyExists", "KeyAlreadyExists"
_queries = Queries(Path(__file__).parent / "uploads.sql")
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """An object that shall be: ``mime`` and ``cache_control`` as they are served.

    ``owner`` is the ``sub`` of whoever it belongs to; None leaves a replaced object its owner, and
    so does None for ``user_metadata``. ``most`` bytes are taken, more are refused. Policies see as
    ``contentLength`` the ``declared`` bytes of the object, or else the ``request_length`` in bytes
    of a form that holds it: both are words of the client, none of them is a limit.
    """

    bucket_id: str
    name: str
    owner: str | None
    mime: str
    cache_control: str
    most: int
    is_upsert: bool = False
    declared: int | None = None
    request_length: int | None = None
    user_metadata: Metadata | None = None
    robots: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """As whom, and in which operation, the policies are asked."""

    caller: Caller
    operation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """An upload that may be made: the policies agreed, while ``replaces`` was the version there.

    ``judge`` None: they spoke before, at the signing of a URL.
    """

    upload: Upload
    judge: Judge | None
    replaces: str | None


class Uploads:
    """Permission, bytes, row; in this order."""

    def __init__(self, store: Store, provider: Provider, config: StorageConfig) -> None:
        self._store = store
        self._provider = provider
        self._config = config

    async def permit(self, upload: Upload, judge: Judge | None) -> Permit:
        """Return the permit, with nothing changed.

        Raises:
            StorageError: the name is none, a policy refuses, the object exists and may not be
                replaced, or its size as declared is over the limit.
        """
        self.check_name(upload.bucket_id, upload.name)
        if upload.declared is not None and upload.declared > upload.most:
            raise too_large()
        if judge is not None:
            replaces = await self._ask(upload, judge)
        else:
            rows = await self._store.as_owner(_queries("version", upload.bucket_id, upload.name))
            replaces = _text(rows) if rows.values else None
        if replaces is not None and not upload.is_upsert:
            raise already_exists(KEY_TAKEN)
        return Permit(upload=upload, judge=judge, replaces=replaces)

    def check_name(self, bucket_id: str, name: str) -> None:
        """Raise StorageError ``InvalidKey`` for a name that no new object of the bucket may have:
        it has characters that none may have, or is outside the bucket's ``allow_prefixes``."""
        check_key(name)
        prefixes = self._config.prefixes(bucket_id)
        if prefixes and not name.startswith(prefixes):
            raise invalid_key(name)

    async def store(self, permit: Permit, chunks: AsyncIterable[bytes]) -> StoredObject:
        """Take the bytes in and make the object of them; what fails leaves the former one.

        Raises:
            StorageError: too many bytes, the store of blobs failed, or the row was refused.
        """
        upload, version = permit.upload, str(uuid4())
        bounded = _bounded(chunks, upload.most)
        try:
            written = await self._provider.write(blob_key(version), bounded, length=upload.declared)
        except ProviderError as error:
            raise provider_error(error) from error
        return await self.commit(permit, version, written)

    async def commit(self, permit: Permit, version: str, written: Written) -> StoredObject:
        """Put the row on bytes that are stored already; they are removed when that fails.

        A connection that died may have died after the row was there: then the bytes stay. The
        change is carried through when the client leaves now. Raises StorageError as ``store``.
        """
        return await carry_through(self._commit(permit, version, written))

    async def forget(self, versions: list[str]) -> None:
        """Remove bytes that no row names any more; those that stay are for the sweep."""
        keys = [blob_key(version) for version in versions if version]
        try:
            await self._provider.delete(keys)
        except ProviderError as error:
            logger.warning(
                "%d blobs without a row stay: %s",
                len(versions),
                error,
                extra={"event": "storage.orphans", "versions": versions[:10]},
            )

    async def _commit(self, permit: Permit, version: str, written: Written) -> StoredObject:
        metadata = _metadata(permit.upload, written)
        try:
            _check_size(written, permit.upload)
            made = await self._put(permit, version, metadata)
        except StorageError as error:
            if not _is_doubtful(error):
                await self.forget([version])
            raise
        if made.replaced is not None:
            await self.forget([made.replaced])
        upload = permit.upload
        return StoredObject(
            id=made.id,
            bucket_id=upload.bucket_id,
            name=upload.name,
            version=version,
            metadata=metadata,
            user_metadata=upload.user_metadata,
        )

    async def _put(self, permit: Permit, version: str, metadata: Metadata) -> _Made:
        """Put the row; when somebody changed it since the policies spoke, they are asked again."""
        upload = permit.upload
        row = (*_columns(upload), metadata, version)
        for _ in range(ATTEMPTS):
            is_new = permit.replaces is None
            query = (
                _queries("insert", *row) if is_new else _queries("update", *row, permit.replaces)
            )
            rows = await self._store.as_owner(query)
            if rows.values:
                return _Made(_text(rows), permit.replaces)
            permit = await self.permit(upload, permit.judge)
        raise StorageError(423, "ResourceLocked", "The resource is locked")

    async def _ask(self, upload: Upload, judge: Judge) -> str | None:
        """Return the version that an upsert would replace; raise what the policies answer."""
        seen: Metadata = {}
        if upload.mime:
            seen["mimetype"] = upload.mime
        length = upload.request_length if upload.declared is None else upload.declared
        if length is not None:
            seen["contentLength"] = length
        query = "try_upsert" if upload.is_upsert else "try_insert"
        statement = _queries(query, *_columns(upload), seen, "1")
        try:
            rows = await self._store.try_as_caller(judge.caller, judge.operation, statement)
        except StorageError as error:
            if error.code == TAKEN and not upload.is_upsert:
                raise already_exists(KEY_TAKEN) from error
            raise
        return _text(rows) if rows.values and rows.values[0][0] is not None else None


@dataclass(frozen=True, slots=True)
class _Made:
    id: str
    replaced: str | None


def _is_doubtful(error: StorageError) -> bool:
    cause = error.__cause__
    return isinstance(cause, DatabaseError) and cause.sqlstate in CONNECTION_DIED


def _check_size(written: Written, upload: Upload) -> None:
    if written.size > upload.most:
        raise too_large()


async def _bounded(chunks: AsyncIterable[bytes], most: int) -> AsyncIterable[bytes]:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > most:
            raise too_large()
        yield chunk


def _columns(upload: Upload) -> tuple[str, str, str | None, str | None, Metadata | None]:
    owner = upload.owner
    return upload.bucket_id, upload.name, owner, uuid_or_none(owner), upload.user_metadata


def _metadata(upload: Upload, written: Written) -> Metadata:
    """Return the column ``metadata`` (supabase/storage:src/storage/backend/adapter.ts)."""
    now = datetime.now(UTC)
    metadata: Metadata = {
        "eTag": f'"{written.etag}"',
        "size": written.size,
        "mimetype": upload.mime,
        "cacheControl": upload.cache_control,
        "lastModified": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "contentLength": written.size,
        "httpStatusCode": 200,
    }
    if upload.robots is not None:
        metadata["xRobotsTag"] = upload.robots
    return metadata


def _text(rows: Rows) -> str:
    return (rows.values[0][0] or b"").decode()
