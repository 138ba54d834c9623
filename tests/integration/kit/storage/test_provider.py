"""The protocol of kit/storage/provider.py, for files and for an S3 alike."""

from __future__ import annotations

import asyncio
import hashlib
import time
import tracemalloc
from collections.abc import AsyncIterator

import pytest

from gavan.kit.storage.provider import PART_BYTES, BlobMissing, Provider, ProviderError
from tests.integration.kit.storage.blobs import (
    MIB,
    SenderGoneError,
    content,
    in_chunks,
    new_key,
    shown,
    some_bytes,
)
from tests.integration.kit.storage.conftest import Opening

HOSTILE = [
    "",
    "/",
    "..",
    "../x",
    "a/../b",
    "/etc/passwd",
    "a//b",
    "a/",
    "a\0b",
    "é",
    "a" * 300,
    ".x/y",
]
HANDLES = [
    *HOSTILE,
    "6e0c6f0e-95a1-4b7c-8f2e-0d5b0c0f4f11",
    "6e0c6f0e-95a1-4b7c-8f2e-0d5b0c0f4f11~",
    "6e0c6f0e-95a1-4b7c-8f2e-0d5b0c0f4f11~..~x",
    "6e0c6f0e-95a1-4b7c-8f2e-0d5b0c0f4f11~6e~x",
    "6e/6e0c6f0e-95a1-4b7c-8f2e-0d5b0c0f4f11~2~2",
    "6e/6e0c6f0e-95a1-4b7c-8f2e-0d5b0c0f4f11~a b",
]


@pytest.mark.parametrize("size", [0, 1, MIB, MIB + 1, 8 * MIB, 17 * MIB + 5])
@pytest.mark.parametrize("is_told", [True, False])
async def test_what_was_written_is_read(provider: Provider, size: int, is_told: bool) -> None:
    key, data = new_key(), some_bytes(size)
    written = await provider.write(key, in_chunks(data), length=size if is_told else None)
    assert written.size == size
    if "-" not in written.etag:
        assert written.etag == hashlib.md5(data).hexdigest()
    assert await content(provider, key) == data
    listed = (await shown(provider)).blobs
    assert {found.key: found.size for found in listed.values()} == {key: size}
    assert abs(listed[key].modified - time.time()) < 3600
    assert (await shown(provider)).unfinished == {}


async def test_a_range_gives_these_bytes_and_the_whole_size(provider: Provider) -> None:
    key, data = new_key(), some_bytes(3 * MIB)
    await provider.write(key, in_chunks(data), length=len(data))
    ranges = [(0, 0), (0, None), (5, 9), (MIB - 1, MIB), (2 * MIB, None), (3 * MIB - 1, 9 * MIB)]
    for first, last in ranges:
        end = None if last is None else last + 1
        assert await content(provider, key, first=first, last=last) == data[first:end]
        reading = await provider.read(key, first=first, last=last)
        assert reading.size == len(data)
        await reading.close()


async def test_a_range_behind_the_end_is_empty(provider: Provider) -> None:
    for size in (0, 10):
        key = new_key()
        await provider.write(key, in_chunks(some_bytes(size)), length=size)
        reading = await provider.read(key, first=size)
        assert [chunk async for chunk in reading] == []
        assert reading.size == size
        await reading.close()


async def test_nothing_is_under_an_unknown_key(provider: Provider) -> None:
    with pytest.raises(BlobMissing):
        await provider.read(new_key())
    with pytest.raises(BlobMissing):
        await provider.copy(new_key(), new_key())
    await provider.delete([new_key(), new_key()])
    await provider.delete([])
    assert (await shown(provider)).blobs == {}


async def test_a_hostile_key_leads_nowhere(provider: Provider) -> None:
    safe = new_key()
    await provider.write(safe, in_chunks(b"safe"), length=4)
    for key in HOSTILE:
        for refused in (
            provider.read(key),
            provider.write(key, in_chunks(b"x")),
            provider.begin(key),
            provider.copy(safe, key),
            provider.copy(key, new_key()),
        ):
            with pytest.raises(ProviderError):
                await refused
        await provider.delete([key])
    assert [found async for found in provider.list("../")] == []
    assert list((await shown(provider)).blobs) == [safe]


