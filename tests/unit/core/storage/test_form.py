"""Forms that arrive in pieces of any size are the same forms."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gavan.core.storage.errors import StorageError
from gavan.core.storage.objects.form import Form

BOUNDARY = b"x-boundary"
PART = b'--x-boundary\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'


async def pieces(body: bytes, sizes: list[int]) -> AsyncIterator[bytes]:
    """Cut a body into pieces of these sizes, again and again."""
    at, turn = 0, 0
    while at < len(body):
        size = sizes[turn % len(sizes)]
        yield body[at : at + size]
        at, turn = at + size, turn + 1


# Contents that look like the boundary, or its beginning, are the hard ones.
CONTENT = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b"--", b"--x-bound", b"\r\n--x-boundar", b"a", b"\0"]),
    max_size=30,
).map(b"".join)


@given(content=CONTENT, sizes=st.lists(st.integers(1, 40), min_size=1, max_size=5))
async def test_the_file_is_what_was_sent_however_it_was_cut(
    content: bytes, sizes: list[int]
) -> None:
    body = (
        PART % (b"cacheControl", b"", b"60")
        + PART % (b"", b'; filename="\xd1\x84.png"\r\nContent-Type: Image/PNG; a=b', content)
        + PART % (b"after", b"", b"1")
        + b"--x-boundary--\r\n"
    )
    form = Form(pieces(body, sizes), BOUNDARY)
    await form.open()
    assert form.fields == {"cacheControl": "60", "after": "1"}
    assert form.mime == "image/png"
    assert b"".join([chunk async for chunk in form.chunks()]) == content


async def test_bytes_without_a_name_are_a_file_and_the_first_field_of_a_name_counts() -> None:
    body = (
        PART % (b"a", b"", b"1")
        + PART % (b"a", b"", b"2")
        + PART % (b"b", b"\r\nContent-Type: application/octet-stream", b"bytes")
        + b"--x-boundary--"
    )
    form = Form(pieces(body, [7]), BOUNDARY)
    await form.open()
    assert form.fields == {"a": "1"}
    assert b"".join([chunk async for chunk in form.chunks()]) == b"bytes"


async def test_fields_behind_a_large_file_come_too_late() -> None:
    content = b"x" * 70_000
    body = (
        PART % (b"", b'; filename="a"', content)
        + PART % (b"metadata", b"", b"{}")
        + b"--x-boundary--\r\n"
    )
    form = Form(pieces(body, [1000]), BOUNDARY)
    await form.open()
    assert form.fields == {}
    assert b"".join([chunk async for chunk in form.chunks()]) == content


async def test_the_first_field_of_a_name_counts_behind_the_file_too() -> None:
    body = (
        PART % (b"", b'; filename="a"', b"file")
        + PART % (b"b", b"", b"1")
        + PART % (b"b", b"", b"2")
        + b"--x-boundary--\r\n"
    )
    form = Form(pieces(body, [5]), BOUNDARY)
    await form.open()
    assert form.fields == {"b": "1"}


async def test_a_content_that_keeps_the_parser_busy_is_refused() -> None:
    body = PART % (b"", b'; filename="a"', b"\r\n--x-boundary?" * 1_000_000)
    form = Form(pieces(body, [65536]), BOUNDARY)
    with pytest.raises(StorageError, match="Malformed"):
        await form.open()
