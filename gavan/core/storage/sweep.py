"""Find and remove bytes that no row names, and uploads that nobody went on with.

Killed processes leave them (uploads/uploads.py says how). Blobs and rows are compared piece by
piece, by the first digits of their versions, so memory does not grow with the store. Nothing that
is younger than the safety age is touched: its row may be on its way.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gavan.core.storage.resumable.states import FOLDER as RESUMABLE
from gavan.core.storage.store import Queries, Store
from gavan.kit.storage.blob import blob_key
from gavan.kit.storage.provider import Pending, Provider

ABANDONED_S = 7 * 24 * 3600
"""After which an upload in parts, open by its row, is given up: its client may take days"""
ROWS_AT_ONCE = 1_000_000 // 16
"""About so many versions are in memory"""
NAMES_SHOWN = 10
DELETED_AT_ONCE = 1000
_VERSION = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_queries = Queries(Path(__file__).parent / "sweep.sql")


@dataclass(slots=True, kw_only=True)
class Swept:
    """What was found, and removed when ``is_deleted``; sizes in bytes.

    ``orphans`` are blobs without a row; ``unfinished``, uploads that nobody goes on with;
    ``missing``, rows without their blob, which are never removed: ``missing_names`` are the first.
    """

    is_deleted: bool
    blobs: int = 0
    orphans: int = 0
    orphan_bytes: int = 0
    unfinished: int = 0
    unfinished_bytes: int = 0
    missing: int = 0
    missing_names: list[str] = field(default_factory=list)


async def sweep(store: Store, provider: Provider, *, safety_s: float, delete: bool) -> Swept:
    """Compare the store of blobs with the rows; return what was found.

    Args:
        safety_s: age in seconds below which nothing is an orphan, nor missing.
        delete: remove the orphans and the unfinished; otherwise they are only counted.

    Raises:
        ProviderError: the store of blobs failed.
        StorageError: Postgres did.
    """
    swept = Swept(is_deleted=delete)
    sweeping = _Sweeping(store, provider, safety_s, swept)
    await sweeping.begin()
    for first, end in await _pieces(store):
        await sweeping.compare(first, end)
    await sweeping.give_up_uploads()
    swept.missing += int(await _number(store, "nameless"))
    return swept


class _Sweeping:
    """One sweep on its way."""

    def __init__(self, store: Store, provider: Provider, safety_s: float, swept: Swept) -> None:
        self._store = store
        self._provider = provider
        self._safety_s = safety_s
        self._swept = swept
        self._oldest = time.time() - safety_s
        self._resumable: frozenset[str] = frozenset()
        self._pending: set[str] = set()

    async def begin(self) -> None:
        """Learn which resumable uploads there are: their own expiry ends them."""
        keys = [found.key async for found in self._provider.list(f"{RESUMABLE}/")]
        versions = (key.removeprefix(f"{RESUMABLE}/")[:36] for key in keys)
        self._resumable = frozenset(versions)

    async def compare(self, first: str, end: str) -> None:
        """Compare the blobs and rows of versions from ``first``, before ``end``."""
        blobs: dict[str, tuple[int, bool]] = {}
        async for found in self._provider.list(first):
            version = found.key.rpartition("/")[2]
            if _VERSION.fullmatch(version) and found.key == blob_key(version):
                blobs[version] = found.size, found.modified < self._oldest
        # The rows after the blobs: a blob is there before its row, and goes after it.
        asked = _queries("versions", first, end, str(self._safety_s))
        rows = (await self._store.as_owner(asked)).values
        named = {_text(row[0]): row[1] == b"t" for row in rows}
        await self._count_missing([one for one in named if named[one] and one not in blobs])
        self._swept.blobs += len(blobs)
        orphans = [
            version
            for version, (_, is_old) in blobs.items()
            if is_old and version not in named and version not in self._resumable
        ]
        self._swept.orphans += len(orphans)
        self._swept.orphan_bytes += sum(blobs[version][0] for version in orphans)
        if self._swept.is_deleted:
            for batch in _batches(orphans):
                await self._provider.delete([blob_key(version) for version in batch])

    async def give_up_uploads(self) -> None:
        """Discard the uploads that were begun, and what dead writers left."""
        waiting: list[Pending] = []
        async for pending in self._provider.unfinished():
            self._pending.add(pending.key.rpartition("/")[2])
            if pending.modified < self._oldest and self._is_ours(pending):
                waiting.append(pending)
            if len(waiting) == DELETED_AT_ONCE:
                await self._give_up(waiting)
                waiting = []
        await self._give_up(waiting)
        await self._close_dead()

    def _is_ours(self, pending: Pending) -> bool:
        version = pending.key.rpartition("/")[2]
        is_blob = _VERSION.fullmatch(version) and pending.key == blob_key(version)
        return not pending.key or bool(is_blob and version not in self._resumable)

    async def _give_up(self, waiting: list[Pending]) -> None:
        versions = [pending.key.rpartition("/")[2] for pending in waiting]
        rows = (await self._store.as_owner(_queries("open_uploads", versions))).values
        is_open = {_text(row[0]) for row in rows}
        given_up = time.time() - max(ABANDONED_S, self._safety_s)
        for pending, version in zip(waiting, versions, strict=True):
            if version in is_open and pending.modified >= given_up:
                continue
            self._swept.unfinished += 1
            self._swept.unfinished_bytes += pending.size
            if self._swept.is_deleted:
                await self._store.as_owner(_queries("close_uploads", [version]))
                await self._provider.discard(pending.handle)

    async def _close_dead(self) -> None:
        """Close the uploads in parts of which nothing is left to go on with: their process died
        when the parts were put together already. Those bytes are for the next sweep."""
        asked = _queries("old_uploads", str(max(ABANDONED_S, self._safety_s)))
        rows = (await self._store.as_owner(asked)).values
        dead = [version for (row,) in rows if (version := _text(row)) not in self._pending]
        self._swept.unfinished += len(dead)
        if dead and self._swept.is_deleted:
            await self._store.as_owner(_queries("close_uploads", dead))

    async def _count_missing(self, versions: list[str]) -> None:
        self._swept.missing += len(versions)
        room = NAMES_SHOWN - len(self._swept.missing_names)
        if versions and room > 0:
            rows = (await self._store.as_owner(_queries("names", versions[:room]))).values
            self._swept.missing_names += [_text(row[0]) for row in rows]


async def _pieces(store: Store) -> list[tuple[str, str]]:
    """Return the first digits by which the versions are compared, and those of the next."""
    digits = 1 if int(await _number(store, "count")) <= 16 * ROWS_AT_ONCE else 2
    firsts = [f"{number:0{digits}x}" for number in range(16**digits)]
    return list(zip(firsts, [*firsts[1:], "g"], strict=True))


async def _number(store: Store, query: str) -> str:
    return _text((await store.as_owner(_queries(query))).values[0][0])


def _batches(versions: list[str]) -> Iterator[list[str]]:
    for at in range(0, len(versions), DELETED_AT_ONCE):
        yield versions[at : at + DELETED_AT_ONCE]


def _text(value: bytes | None) -> str:
    return (value or b"").decode()
