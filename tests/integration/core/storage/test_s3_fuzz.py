"""Signed requests of any kind to the S3 protocol: all are answered, none makes it fail."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.conftest import Cluster, cloning
from tests.integration.core.storage.conftest import Storage, running_storage
from tests.integration.core.storage.s3_clients import OPTIONS, signed

METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")
PARAMETERS = [
    "uploads",
    "uploadId",
    "partNumber",
    "delete",
    "list-type",
    "prefix",
    "delimiter",
    "marker",
    "key-marker",
    "upload-id-marker",
    "continuation-token",
    "start-after",
    "max-keys",
    "max-parts",
    "max-uploads",
    "location",
    "part-number-marker",
    "encoding-type",
    "versioning",
    "tagging",
    "acl",
    "versionId",
    "response-content-type",
    "response-expires",
    "x-id",
]
HEADERS = [
    "range",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-range",
    "cache-control",
    "content-md5",
    "x-amz-copy-source",
    "x-amz-copy-source-range",
    "x-amz-copy-source-if-match",
    "x-amz-metadata-directive",
    "x-amz-acl",
    "x-amz-meta-a",
    "x-amz-checksum-crc32",
    "x-amz-decoded-content-length",
    "content-encoding",
]
WORDS = st.sampled_from(
    ["", "1", "2", "-1", "0", "9" * 30, "url", "*", "k", "/", "%", "a/b", "bytes=0-0", "COPY",
     "REPLACE", "Thu, 01 Jan 1970 00:00:00 GMT", '"x"', "null", "public-read"]
)  # fmt: skip
TEXT = WORDS | st.text(max_size=12)
VALUE = WORDS | st.from_regex(r"[\x21-\x7e][\x20-\x7e]{0,12}[\x21-\x7e]", fullmatch=True)
BODIES = st.sampled_from(
    [
        b"",
        b"x",
        b"<Delete><Object><Key>k</Key></Object></Delete>",
        b"<CompleteMultipartUpload/>",
        b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>e</ETag></Part>"
        b"</CompleteMultipartUpload>",
    ]
) | st.binary(max_size=40)


@pytest.fixture(scope="module")
def storage(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    """A storage service with the bucket ``b``; nothing in it failed in the end."""
    with (
        cloning(cluster) as clone,
        running_storage(clone(), tmp_path_factory.mktemp("s"), OPTIONS) as running,
    ):
        running.sql("insert into storage.buckets (id, name) values ('b', 'b')")
        yield running
        assert "Traceback" not in running.log.read_text()


@hypothesis.settings(max_examples=80)
@hypothesis.given(
    method=st.sampled_from(METHODS),
    place=st.sampled_from(["", "/", "/b", "/b/", "/b/k", "/b/k/", "/b//k", "/none", "/none/k"])
    | st.text(min_size=1, max_size=8).map(lambda text: f"/b/{quote(text)}"),
    query=st.dictionaries(st.sampled_from(PARAMETERS), TEXT, max_size=4),
    headers=st.dictionaries(st.sampled_from(HEADERS), VALUE, max_size=3),
    body=BODIES,
)
def test_no_request_makes_the_service_fail(
    storage: Storage,
    method: str,
    place: str,
    query: dict[str, str],
    headers: dict[str, str],
    body: bytes,
) -> None:
    assert signed(storage, "PUT", "/b/k", b"0123456789").send().status_code == 200
    if "uploadId" in query:
        begun = signed(storage, "POST", "/b/k?uploads=").send().text
        query["uploadId"] = begun.partition("<UploadId>")[2].partition("<")[0]
    text = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    made = signed(storage, method, f"{place}?{text}", body, headers=headers)
    answer = made.send()

    assert answer.status_code < 500 or answer.status_code == 501, answer.text