async def test_a_handle_that_nobody_gave_out_leads_nowhere(provider: Provider) -> None:
    for handle in HANDLES:
        for missing in (
            provider.grown(handle),
            provider.grow(handle, 0, in_chunks(b"x")),
            provider.settle(handle),
            provider.write_part(handle, 1, in_chunks(b"x"), length=1),
            provider.join(handle, [(1, hashlib.md5(b"x").hexdigest())]),
        ):
            with pytest.raises(BlobMissing):
                await missing
        await provider.discard(handle)
    assert (await shown(provider)).blobs == {}


async def test_a_reader_keeps_what_is_deleted_meanwhile(provider: Provider) -> None:
    key, data = new_key(), some_bytes(2 * MIB)
    await provider.write(key, in_chunks(data), length=len(data))
    reading = await provider.read(key)
    chunks = aiter(reading)
    read = [await anext(chunks)]
    await provider.delete([key])
    read += [chunk async for chunk in chunks]
    await reading.close()
    assert b"".join(read) == data
    with pytest.raises(BlobMissing):
        await provider.read(key)


async def test_a_reader_may_leave_at_any_time(provider: Provider) -> None:
    key = new_key()
    await provider.write(key, in_chunks(some_bytes(4 * MIB)), length=4 * MIB)
    unread = await provider.read(key)
    await unread.close()
    half_read = await provider.read(key)
    await anext(aiter(half_read))
    await half_read.close()
    assert len(await content(provider, key)) == 4 * MIB


@pytest.mark.parametrize("size", [0, 100, 12 * MIB])
@pytest.mark.parametrize("is_told", [True, False])
async def test_a_sender_who_fails_leaves_nothing(
    provider: Provider, size: int, is_told: bool
) -> None:
    key = new_key()
    length = size + 1 if is_told else None
    with pytest.raises(SenderGoneError):
        await provider.write(key, in_chunks(some_bytes(size), fails=True), length=length)
    told = await shown(provider)
    assert (told.blobs, told.unfinished) == ({}, {})
    with pytest.raises(BlobMissing):
        await provider.read(key)


@pytest.mark.parametrize("size", [100, 12 * MIB])
async def test_a_cancelled_writer_leaves_nothing(provider: Provider, size: int) -> None:
    sent = asyncio.Event()

    async def stalls() -> AsyncIterator[bytes]:
        async for chunk in in_chunks(some_bytes(size)):
            yield chunk
        sent.set()
        await asyncio.Event().wait()

    writing = asyncio.create_task(provider.write(new_key(), stalls()))
    await sent.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    told = await shown(provider)
    assert (told.blobs, told.unfinished) == ({}, {})


async def test_a_write_cancelled_at_any_step_leaves_nothing_or_is_done(provider: Provider) -> None:
    for steps in range(40):
        key = new_key()
        writing = asyncio.create_task(provider.write(key, in_chunks(b"x" * 100), length=100))
        for _ in range(steps):
            await asyncio.sleep(0.0002)
        writing.cancel()
        [outcome] = await asyncio.gather(writing, return_exceptions=True)
        told = await shown(provider)
        assert list(told.blobs) == ([] if isinstance(outcome, BaseException) else [key])
        assert told.unfinished == {}
        await provider.delete([key])


async def test_a_copy_lives_without_its_source(provider: Provider) -> None:
    source, target, data = new_key(), new_key(), some_bytes(MIB)
    await provider.write(source, in_chunks(data), length=len(data))
    await provider.copy(source, target)
    await provider.delete([source])
    assert await content(provider, target) == data
    assert list((await shown(provider)).blobs) == [target]


async def test_a_listing_can_be_bound_to_a_prefix(provider: Provider) -> None:
    keys = ["artifacts/a-1.2.msi", "artifacts/b", "artifactsb", "ab/c/d/e", "top"]
    for key in keys:
        await provider.write(key, in_chunks(b"x"), length=1)
    for prefix in ("", "artifacts", "artifacts/", "artifacts/a-", "ab/", "ab/c/", "none", "top/"):
        found = sorted([found.key async for found in provider.list(prefix)])
        assert found == sorted(key for key in keys if key.startswith(prefix)), prefix


