"""What only an S3 has: being down, other credentials, addresses of buckets, presigned URLs."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from botocore.stub import Stubber

from gavan.kit.secret import Secret
from gavan.kit.storage import s3 as s3_module
from gavan.kit.storage import s3_client
from gavan.kit.storage.provider import BlobMissing, ProviderError
from gavan.kit.storage.s3 import S3
from tests.integration.kit.storage.blobs import (
    MIB,
    SenderGoneError,
    content,
    in_chunks,
    new_key,
    shown,
    some_bytes,
)
from tests.rclone_s3 import BUCKET, RunningS3, running_s3
from tests.servers import wait_until


@pytest.fixture
async def store(s3: RunningS3) -> AsyncIterator[S3]:
    store = S3(s3.settings)
    yield store
    await store.close()


async def test_a_presigned_url_gives_a_private_blob_for_a_time(store: S3, s3: RunningS3) -> None:
    await store.write("artifacts/a.msi", in_chunks(b"installer"))
    url = store.presigned("artifacts/a.msi", 60)
    assert s3.secret not in url
    async with httpx.AsyncClient() as client:
        assert (await client.get(url)).content == b"installer"
        assert (await client.get(url.replace("Expires=60", "Expires=61"))).status_code == 403
        assert (await client.get(url.partition("?")[0])).status_code in {400, 403}
    assert "X-Amz-Expires=900&" in store.presigned("artifacts/a.msi")
    with pytest.raises(BlobMissing):
        store.presigned("../other-bucket/x", 60)


async def test_a_bucket_may_be_in_the_host(s3: RunningS3) -> None:
    endpoint = f"http://s3.test:{s3.port}"
    named = S3(replace(s3.settings, endpoint=endpoint, is_path_style=False))
    url = urlsplit(named.presigned("a/b", 5))
    assert (url.hostname, url.path) == (f"{BUCKET}.s3.test", "/a/b")
    await named.close()
    amazon = S3(replace(s3.settings, endpoint="", region="eu-west-1", is_path_style=False))
    assert urlsplit(amazon.presigned("a/b", 5)).hostname == f"{BUCKET}.s3.eu-west-1.amazonaws.com"
    await amazon.close()


async def test_a_bucket_in_the_host_is_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = socket.getaddrinfo

    def local(host: Any, *args: Any, **kwargs: Any) -> Any:
        return resolve("127.0.0.1" if host == f"{BUCKET}.s3.test" else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", local)
    with running_s3(tmp_path / "served", {"RCLONE_FORCE_PATH_STYLE": "false"}) as s3:
        endpoint = f"http://s3.test:{s3.port}"
        store = S3(replace(s3.settings, endpoint=endpoint, is_path_style=False))
        await store.write("a/b", in_chunks(b"x"))
        assert await content(store, "a/b") == b"x"
        await store.close()
        assert (s3.folder / BUCKET / "a" / "b").read_bytes() == b"x"


async def test_an_s3_that_is_down_is_an_error_everywhere_and_comes_back(tmp_path: Path) -> None:
    with running_s3(tmp_path / "served") as s3:
        store = S3(s3.settings)
        key, data = new_key(), some_bytes(9 * MIB)
        await store.write(key, in_chunks(data))
        handle = await store.begin(new_key())

        async def dies() -> AsyncIterator[bytes]:
            async for chunk in in_chunks(data):
                yield chunk
            s3.stop()

        for refused in (
            store.write(new_key(), dies()),
            store.write(new_key(), in_chunks(b"x")),
            store.read(key),
            store.copy(key, new_key()),
            store.delete([key]),
            store.grown(handle),
            store.begin(new_key()),
            shown(store),
        ):
            with pytest.raises(ProviderError) as told:
                await refused
            assert "S3_ENDPOINT" in (told.value.hint or "")
            assert str(s3.port) not in f"{told.value.message}{told.value.details}"
        s3.start()
        assert await content(store, key) == data
        assert list((await shown(store)).blobs) == [key]
        await store.close()


async def test_an_s3_that_stands_still_is_an_error_and_no_wait_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_client, "READ_S", 0.2)
    with running_s3(tmp_path / "served") as s3:
        store = S3(s3.settings)
        await store.write("a/b", in_chunks(b"x"))
        assert s3.process is not None
        stopped = psutil.Process(s3.process.pid)
        os.kill(stopped.pid, signal.SIGSTOP)  # its threads stand still a moment later
        wait_until(lambda: stopped.status() == psutil.STATUS_STOPPED)
        with pytest.raises(ProviderError, match="ReadTimeout"):
            await store.read("a/b")
        os.kill(s3.process.pid, signal.SIGCONT)
        assert await content(store, "a/b") == b"x"
        await store.close()


@pytest.mark.parametrize("size", [0, 5, 8 * MIB, 8 * MIB + 1, 21 * MIB])
async def test_blocks_that_are_gathered_in_files_become_the_same_blobs(
    s3: RunningS3, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(s3_module, "MOST_HELD", 0)
    store, data = S3(s3.settings), some_bytes(size)
    key, grown, parted = new_key(), new_key(), new_key()
    assert (await store.write(key, in_chunks(data))).size == size
    assert await content(store, key) == data

    handle = await store.begin(grown)
    half = size // 2
    with pytest.raises(SenderGoneError):  # what came before is kept
        await store.grow(handle, 0, in_chunks(data[:half], fails=True))
    assert await store.grown(handle) == half
    assert await store.grow(handle, half, in_chunks(data[half:])) == size
    await store.settle(handle)
    assert await content(store, grown) == data

    handle = await store.begin(parted)
    part = await store.write_part(handle, 1, in_chunks(data))
    await store.join(handle, [(1, part.etag)])
    assert await content(store, parted) == data
    await store.close()


async def test_many_slow_senders_take_little_memory(s3: RunningS3) -> None:
    store, senders, each = S3(s3.settings), 40, 7 * MIB
    arrived, go_on = asyncio.Semaphore(0), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(each // MIB):
            yield bytes(MIB)
        arrived.release()
        await go_on.wait()

    async def upload() -> None:
        handle = await store.begin(new_key())
        assert await store.grow(handle, 0, slowly()) == each
        await store.discard(handle)

    tracemalloc.start()
    try:
        uploads = [asyncio.create_task(upload()) for _ in range(senders)]
        for _ in range(senders):
            await arrived.acquire()
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    go_on.set()
    await asyncio.gather(*uploads)
    await store.close()
    assert held < s3_module.MOST_HELD * each + senders * 2 * MIB


async def test_what_is_wrong_with_the_settings_is_told_without_the_secret(s3: RunningS3) -> None:
    right = s3.settings
    cases = [
        (replace(right, secret_access_key=Secret("another-secret-entirely")), "SECRET"),
        (replace(right, access_key_id="somebody"), "S3_ACCESS_KEY_ID"),
        (replace(right, bucket="none-of-them"), "S3_BUCKET_ARTIFACTS"),
    ]
    for settings, hint in cases:
        store = S3(settings)
        for refused in (store.write("a/b", in_chunks(b"x")), store.read("a/b")):
            with pytest.raises(ProviderError) as told:
                await refused
            assert not isinstance(told.value, BlobMissing)
            assert hint in (told.value.hint or "")
            shown_text = f"{told.value!r} {told.value.details} {told.value.__cause__!r}"
            assert settings.secret_access_key.reveal() not in shown_text
        await store.close()
    with pytest.raises(ProviderError, match="ValueError"):
        S3(replace(right, endpoint="no url"))


def test_a_large_object_is_copied_in_parts(s3: RunningS3, monkeypatch: pytest.MonkeyPatch) -> None:
    """The S3 here copies no parts, so what an S3 would be asked is compared, call by call."""
    bucket, size = s3_client.Bucket(s3.settings), 5 * 1024**3 + 1
    there = {"Bucket": BUCKET, "Key": "b/b", "UploadId": "7"}
    with Stubber(bucket._client) as stub:
        stub.add_response("head_object", {"ContentLength": size}, {"Bucket": BUCKET, "Key": "a/a"})
        stub.add_response(
            "create_multipart_upload", {"UploadId": "7"}, {"Bucket": BUCKET, "Key": "b/b"}
        )
        for number in range(1, 7):
            first, end = (number - 1) * 1024**3, min(number * 1024**3, size)
            stub.add_response(
                "upload_part_copy",
                {"CopyPartResult": {"ETag": f'"e{number}"'}},
                {
                    **there,
                    "PartNumber": number,
                    "CopySource": {"Bucket": BUCKET, "Key": "a/a"},
                    "CopySourceRange": f"bytes={first}-{end - 1}",
                },
            )
        parts = [{"PartNumber": number, "ETag": f'"e{number}"'} for number in range(1, 7)]
        stub.add_response(
            "complete_multipart_upload",
            {"ETag": '"x-6"'},
            {**there, "MultipartUpload": {"Parts": parts}},
        )
        bucket.copy("a/a", "b/b")
        stub.assert_no_pending_responses()
    bucket.close()
