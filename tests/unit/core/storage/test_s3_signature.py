"""Signatures as Amazon's documents give them, and what must not pass for one.

The examples are those of «Signature calculations for the authorization header» and «Authenticating
requests: using query parameters» in the Amazon S3 API reference.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gavan.core.storage.errors import StorageError
from gavan.core.storage.s3.signature import (
    Signable,
    path_forms,
    prove,
    read_claim,
)
from gavan.kit.secret import Secret

SECRET = Secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
DAY = datetime(2013, 5, 24, tzinfo=UTC)
EMPTY = hashlib.sha256(b"").hexdigest()
SCOPE = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"
GET = Signable(
    method="GET",
    paths=("/test.txt",),
    hosts=("examplebucket.s3.amazonaws.com",),
    query=(),
    headers={
        "range": "bytes=0-9",
        "x-amz-content-sha256": EMPTY,
        "x-amz-date": "20130524T000000Z",
        "authorization": (
            f"AWS4-HMAC-SHA256 Credential={SCOPE},"
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        ),
    },
)
PRESIGNED = Signable(
    method="GET",
    paths=("/test.txt",),
    hosts=("examplebucket.s3.amazonaws.com",),
    query=(
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", SCOPE),
        ("X-Amz-Date", "20130524T000000Z"),
        ("X-Amz-Expires", "86400"),
        ("X-Amz-SignedHeaders", "host"),
        (
            "X-Amz-Signature",
            "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
        ),
    ),
    headers={},
)


def with_header(signable: Signable, name: str, value: str) -> Signable:
    return replace(signable, headers={**signable.headers, name: value})


def with_query(signable: Signable, name: str, value: str) -> Signable:
    return replace(signable, query=(*(p for p in signable.query if p[0] != name), (name, value)))


@pytest.mark.parametrize("request_", [GET, PRESIGNED], ids=["header", "presigned"])
def test_the_examples_of_amazon_are_proven(request_: Signable) -> None:
    read = read_claim(request_, DAY)

    assert prove(read, SECRET, request_) is not None
    assert prove(read, Secret("another"), request_) is None


@pytest.mark.parametrize(
    "changed",
    [
        replace(GET, method="PUT"),
        replace(GET, paths=("/other.txt",)),
        replace(GET, hosts=("other.s3.amazonaws.com",)),
        replace(GET, query=(("versionId", "1"),)),
        with_header(GET, "range", "bytes=0-99"),
        with_header(GET, "x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        replace(PRESIGNED, method="DELETE"),
        replace(PRESIGNED, paths=("/test.txt/",)),
        with_query(PRESIGNED, "X-Amz-Expires", "604800"),
        with_query(PRESIGNED, "response-content-type", "text/html"),
        with_query(PRESIGNED, "X-Amz-Signature", "0" * 64),
    ],
)
def test_a_request_that_was_changed_is_not_proven(changed: Signable) -> None:
    assert prove(read_claim(changed, DAY), SECRET, changed) is None


def test_a_claim_is_proven_by_any_form_in_which_the_client_may_have_seen_the_request() -> None:
    seen = replace(GET, paths=("/x/test.txt", *GET.paths), hosts=("inner:1", *GET.hosts))

    assert prove(read_claim(seen, DAY), SECRET, seen) is not None


@pytest.mark.parametrize(
    ("changed", "now", "code"),
    [
        (replace(GET, headers={}), DAY, "AccessDenied"),
        (with_header(GET, "authorization", "Bearer x"), DAY, "AccessDenied"),
        (GET, DAY + timedelta(minutes=16), "RequestTimeTooSkewed"),
        (GET, DAY - timedelta(minutes=16), "RequestTimeTooSkewed"),
        (PRESIGNED, DAY - timedelta(minutes=16), "RequestTimeTooSkewed"),
        (PRESIGNED, DAY + timedelta(days=1, seconds=1), "ExpiredToken"),
        (with_query(PRESIGNED, "X-Amz-Expires", "604801"), DAY, "InvalidSignature"),
        (with_query(PRESIGNED, "X-Amz-Expires", "0"), DAY, "InvalidSignature"),
        (with_query(PRESIGNED, "X-Amz-Expires", "-1"), DAY, "InvalidSignature"),
        (with_query(PRESIGNED, "X-Amz-Expires", ""), DAY, "InvalidSignature"),
        (with_query(PRESIGNED, "X-Amz-Date", "20130525T000000Z"), DAY, "InvalidSignature"),
        (with_query(PRESIGNED, "X-Amz-Date", "2٠130524T000000Z"), DAY, "InvalidSignature"),
        (with_query(PRESIGNED, "X-Amz-Algorithm", "AWS4-HMAC-SHA1"), DAY, "InvalidSignature"),
        (with_query(PRESIGNED, "X-Amz-Credential", "a/b"), DAY, "InvalidSignature"),
        (with_query(PRESIGNED, "X-Amz-SignedHeaders", "range"), DAY, "AccessDenied"),
        (
            replace(PRESIGNED, query=(*PRESIGNED.query, ("X-Amz-Expires", "604800"))),
            DAY,
            "InvalidSignature",
        ),
        (with_header(GET, "authorization", "AWS4-HMAC-SHA256 nonsense"), DAY, "InvalidSignature"),
        (with_header(GET, "x-amz-date", "24 May 2013"), DAY, "InvalidSignature"),
        (with_header(PRESIGNED, "x-amz-copy-source", "private/secret"), DAY, "AccessDenied"),
        (with_header(GET, "x-amz-acl", "public-read"), DAY, "AccessDenied"),
    ],
)
def test_what_cannot_be_a_claim_is_refused(changed: Signable, now: datetime, code: str) -> None:
    with pytest.raises(StorageError) as refused:
        read_claim(changed, now)

    assert refused.value.code == code


def test_a_path_is_also_known_in_the_form_that_encodes_all_but_the_unreserved() -> None:
    assert path_forms("/s3/b/a.txt") == ("/s3/b/a.txt",)
    assert path_forms("/s3/b/a b(1)+c") == ("/s3/b/a b(1)+c", "/s3/b/a%20b%281%29%2Bc")