async def test_many_blobs_are_listed_and_removed_at_once(provider: Provider) -> None:
    keys = [f"many/{number}" for number in range(1001)]
    await provider.write(keys[0], in_chunks(b"x"), length=1)
    for at in range(1, len(keys), 50):
        await asyncio.gather(*(provider.copy(keys[0], key) for key in keys[at : at + 50]))
    assert sorted([found.key async for found in provider.list()]) == sorted(keys)
    await provider.delete(keys)
    assert (await shown(provider)).blobs == {}


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [0],
        [1],
        [1, 1, 0, 1],
        [3 * MIB, 3 * MIB, 3 * MIB],
        [6 * MIB, 6 * MIB, 1],
        [PART_BYTES],
        [PART_BYTES - 1, 2],
        [17 * MIB, 100],
    ],
)
async def test_an_upload_grows_over_many_processes(opening: Opening, pieces: list[int]) -> None:
    key, data, at = new_key(), some_bytes(sum(pieces)), 0
    first = opening()
    handle = await first.begin(key)
    await first.close()
    for piece in pieces:
        provider = opening()
        assert await provider.grown(handle) == at
        assert await provider.grow(handle, at, in_chunks(data[at : at + piece])) == at + piece
        at += piece
        assert (await shown(provider)).blobs == {}
        assert (await shown(provider)).unfinished[handle].size == at
        await provider.close()
    last = opening()
    assert await last.grown(handle) == at
    written = await last.settle(handle)
    assert written.size == len(data)
    if "-" not in written.etag:
        assert written.etag == hashlib.md5(data).hexdigest()
    assert await content(last, key) == data
    assert (await shown(last)).unfinished == {}
    with pytest.raises(BlobMissing):
        await last.grown(handle)
    await last.close()


async def test_one_process_hashes_what_grows_as_it_comes(provider: Provider) -> None:
    handle, data = await provider.begin(key := new_key()), some_bytes(9 * MIB)
    for at in range(0, len(data), 3 * MIB):
        await provider.grow(handle, at, in_chunks(data[at : at + 3 * MIB]))
    written = await provider.settle(handle)
    if "-" not in written.etag:
        assert written.etag == hashlib.md5(data).hexdigest()
    assert await content(provider, key) == data


@pytest.mark.parametrize("size", [100, 7 * MIB, 14 * MIB])
async def test_what_came_before_a_failure_is_kept_as_far_as_told(
    opening: Opening, size: int
) -> None:
    data, first = some_bytes(size), opening()
    handle = await first.begin(key := new_key())
    assert await first.grow(handle, 0, in_chunks(data[:50])) == 50
    with pytest.raises(SenderGoneError):
        await first.grow(handle, 50, in_chunks(data[50:-20], fails=True))
    await first.close()
    second = opening()
    kept = await second.grown(handle)
    assert 50 <= kept <= size - 20
    assert await second.grow(handle, kept, in_chunks(data[kept:])) == size
    await second.settle(handle)
    assert await content(second, key) == data
    await second.close()


async def test_growing_that_is_cancelled_leaves_no_gap(provider: Provider) -> None:
    data, at = some_bytes(40 * MIB), 0
    handle = await provider.begin(key := new_key())
    for wait_s in (0.001, 0.004, 0.01, 0.03, 0.06):
        growing = asyncio.create_task(provider.grow(handle, at, in_chunks(data[at:])))
        await asyncio.sleep(wait_s)
        growing.cancel()
        await asyncio.gather(growing, return_exceptions=True)
        kept = await provider.grown(handle)
        assert kept >= at
        at = kept
    await provider.grow(handle, at, in_chunks(data[at:]))
    assert (await provider.settle(handle)).size == len(data)
    assert await content(provider, key) == data


