"""Chunks of any size become blocks of one size, and nothing is lost on the way."""

from __future__ import annotations

import asyncio
import itertools
import tracemalloc
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gavan.kit.storage.threads import Pieces, Threads

BLOCK = 10


class GoneError(Exception):
    """What the sender raises."""


async def sent(chunks: Sequence[bytes], *, fails: bool) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    if fails:
        raise GoneError


def numbered(sizes: Sequence[int]) -> list[bytes]:
    numbers = itertools.count()
    return [bytes(next(numbers) % 256 for _ in range(size)) for size in sizes]


def test_a_block_of_tiny_chunks_takes_no_more_room_than_itself() -> None:
    size = 1024 * 1024

    async def tiny() -> AsyncIterator[bytes]:
        for _ in range(size // 2):
            yield bytes(bytearray(b"ab"))

    def whole(block: Pieces) -> int:
        return len(b"".join(block))

    async def pour() -> int:
        threads = Threads("test", 2)
        try:
            return await threads.pour(tiny(), size, list, whole)
        finally:
            await threads.close()

    tracemalloc.start()
    try:
        assert asyncio.run(pour()) == size
        assert tracemalloc.get_traced_memory()[1] < 4 * size
    finally:
        tracemalloc.stop()


@given(st.lists(st.integers(0, 45), max_size=12))
def test_blocks_are_full_but_for_the_last(sizes: list[int]) -> None:
    chunks, blocks = numbered(sizes), list[Pieces]()

    async def pour() -> list[bytes]:
        threads = Threads("test", 2)
        try:
            return await threads.pour(sent(chunks, fails=False), BLOCK, blocks.append, list)
        finally:
            await threads.close()

    last = asyncio.run(pour())
    assert b"".join(map(b"".join, [*blocks, last])) == b"".join(chunks)
    assert {len(b"".join(block)) for block in blocks} <= {BLOCK}
    assert len(b"".join(last)) <= BLOCK


@given(st.lists(st.integers(0, 45), max_size=12))
def test_a_sender_that_fails_has_sent_what_it_sent(sizes: list[int]) -> None:
    chunks, blocks = numbered(sizes), list[Pieces]()

    def never(_rest: Pieces) -> None:
        raise AssertionError("the end never came")

    async def pour() -> None:
        threads = Threads("test", 2)
        try:
            await threads.pour(sent(chunks, fails=True), BLOCK, blocks.append, never)
        finally:
            await threads.close()

    with pytest.raises(GoneError):
        asyncio.run(pour())
    assert b"".join(map(b"".join, blocks)) == b"".join(chunks)


async def test_after_a_failed_block_nothing_more_is_written() -> None:
    threads, written = Threads("test", 2), list[Pieces]()

    def sink(block: Pieces) -> None:
        if len(written) == 2:
            raise OSError("full")
        written.append(block)

    with pytest.raises(OSError, match="full"):
        await threads.pour(sent(numbered([7] * 20), fails=False), BLOCK, sink, sink)
    assert len(written) == 2
    await threads.close()
