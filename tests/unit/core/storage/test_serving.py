"""A row and its blob become an answer; the blob is let go whatever happens to the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from starlette.types import Message

from gavan.core.storage.errors import StorageError
from gavan.core.storage.model import Metadata
from gavan.core.storage.objects.find import FoundObject
from gavan.core.storage.objects.serving import Asked, describe, modified_of, serve
from gavan.kit.storage.blob import blob_key
from gavan.kit.storage.files import Files
from gavan.kit.storage.provider import BlobMissing


def row(version: str, **metadata: object) -> FoundObject:
    known: Metadata = {"size": 4, "eTag": '"x"', "lastModified": "2021-08-12T16:00:00.770Z"}
    return FoundObject(
        id="1",
        bucket_id="b",
        name="a",
        version=version,
        metadata=known | metadata,
        user_metadata=None,
        created_at="2021-01-01T00:00:00.000Z",
        updated_at="2021-02-02T00:00:00.000Z",
    )


async def stored(files: Files, content: bytes) -> str:
    async def chunks() -> AsyncIterator[bytes]:
        yield content

    version = str(uuid4())
    await files.write(blob_key(version), chunks())
    return version


def opened(folder: Path) -> list[str]:
    """Return the files below a folder that this process has open."""
    paths = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            paths.append(str(link.readlink()))
        except FileNotFoundError:
            continue
    return [path for path in paths if path.startswith(str(folder))]


async def nothing() -> Message:
    raise AssertionError("an answer reads no request")


async def test_a_blob_that_was_replaced_meanwhile_is_found_by_a_second_look(
    tmp_path: Path,
) -> None:
    files = Files(tmp_path)
    new = row(await stored(files, b"new!"))
    sent: list[Message] = []

    async def again() -> FoundObject:
        return new

    async def send(message: Message) -> None:
        sent.append(message)

    answer = await serve(files, row(str(uuid4())), Asked(), again)
    await answer({"type": "http"}, nothing, send)
    assert b"".join(message.get("body", b"") for message in sent) == b"new!"
    assert opened(tmp_path) == []


async def test_there_is_no_third_look(tmp_path: Path) -> None:
    looks = 0

    async def again() -> FoundObject:
        nonlocal looks
        looks += 1
        return row(str(uuid4()))

    with pytest.raises(BlobMissing):
        await serve(Files(tmp_path), row(str(uuid4())), Asked(), again)
    assert looks == 1


@pytest.mark.parametrize("error", [ConnectionResetError("gone"), asyncio.CancelledError()])
async def test_a_blob_is_closed_when_it_cannot_be_sent(
    tmp_path: Path, error: BaseException
) -> None:
    files = Files(tmp_path)
    answer = await serve(files, row(await stored(files, b"1234")), Asked())
    assert len(opened(tmp_path)) == 1

    async def send(message: Message) -> None:
        raise error

    with pytest.raises(type(error)):
        await answer({"type": "http"}, nothing, send)
    assert opened(tmp_path) == []


async def test_the_size_of_the_blob_counts_and_not_what_the_row_tells(tmp_path: Path) -> None:
    files = Files(tmp_path)
    version = await stored(files, b"1234")

    async def send(message: Message) -> None:
        del message

    for size, asked in ((99, "bytes=3-"), (None, "bytes=3-"), (4, "bytes=3-"), (2, "bytes=1-")):
        wanted = Asked(headers={"range": asked})
        answer = await serve(files, row(version, size=size), wanted)
        assert answer.headers["content-range"].endswith("-3/4")
        assert len(opened(tmp_path)) == 1
        await answer({"type": "http"}, nothing, send)
        assert opened(tmp_path) == []


def test_who_asks_may_set_headers_of_the_answer_but_not_break_them() -> None:
    found = row("x", mimetype="image/png")
    overrides = {"content-type": "text/html", "content-disposition": "inline", "expires": "0"}
    headers = describe(found, Asked(overrides=overrides))
    assert headers["content-type"] == "text/plain"
    assert headers["content-disposition"] == "inline"
    with pytest.raises(StorageError, match="content-language"):
        describe(found, Asked(overrides={"content-language": "a\r\nb: c"}))


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("2021-08-12T16:00:00.770Z", "2021-08-12T16:00:00+00:00"),
        ("2021-08-12T18:00:00+02:00", "2021-08-12T16:00:00+00:00"),
        ("soon", "2021-02-02T00:00:00+00:00"),
        (None, "2021-02-02T00:00:00+00:00"),
    ],
)
def test_a_row_without_a_date_of_its_content_has_its_own(told: object, expected: str) -> None:
    assert modified_of(row("x", lastModified=told)).isoformat() == expected
