"""The bodies of signed requests as they arrive, and the documents of S3: what is proven, and what
is refused.

The example is that of «Transferring payload in multiple chunks» in the Amazon S3 API reference.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gavan.core.storage.errors import StorageError
from gavan.core.storage.s3.body import Body, body_of
from gavan.core.storage.s3.chunked import Framing, unframe
from gavan.core.storage.s3.documents import document, element, read_document
from gavan.core.storage.s3.signature import (
    Claim,
    Signable,
    sign_text,
    signing_key,
)
from gavan.kit.secret import Secret

SECRET = Secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
EMPTY = hashlib.sha256(b"").hexdigest()
CHUNKED_SEED = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
CHUNK_SIGNATURES = (
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
)


def claim(**changed: str) -> Claim:
    values = {
        "moment": "20130524T000000Z",
        "payload": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "signature": CHUNKED_SEED,
    } | changed
    return Claim(
        access_key="AKIAIOSFODNN7EXAMPLE",
        region="us-east-1",
        signed_headers=("host",),
        token=None,
        **values,
    )


KEY = signing_key(SECRET, "20130524", "us-east-1")


async def pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def gathered(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


def framed_by_amazon() -> bytes:
    sizes = (65536, 1024, 0)
    return b"".join(
        f"{size:x};chunk-signature={signature}\r\n".encode() + b"a" * size + b"\r\n"
        for size, signature in zip(sizes, CHUNK_SIGNATURES, strict=True)
    )


@pytest.mark.parametrize("size", [1, 7, 4096, 1 << 20])
async def test_the_chunks_of_amazons_example_are_unframed(size: int) -> None:
    framing = Framing(claim=claim(), key=KEY)

    assert await gathered(unframe(pieces(framed_by_amazon(), size), framing)) == b"a" * 66560


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"ad80c730", b"ad80c731", "SignatureDoesNotMatch"),
        (b"aaaa\r\n400", b"aaab\r\n400", "SignatureDoesNotMatch"),
        (b"0055627c", b"0055627d", "SignatureDoesNotMatch"),
        (b"b6c6ea8a", b"b6c6ea8b", "SignatureDoesNotMatch"),
        (b"400;chunk", b"3ff;chunk", "InvalidRequest"),
        (b"400;chunk", b"401;chunk", "InvalidRequest"),
        (b"400;chunk", b"-400;chunk", "InvalidRequest"),
        (b"400;chunk", b"0x400;chunk", "InvalidRequest"),
        (b"400;chunk", b"fffffffffff;chunk", "InvalidRequest"),
        (b";chunk-signature=0055", b";x=0055", "InvalidRequest"),
        (b"9df9\r\n\r\n", b"9df9\r\n\r\nmore", "InvalidRequest"),
        (b"9df9\r\n\r\n", b"9df9\r\n", "IncompleteBody"),
        (b"0;chunk-signature=b6c6", b"", "InvalidRequest"),
        (b"10000;", b"1" * 5000 + b"10000;", "InvalidRequest"),
    ],
)
async def test_chunks_that_were_changed_are_refused(old: bytes, new: bytes, code: str) -> None:
    changed = framed_by_amazon()
    assert old in changed
    with pytest.raises(StorageError) as refused:
        await gathered(
            unframe(pieces(changed.replace(old, new), 1000), Framing(claim=claim(), key=KEY))
        )

    assert refused.value.code == code


def streaming(payload: str, **headers: str) -> tuple[Signable, Claim]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    request = Signable(method="PUT", paths=("/b/a",), hosts=("h",), query=(), headers=sent)
    return request, claim(payload=payload)


def body(payload: str, data: bytes, **headers: str) -> Body:
    request, claimed = streaming(payload, **headers)
    return body_of(request, claimed, KEY, pieces(data, 3))


TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
CRC = {"x_amz_trailer": "x-amz-checksum-crc32", "x_amz_decoded_content_length": "9"}
NINE = b"9\r\n123456789\r\n0\r\n"


async def test_a_checksum_behind_the_body_is_verified() -> None:
    good = body(TRAILER, NINE + b"x-amz-checksum-crc32:y/Q5Jg==\r\n\r\n", **CRC)

    assert (good.length, await gathered(good.chunks)) == (9, b"123456789")


async def test_a_checksum_that_nothing_here_computes_is_taken_as_it_is() -> None:
    names = {**CRC, "x_amz_trailer": "x-amz-checksum-crc64nvme"}
    good = body(TRAILER, NINE + b"x-amz-checksum-crc64nvme:rosUhgpZkzM=\r\n\r\n", **names)

    assert await gathered(good.chunks) == b"123456789"


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (b"x-amz-checksum-crc32:AAAAAA==\r\n\r\n", "BadDigest"),
        (b"\r\n", "MalformedTrailerError"),
        (b"x-amz-checksum-sha1:y/Q5Jg==\r\n\r\n", "MalformedTrailerError"),
        (b"x-amz-checksum-crc32:y/Q5Jg==\r\n", "IncompleteBody"),
        (b"x-amz-checksum-crc32\r\n\r\n", "InvalidRequest"),
        (b"", "IncompleteBody"),
    ],
)
async def test_a_wrong_end_is_refused(end: bytes, code: str) -> None:
    with pytest.raises(StorageError) as refused:
        await gathered(body(TRAILER, NINE + end, **CRC).chunks)

    assert refused.value.code == code


def signed_trailer(text: str, previous: str) -> str:
    digest = hashlib.sha256(text.encode()).hexdigest()
    scope = "20130524/us-east-1/s3/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256-TRAILER\n20130524T000000Z\n{scope}\n{previous}\n{digest}"
    return sign_text(KEY, to_sign)


@pytest.mark.parametrize("is_good", [True, False])
async def test_a_signed_trailer_is_proven(is_good: bool) -> None:
    payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
    scope = "20130524/us-east-1/s3/aws4_request"
    start = f"AWS4-HMAC-SHA256-PAYLOAD\n20130524T000000Z\n{scope}\n{CHUNKED_SEED}\n{EMPTY}\n{EMPTY}"
    last = sign_text(KEY, start)
    line = "x-amz-checksum-crc32:AAAAAA==\n"
    seal = signed_trailer(line if is_good else "other\n", last)
    data = (
        f"0;chunk-signature={last}\r\nx-amz-checksum-crc32:AAAAAA==\r\n"
        f"x-amz-trailer-signature:{seal}\r\n\r\n"
    ).encode()
    made = body(payload, data, x_amz_decoded_content_length="0")
    if is_good:
        assert await gathered(made.chunks) == b""
    else:
        with pytest.raises(StorageError, match="signature"):
            await gathered(made.chunks)


READABLE = re.compile("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")
SHA = hashlib.sha256(b"123456789").hexdigest()


@pytest.mark.parametrize(
    ("payload", "headers", "code"),
    [
        (SHA, {}, None),
        ("UNSIGNED-PAYLOAD", {}, None),
        (SHA, {"content_md5": "JfntMBP7p+b9Tl8sLJKKXg=="}, "BadDigest"),
        (SHA, {"content_md5": "JfnnlDI7RTiF9RgfG2JNCw=="}, None),
        (EMPTY, {}, "BadDigest"),
        ("UNSIGNED-PAYLOAD", {"x_amz_checksum_sha1": "AAAA"}, "BadDigest"),
    ],
)
async def test_what_a_request_promises_of_its_body_is_verified(
    payload: str, headers: dict[str, str], code: str | None
) -> None:
    made = body(payload, b"123456789", content_length="9", **headers)
    if code is None:
        assert await gathered(made.chunks) == b"123456789"
    else:
        with pytest.raises(StorageError) as refused:
            await gathered(made.chunks)
        assert refused.value.code == code


@pytest.mark.parametrize("length", ["8", "10"])
async def test_a_body_of_another_length_than_announced_is_refused(length: str) -> None:
    announced = {**CRC, "x_amz_decoded_content_length": length}
    end = b"x-amz-checksum-crc32:y/Q5Jg==\r\n\r\n"
    with pytest.raises(StorageError, match="announced"):
        await gathered(body(TRAILER, NINE + end, **announced).chunks)


async def test_no_more_bytes_are_taken_than_were_announced() -> None:
    taken = 0

    async def without_end() -> AsyncIterator[bytes]:
        nonlocal taken
        yield b"fffffffff\r\n"
        while True:
            taken += 1
            yield b"x" * 1000

    request, claimed = streaming(TRAILER, **CRC)
    with pytest.raises(StorageError, match="announced"):
        await gathered(body_of(request, claimed, KEY, without_end()).chunks)

    assert taken == 1


@pytest.mark.parametrize("payload", ["", "STREAMING-UNSIGNED", "x" * 64, EMPTY.upper()])
def test_another_word_for_the_payload_is_refused(payload: str) -> None:
    with pytest.raises(StorageError, match="x-amz-content-sha256"):
        body(payload, b"")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<a>",
        b"<a/><b/>",
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b"<a>&undefined;</a>",
        b"<a>" * 10 + b"</a>" * 10,
        b"<r>" + b"<a/>" * 100_001 + b"</r>",
        b'<?xml version="1.0" encoding="klingon"?><a/>',
        b"<a>\x00</a>",
    ],
)
def test_a_document_that_could_hurt_is_no_document(text: bytes) -> None:
    with pytest.raises(ValueError):
        read_document(text)


@given(st.text())
def test_what_is_written_is_read_again(text: str) -> None:
    root = read_document(document("Root", element("Key", text)).encode("utf-8", "replace"))

    assert [child.name for child in root.children] == ["Key"]
    if READABLE.fullmatch(text):
        assert root.value("Key") == text
