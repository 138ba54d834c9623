"""What TUS says in headers: the metadata, the ids, the numbers, and where the client called."""

from __future__ import annotations

import base64

import pytest
from starlette.datastructures import Headers
from starlette.requests import Request

from gavan.core.storage.errors import StorageError
from gavan.core.storage.resumable.headers import read_headers
from gavan.core.storage.resumable.metadata import (
    cache_control,
    compose,
    parse,
    user_metadata,
)
from gavan.core.storage.resumable.naming import UploadId, decode, public_url

RESUMABLE = {"tus-resumable": "1.0.0"}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def request_with(headers: dict[str, str], root: str = "/storage/v1") -> Request:
    return Request(
        {
            "type": "http",
            "method": "POST",
            "scheme": "http",
            "server": ("127.0.0.1", 80),
            "path": "/upload/resumable",
            "root_path": root,
            "query_string": b"",
            "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
        }
    )


def test_metadata_is_read_and_told_again() -> None:
    header = f"objectName {encoded('ä/b')},is_confidential,empty "
    pairs = parse(header)
    assert pairs == {"objectName": "ä/b", "is_confidential": None, "empty": None}
    assert parse(compose(pairs)) == pairs


@pytest.mark.parametrize(
    "header",
    [
        "",
        ",",
        " YQ==",
        "a YQ==,",
        "a YQ==,a YQ==",
        "a YQ== YQ==",
        "a  YQ==",
        "a YQ",
        "a YQ=",
        "a Y===",
        "a YQ==YQ==",
        "a Y-_=",
        "ä YQ==",
        "a\tb YQ==",
        f"a {base64.b64encode(bytes([255])).decode()}",
        "a YQ==, b YQ==",
        f"a {encoded('x' * 13_000)}",
    ],
)
def test_metadata_that_is_none_is_refused(header: str) -> None:
    with pytest.raises(ValueError, match=r"metadata|utf-8"):
        parse(header)
    if header:
        with pytest.raises(StorageError, match="Invalid upload-metadata\n"):
            read_headers("POST", Headers({**RESUMABLE, "upload-metadata": header}))


def test_the_client_tells_how_long_a_copy_is_good_in_seconds() -> None:
    assert cache_control({"cacheControl": "3600"}) == "max-age=3600"
    assert cache_control({"cacheControl": "3600\r\nx: y"}) == "no-cache"
    assert cache_control({"cacheControl": "9" * 5000}) == "no-cache"
    assert cache_control({}) == "no-cache"


def test_user_metadata_is_a_json_object_or_nothing() -> None:
    assert user_metadata({"metadata": '{"a":1}'}) == {"a": 1}
    for text in ("[1]", "1", "{", None):
        assert user_metadata({"metadata": text}) is None


@pytest.mark.parametrize(
    "value",
    ["-1", "+1", "01", "1.0", "1e3", " 1 2", "0x1", "9007199254740992", "1" * 40, "", "٣", "1, 1"],
)
def test_numbers_are_plain_and_can_be_told_exactly(value: str) -> None:
    raw = [(b"tus-resumable", b"1.0.0"), (b"upload-length", value.encode())]
    with pytest.raises(StorageError) as refused:
        read_headers("POST", Headers(raw=raw))
    assert (refused.value.status, refused.value.message) == (400, "Invalid upload-length\n")


def test_the_largest_number_is_taken() -> None:
    asked = read_headers("POST", Headers({**RESUMABLE, "upload-length": "9007199254740991"}))
    assert asked.length == 2**53 - 1


def test_a_header_sent_twice_is_not_two_answers() -> None:
    raw = [(b"tus-resumable", b"1.0.0"), (b"upload-offset", b"1"), (b"upload-offset", b"2")]
    with pytest.raises(StorageError, match="Invalid upload-offset\n"):
        read_headers("PATCH", Headers(raw=raw))


def test_the_version_of_the_protocol_is_required() -> None:
    with pytest.raises(StorageError) as missing:
        read_headers("POST", Headers({}))
    assert (missing.value.status, missing.value.message) == (412, "Tus-Resumable Required\n")
    with pytest.raises(StorageError, match="Invalid tus-resumable\n"):
        read_headers("POST", Headers({"tus-resumable": "0.2.2"}))


