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
from functools import partial
from pathlib import Path
from uuid import uuid4

import orjson

from gavan.core.storage.caller import NOWHERE, Caller, Origin, uuid_or_none
from gavan.core.storage.config import StorageConfig
from gavan.core.storage.errors import (
    StorageError,
    already_exists,
    invalid_key,
    may_pass,
    precondition_failed,
    provider_error,
    too_large,
)
from gavan.core.storage.finish import carry_through
from gavan.core.storage.model import Metadata, StoredObject
from gavan.core.storage.rules import check_depth, check_key
from gavan.core.storage.store import Queries, Store
from gavan.core.storage.webhooks.events import Event, Subject, created
from gavan.core.storage.webhooks.webhooks import Webhooks
from gavan.database.session import CONNECTION_DIED, DatabaseError, Rows
from gavan.kit.storage.blob import blob_key, blob_keys
from gavan.kit.storage.provider import Provider, ProviderError, Written

ATTEMPTS = 100
"""How often an upsert that others overtake begins again; of any number at once, one wins a round"""
STANDARD, RESUMABLE, S3 = "standard", "resumable", "s3"
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

    ``copied`` is the whole column ``metadata`` of an object made from another one.
    ``replaces_only`` is the one version that may be replaced, from the permit until the end.
    ``origin`` and ``upload_type``, the protocol, are told to the webhook.
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
    copied: Metadata | None = None
    replaces_only: str | None = None
    origin: Origin = NOWHERE
    upload_type: str = STANDARD


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

    def __init__(
        self, store: Store, provider: Provider, config: StorageConfig, webhooks: Webhooks
    ) -> None:
        self._store = store
        self._webhooks = webhooks
        self._provider = provider
        self._config = config

    async def permit(self, upload: Upload, judge: Judge | None) -> Permit:
        """Return the permit, with nothing changed.

        Raises:
            StorageError: the name is none, the metadata too deep, a policy refuses, the object
                exists and may not be replaced, is another one than may be, or its size as declared
                is over the limit.
        """
        self.check_name(upload.bucket_id, upload.name)
        check_depth(upload.user_metadata)
        if upload.declared is not None and upload.declared > upload.most:
            raise too_large()
        if judge is not None:
            replaces = await self._ask(upload, judge)
        else:
            rows = await self._store.as_owner(_queries("version", upload.bucket_id, upload.name))
            replaces = _text(rows) if rows.values else None
        if replaces is not None and not upload.is_upsert:
            raise already_exists(KEY_TAKEN)
        if upload.replaces_only not in {None, replaces}:
            raise precondition_failed()
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

    async def commit(
        self, permit: Permit, version: str, written: Written, *, keeps: bool = False
    ) -> StoredObject:
        """Put the row on bytes that are stored already; they are removed when that fails.

        A connection that died may have died after the row was there: then the bytes stay. The
        change is carried through when the client leaves now. Raises StorageError as ``store``.

        Args:
            keeps: the bytes stay too when it was not refused but failed, to be tried again.
        """
        metadata = _metadata(permit.upload, written)
        if written.size > permit.upload.most:
            await self.forget([version])
            raise too_large()
        return await carry_through(self._commit(permit, version, metadata, keeps=keeps))

    async def copy(self, permit: Permit, source: str) -> StoredObject:
        """Make the object of the bytes of another version; raises StorageError as ``store``."""
        version, now = str(uuid4()), {"lastModified": timestamp()}

        async def copy() -> StoredObject:
            try:
                await self._provider.copy(blob_key(source), blob_key(version))
            except ProviderError as error:
                raise provider_error(error) from error
            return await self._commit(permit, version, (permit.upload.copied or {}) | now)

        return await carry_through(copy())

    async def forget(self, versions: list[str]) -> None:
        """Remove bytes that no row names any more; those that stay are for the sweep."""
        try:
            await self._provider.delete(blob_keys(versions))
        except ProviderError as error:
            logger.warning(
                "%d blobs without a row stay: %s",
                len(versions),
                error,
                extra={"event": "storage.orphans", "versions": versions[:10]},
            )

    async def _commit(
        self, permit: Permit, version: str, metadata: Metadata, *, keeps: bool = False
    ) -> StoredObject:
        try:
            made, replaced = await self._put(permit, version, metadata)
        except StorageError as error:
            if not _is_doubtful(error) and not (keeps and may_pass(error)):
                await self.forget([version])
            raise
        if replaced not in {None, version}:
            await self.forget([str(replaced)])
        return made

    async def _put(
        self, permit: Permit, version: str, metadata: Metadata
    ) -> tuple[StoredObject, str | None]:
        """Put the row; when somebody changed it since the policies spoke, they are asked again."""
        upload = permit.upload
        row = (*_columns(upload), metadata, version)
        for _ in range(ATTEMPTS):
            replaces = permit.replaces
            change = _queries("insert", *row)
            if replaces is not None:
                change = _queries("update", *row, replaces)
            subject = Subject(
                bucket_id=upload.bucket_id, name=upload.name, version=version, metadata=metadata
            )
            note = self._webhooks.noting(partial(_told, upload, subject, replaces is None))
            rows = await self._store.as_owner(change, check=note)
            if rows.values:
                self._webhooks.tell()
                return StoredObject(**orjson.loads(_text(rows))), replaces
            permit = await self.permit(upload, permit.judge)
        raise StorageError(423, "ResourceLocked", "The resource is locked")

    async def _ask(self, upload: Upload, judge: Judge) -> str | None:
        """Return the version that an upsert would replace; raise what the policies answer."""
        query = "try_upsert" if upload.is_upsert else "try_insert"
        statement = _queries(query, *_columns(upload), _seen(upload))
        try:
            rows = await self._store.try_as_caller(judge.caller, judge.operation, statement)
        except StorageError as error:
            if error.code == TAKEN and not upload.is_upsert:
                raise already_exists(KEY_TAKEN) from error
            raise
        return _text(rows) if rows.values and rows.values[0][0] is not None else None


def _told(upload: Upload, subject: Subject, is_new: bool, rows: Rows) -> list[list[Event]]:
    """Return what a webhook is told of an object, if it came to be."""
    if not rows.values:
        return []
    action = "Copy" if upload.copied is not None else "Post" if is_new else "Put"
    return [[created(action, subject, upload.origin, upload_type=upload.upload_type)]]


def _is_doubtful(error: StorageError) -> bool:
    cause = error.__cause__
    return isinstance(cause, DatabaseError) and cause.sqlstate in CONNECTION_DIED


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


def _seen(upload: Upload) -> Metadata:
    """Return the column ``metadata`` as the policies see it."""
    if upload.copied is not None:
        return upload.copied
    seen: Metadata = {"mimetype": upload.mime} if upload.mime else {}
    length = upload.request_length if upload.declared is None else upload.declared
    return seen if length is None else seen | {"contentLength": length}


def _metadata(upload: Upload, written: Written) -> Metadata:
    """Return the column ``metadata`` (supabase/storage:src/storage/backend/adapter.ts)."""
    metadata: Metadata = {
        "eTag": f'"{written.etag}"',
        "size": written.size,
        "mimetype": upload.mime,
        "cacheControl": upload.cache_control,
        "lastModified": timestamp(),
        "contentLength": written.size,
        "httpStatusCode": 200,
    }
    if upload.robots is not None:
        metadata["xRobotsTag"] = upload.robots
    return metadata


def timestamp() -> str:
    """Return the time now, as metadata has it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(rows: Rows) -> str:
    return (rows.values[0][0] or b"").decode()