async def test_growing_at_another_offset_changes_nothing(provider: Provider) -> None:
    handle = await provider.begin(key := new_key())
    await provider.grow(handle, 0, in_chunks(b"12345"))
    for offset in (0, 4, 6):
        with pytest.raises(ProviderError, match="OffsetConflict"):
            await provider.grow(handle, offset, in_chunks(b"x"))
    assert await provider.grown(handle) == 5
    await provider.settle(handle)
    assert await content(provider, key) == b"12345"


async def test_parts_are_joined_in_the_order_asked(provider: Provider) -> None:
    handle = await provider.begin(key := new_key())
    pieces = {
        3: some_bytes(10),
        2: some_bytes(9 * MIB),
        1: some_bytes(PART_BYTES),
    }
    etags = {}
    for number, data in pieces.items():
        length = None if number == 2 else len(data)
        written = await provider.write_part(handle, number, in_chunks(data), length=length)
        assert written.size == len(data)
        assert written.etag == hashlib.md5(data).hexdigest()
        etags[number] = written.etag
    told = await shown(provider)
    assert told.blobs == {}
    assert (told.unfinished[handle].key, told.unfinished[handle].size) == (
        key,
        sum(map(len, pieces.values())),
    )
    with pytest.raises(ProviderError):
        await provider.join(handle, [(1, etags[2]), (2, etags[2]), (3, etags[3])])
    with pytest.raises(ProviderError):
        await provider.join(handle, [])
    written = await provider.join(handle, sorted(etags.items()))
    digests = b"".join(bytes.fromhex(etags[number]) for number in (1, 2, 3))
    assert written.etag == f"{hashlib.md5(digests).hexdigest()}-3"
    assert written.size == sum(map(len, pieces.values()))
    assert await content(provider, key) == pieces[1] + pieces[2] + pieces[3]
    assert (await shown(provider)).unfinished == {}


async def test_a_part_has_a_number_that_s3_allows(provider: Provider) -> None:
    handle = await provider.begin(new_key())
    for number in (0, -1, 10_001):
        with pytest.raises(ProviderError, match="InvalidPart"):
            await provider.write_part(handle, number, in_chunks(b"x"), length=1)
    await provider.discard(handle)


async def test_a_part_whose_sender_fails_is_no_part(provider: Provider) -> None:
    handle = await provider.begin(new_key())
    with pytest.raises(SenderGoneError):
        await provider.write_part(handle, 1, in_chunks(b"x" * 100, fails=True), length=200)
    with pytest.raises(ProviderError):
        await provider.join(handle, [(1, hashlib.md5(b"x" * 100).hexdigest())])
    await provider.discard(handle)
    assert (await shown(provider)).unfinished == {}


async def test_a_discarded_upload_is_gone_with_its_pieces(provider: Provider) -> None:
    grown, parted = await provider.begin(new_key()), await provider.begin(new_key())
    await provider.grow(grown, 0, in_chunks(some_bytes(6 * MIB)))
    await provider.grow(grown, 6 * MIB, in_chunks(b"rest"))
    await provider.write_part(parted, 1, in_chunks(b"x"), length=1)
    for handle in (grown, parted):
        await provider.discard(handle)
        await provider.discard(handle)
        with pytest.raises(BlobMissing):
            await provider.grown(handle)
        with pytest.raises(BlobMissing):
            await provider.write_part(handle, 1, in_chunks(b"x"), length=1)
    told = await shown(provider)
    assert (told.blobs, told.unfinished) == ({}, {})


async def test_a_large_blob_passes_through_little_memory(provider: Provider) -> None:
    chunk = bytes(64 * 1024)

    async def much() -> AsyncIterator[bytes]:
        for _ in range(64 * 16):
            yield chunk

    tracemalloc.start()
    try:
        written = await provider.write(new_key(), much())
        handle = await provider.begin(key := new_key())
        await provider.grow(handle, 0, much())
        await provider.settle(handle)
        reading, size = await provider.read(key), 0
        async for read in reading:
            size += len(read)
        await reading.close()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert written.size == size == 64 * MIB
    assert peak < 40 * MIB