def test_the_type_counts_only_where_bytes_are_sent() -> None:
    other = Headers({**RESUMABLE, "content-type": "application/json"})
    assert not read_headers("POST", other).has_bytes
    with pytest.raises(StorageError, match="Invalid content-type\n"):
        read_headers("PATCH", other)


def test_an_id_goes_into_a_url_and_comes_back() -> None:
    upload = UploadId("bucket", "a//b c/d.png", "11111111-1111-4111-8111-111111111111")
    assert decode(upload.encode()) == upload
    assert "=" not in upload.encode()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Invalid upload id"),
        ("bucket/version", "Invalid upload id"),
        ("bucket/name/", "Version not provided"),
        ("bucket/../../etc/passwd/v", "Invalid key: ../../etc/passwd"),
        ("bucket//v", "Invalid key: "),
        ("buc\nket/name/v", "Bucket name invalid"),
        ("/name/v", "Bucket name invalid"),
        ("bucket/n\0/v", "Invalid key: n\0"),
    ],
)
def test_an_id_that_names_nothing_is_refused(text: str, message: str) -> None:
    url = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    with pytest.raises(StorageError) as refused:
        decode(url)
    assert (refused.value.status, refused.value.message) == (400, message)


def test_what_is_no_base64_is_no_id() -> None:
    for url in ("ä", "a b", "a", "_w", "a" * 5000, "..%2f"):
        with pytest.raises(StorageError, match="Invalid upload id"):
            decode(url)


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        ({"host": "stack.test:54321"}, "http://stack.test:54321/storage/v1"),
        ({"host": "[::1]:54321"}, "http://[::1]:54321/storage/v1"),
        (
            {"host": "core:1", "x-forwarded-host": "a.example", "x-forwarded-proto": "https"},
            "https://a.example/storage/v1",
        ),
        (
            {"host": "core:1", "x-forwarded-host": "a.example", "x-forwarded-port": "8443"},
            "http://a.example:8443/storage/v1",
        ),
        (
            {"host": "core:1", "x-forwarded-host": "a.example:99", "x-forwarded-port": "8443"},
            "http://a.example:8443/storage/v1",
        ),
        (
            {"host": "core:1", "x-forwarded-host": "a.example", "x-forwarded-port": "443"},
            "http://a.example/storage/v1",
        ),
        ({"host": "core:1", "x-forwarded-port": "8443"}, "http://core:1/storage/v1"),
        (
            {"host": "core:1", "x-forwarded-prefix": "/base/api/"},
            "http://core:1/base/api/storage/v1",
        ),
    ],
)
def test_the_url_begins_with_what_the_client_called(headers: dict[str, str], base: str) -> None:
    assert public_url(request_with(headers), "/upload/resumable") == f"{base}/upload/resumable"


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "a@evil"},
        {"host": "a/b"},
        {"host": ""},
        {"host": "core", "x-forwarded-host": "evil.example/path"},
        {"host": "core", "x-forwarded-host": "user@evil.example"},
        {"host": "core", "x-forwarded-host": "a.example, b.example"},
        {"host": "core", "x-forwarded-host": "a.example", "x-forwarded-port": "80/../"},
        {"host": "core", "x-forwarded-host": "a.example", "x-forwarded-port": "-1"},
        {"host": "core", "x-forwarded-prefix": "//evil.example"},
        {"host": "core", "x-forwarded-prefix": "relative"},
        {"host": "core", "x-forwarded-prefix": "/a?b"},
        {"host": "core", "x-forwarded-prefix": "/a\r\nx: y"},
    ],
)
def test_headers_that_lead_elsewhere_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(StorageError) as refused:
        public_url(request_with(headers), "/upload/resumable")
    assert refused.value.status == 400
    assert refused.value.message.startswith("Invalid X-Forwarded-")


def test_a_scheme_that_is_none_is_refused() -> None:
    with pytest.raises(StorageError, match="Invalid x-forwarded-proto\n"):
        read_headers("POST", Headers({**RESUMABLE, "x-forwarded-proto": "javascript"}))
