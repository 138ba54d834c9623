"""Requests to the S3 protocol that nobody with a key has made, or not like this."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit

import httpx
import hypothesis
import pytest
from hypothesis import strategies as st
from pytest_mock import MockerFixture

from tests.conftest import Cluster, cloning
from tests.integration.core.storage.conftest import KEY_ID, OPTIONS, Storage, running_storage
from tests.integration.core.storage.s3_chunks import SIGNED, Chunked, chunked_put
from tests.integration.core.storage.s3_clients import (
    Signed,
    code_of,
    endpoint,
    presigned,
    s3_client,
    signed,
)

PUBLIC = "https://api.example.com/inner"


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
    """A storage service with an S3 key pair that the world knows by another address."""
    options = {**OPTIONS, "API_EXTERNAL_URL": PUBLIC}
    with (
        cloning(cluster) as clone,
        running_storage(clone(), tmp_path_factory.mktemp("s"), options) as running,
    ):
        running.sql("insert into storage.buckets (id, name) values ('fuzz', 'fuzz')")
        yield running
        assert "Traceback" not in running.log.read_text()


@pytest.fixture
def bucket(storage: Storage) -> str:
    """A bucket with the object ``secret``."""
    name = storage.bucket()
    s3_client(storage).put_object(Bucket=name, Key="secret", Body=b"secret")
    return name


def answer(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, code_of(response)


def test_without_a_signature_nothing_is_told(storage: Storage, bucket: str) -> None:
    for path in ("", "/", "/x", f"/{bucket}", f"/{bucket}/secret", "/none/none"):
        for headers in ({}, {"authorization": f"Bearer {storage.live.service_key}"}):
            refused = httpx.get(f"{endpoint(storage)}{path}", headers=headers)
            assert answer(refused) == (403, "AccessDenied")
    head = httpx.head(f"{endpoint(storage)}/{bucket}/secret")
    assert (head.status_code, head.content) == (403, b"")


def test_a_forged_signature_is_refused(storage: Storage, bucket: str) -> None:
    path = f"/{bucket}/secret"
    forged = signed(storage, "GET", path, secret="guessed")
    assert answer(forged.send()) == (403, "SignatureDoesNotMatch")
    good = signed(storage, "GET", path)
    other = {"authorization": good.headers["Authorization"].replace(KEY_ID, "AKOTHER")}
    assert answer(good.send(headers={"Authorization": other["authorization"]})) == (
        403,
        "AccessDenied",
    )
    assert good.send().content == b"secret"


@pytest.mark.parametrize(
    "change",
    [
        lambda one: {"url": one.url.replace("/secret", "/other")},
        lambda one: {"url": one.url.replace("/secret", "/secret%2F")},
        lambda one: {"url": one.url.replace("/secret", "//secret")},
        lambda one: {"url": f"{one.url}&response-content-type=text/html"},
        lambda one: {"url": f"{one.url}&uploadId=1"},
        lambda one: {"url": one.url.replace("X-Amz-Expires=60", "X-Amz-Expires=600")},
        lambda one: {"method": "DELETE"},
        lambda one: {"method": "PUT"},
        lambda one: {"headers": {"host": "elsewhere.example.com"}},
    ],
)
def test_a_presigned_url_is_good_for_nothing_else(
    storage: Storage, bucket: str, change: Callable[[Signed], dict[str, object]]
) -> None:
    url = presigned(storage, "GET", f"/{bucket}/secret")
    assert url.send().content == b"secret"

    assert answer(url.send(**change(url))) == (403, "SignatureDoesNotMatch")
    assert storage.row(bucket, "secret") is not None


def test_a_presigned_url_ends(storage: Storage, bucket: str, mocker: MockerFixture) -> None:
    mocker.patch(
        "botocore.auth.get_current_datetime",
        return_value=(datetime.now(UTC) - timedelta(seconds=61)).replace(tzinfo=None),
    )
    url = presigned(storage, "GET", f"/{bucket}/secret", expires_s=60)

    assert answer(url.send()) == (400, "ExpiredToken")


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_signature_of_another_time_is_refused(
    storage: Storage, bucket: str, mocker: MockerFixture, minutes: int
) -> None:
    mocker.patch(
        "botocore.auth.get_current_datetime",
        return_value=(datetime.now(UTC) + timedelta(minutes=minutes)).replace(tzinfo=None),
    )

    assert answer(signed(storage, "GET", f"/{bucket}/secret").send()) == (
        403,
        "RequestTimeTooSkewed",
    )


def test_a_presigned_upload_can_not_be_made_a_copy(storage: Storage, bucket: str) -> None:
    url = presigned(storage, "PUT", f"/{bucket}/mine")
    evil = {"x-amz-copy-source": f"{bucket}/secret"}

    assert answer(url.send(headers=evil)) == (403, "AccessDenied")
    assert answer(url.send(headers={"x-amz-meta-a": "1"})) == (403, "AccessDenied")
    assert url.send(content=b"mine").status_code == 200
    assert url.send(content=b"mine").status_code == 200


def test_an_authorization_of_another_kind_does_not_disturb_a_presigned_url(
    storage: Storage, bucket: str
) -> None:
    url = presigned(storage, "GET", f"/{bucket}/secret")

    assert url.send(headers={"authorization": "Bearer x"}).content == b"secret"


def test_a_request_is_proven_as_its_client_saw_it(storage: Storage, bucket: str) -> None:
    seen = urlsplit(PUBLIC)
    public = httpx.URL(f"{PUBLIC}/storage/v1/s3/{bucket}/secret")
    url = presigned_elsewhere(str(public))
    query = urlsplit(url.url).query
    inside = f"{endpoint(storage)}/{bucket}/secret?{query}"

    assert httpx.get(inside).content == b"secret"
    forwarded = {"x-forwarded-host": seen.netloc, "x-forwarded-port": "443"}
    assert httpx.get(inside, headers=forwarded).content == b"secret"
    other = presigned_elsewhere(f"http://proxy.example.com:8443/storage/v1/s3/{bucket}/secret")
    inside = f"{endpoint(storage)}/{bucket}/secret?{urlsplit(other.url).query}"
    assert answer(httpx.get(inside)) == (403, "SignatureDoesNotMatch")
    for headers in (
        {"x-forwarded-host": "proxy.example.com:8443"},
        {"x-forwarded-host": "proxy.example.com", "x-forwarded-port": "8443"},
    ):
        assert httpx.get(inside, headers=headers).content == b"secret"


def presigned_elsewhere(url: str) -> Signed:
    """Return a URL signed for an address that no server of the test has."""

    class Elsewhere:
        class live:
            url = ""

    parts = urlsplit(url)
    Elsewhere.live.url = f"{parts.scheme}://{parts.netloc}{parts.path.partition('/storage')[0]}"
    return presigned(Elsewhere, "GET", parts.path.partition("/s3")[2])  # type: ignore[arg-type]


def test_a_prefix_that_a_client_claims_opens_no_other_object(storage: Storage, bucket: str) -> None:
    key = f"uploads/storage/v1/s3/{bucket}/secret"
    mine = presigned(storage, "GET", f"/{bucket}/{key}")
    stolen = f"{endpoint(storage)}/{bucket}/secret?{urlsplit(mine.url).query}"
    claimed = f"/storage/v1/s3/{bucket}/uploads"
    for name in ("x-forwarded-prefix", "x-forwarded-path", "x-original-uri", "x-script-name"):
        assert answer(httpx.get(stolen, headers={name: claimed})) == (403, "SignatureDoesNotMatch")


def test_chunks_that_are_signed_become_an_object(storage: Storage, bucket: str) -> None:
    made = chunked_put(storage, f"/{bucket}/chunked", [b"a" * 70_000, b"b" * 9])

    assert made.request.send(content=made.body).status_code == 200
    got = s3_client(storage).get_object(Bucket=bucket, Key="chunked")["Body"].read()
    assert got == b"a" * 70_000 + b"b" * 9


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda made: made.body.replace(b"evil", b"good"), "SignatureDoesNotMatch"),
        (lambda made: made.body.replace(b"4;", b"5;", 1), "InvalidRequest"),
        (lambda made: made.body.replace(b"4;", b"3;", 1), "InvalidRequest"),
        (lambda made: b"".join(made.chunks[:-1]), "IncompleteBody"),
        (lambda made: made.chunks[1] + made.chunks[0] + made.chunks[2], "SignatureDoesNotMatch"),
        (lambda made: made.chunks[0] + made.chunks[2], "SignatureDoesNotMatch"),
        (lambda made: made.body + made.chunks[0], "InvalidRequest"),
        (lambda made: b"4\r\nevil\r\n0\r\n\r\n", "InvalidSignature"),
        (lambda made: b"", "IncompleteBody"),
        (lambda made: b"f" * 100_000, "InvalidRequest"),
    ],
)
def test_chunks_that_were_spoilt_change_nothing(
    storage: Storage, bucket: str, spoil: Callable[[Chunked], bytes], code: str
) -> None:
    made = chunked_put(storage, f"/{bucket}/secret", [b"evil", b"twin"])

    assert answer(made.request.send(content=spoil(made))) == (
        403 if code == "SignatureDoesNotMatch" else 400,
        code,
    )
    assert s3_client(storage).get_object(Bucket=bucket, Key="secret")["Body"].read() == b"secret"
    assert not storage.orphans()


def test_a_length_that_is_not_that_of_the_chunks_is_refused(storage: Storage, bucket: str) -> None:
    for length in ("7", "9", "-1", "x"):
        lie = {"x_amz_decoded_content_length": length}
        made = chunked_put(storage, f"/{bucket}/secret", [b"evil", b"twin"], **lie)
        assert made.request.send(content=made.body).status_code == 400
    assert not storage.orphans()


def test_a_trailer_that_was_announced_must_come(storage: Storage, bucket: str) -> None:
    trailer = {"x_amz_trailer": "x-amz-checksum-crc32"}
    made = chunked_put(
        storage, f"/{bucket}/secret", [b"evil"], payload=f"{SIGNED}-TRAILER", **trailer
    )

    assert made.request.send(content=made.body).status_code == 400
    assert not storage.orphans()


def test_a_body_that_is_not_the_signed_one_changes_nothing(storage: Storage, bucket: str) -> None:
    put = signed(storage, "PUT", f"/{bucket}/secret", b"good")

    assert answer(put.send(content=b"evil")) == (400, "BadDigest")
    assert s3_client(storage).get_object(Bucket=bucket, Key="secret")["Body"].read() == b"secret"
    assert not storage.orphans()


BOMB = b"""<!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><Delete><Object><Key>&c;</Key></Object></Delete>"""


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (BOMB, 400),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><Delete/>', 400),
        (b"<Delete>" + b"<Object><Key>k</Key></Object>" * 1001 + b"</Delete>", 400),
        (b"<Delete>" * 100_000, 400),
        (b"<Delete><Object/></Delete>", 400),
        (b"<Delete>" + b" " * (4 * 1024 * 1024) + b"</Delete>", 413),
    ],
)
def test_documents_that_could_hurt_are_refused(
    storage: Storage, bucket: str, body: bytes, status: int
) -> None:
    refused = signed(storage, "POST", f"/{bucket}?delete=", body).send()

    assert answer(refused) == (status, "MalformedXML" if status == 400 else "EntityTooLarge")


def test_ten_thousand_parts_may_be_named_and_no_more(storage: Storage, bucket: str) -> None:
    client = s3_client(storage)
    begun = client.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    upload = {"Bucket": bucket, "Key": "k", "UploadId": begun}
    storage.sql(
        "insert into storage.s3_multipart_uploads_parts"
        " (upload_id, part_number, bucket_id, key, etag, version, size)"
        " select %s, n, %s, 'k', 'e', 'v', 1 from generate_series(1, 9999) as n",
        begun,
        bucket,
    )
    etag = client.upload_part(**upload, PartNumber=10_000, Body=b"x")["ETag"]
    listed = client.get_paginator("list_parts").paginate(**upload)
    assert sum(len(page["Parts"]) for page in listed) == 10_000
    for number, status in (("10001", 400), ("0", 400), ("-1", 400), ("1e3", 400)):
        path = f"/{bucket}/k?uploadId={begun}&partNumber={number}"
        assert signed(storage, "PUT", path, b"x").send().status_code == status
    item = '<Part><PartNumber>{}</PartNumber><ETag>"e"</ETag></Part>'
    for last, code in ((10_000, "InvalidPart"), (10_001, "InvalidRequest")):
        parts = "".join(map(item.format, range(1, last + 1)))
        body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        refused = signed(storage, "POST", f"/{bucket}/k?uploadId={begun}", body).send()
        assert answer(refused) == (400, code)
    named = {"Parts": [{"PartNumber": 10_000, "ETag": etag}]}
    client.complete_multipart_upload(**upload, MultipartUpload=named)
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


@pytest.mark.parametrize(
    "query",
    ["max-keys=-1", "max-keys=x", "encoding-type=base64", "list-type=2&continuation-token=%00"],
)
def test_a_query_that_makes_no_sense_is_refused(storage: Storage, bucket: str, query: str) -> None:
    assert signed(storage, "GET", f"/{bucket}?{query}").send().status_code == 400


def test_a_query_without_end_is_refused(storage: Storage, bucket: str) -> None:
    query = "&".join(f"a{number}=1" for number in range(200))

    assert httpx.get(f"{endpoint(storage)}/{bucket}?{query}").status_code == 400


def test_a_name_leads_nowhere(storage: Storage, bucket: str) -> None:
    for name in ("..%2F..%2Fetc%2Fpasswd", "a/../../b", "%00", "a%0d%0ab", "a/./b"):
        refused = signed(storage, "PUT", f"/{bucket}/{name}", b"x").send()
        assert refused.status_code in {400, 403, 404}, name
    assert storage.sql("select count(*) from storage.objects where bucket_id = %s", bucket) == [
        (1,)
    ]


@hypothesis.settings(max_examples=80)
@hypothesis.given(
    method=st.sampled_from(METHODS),
    place=st.sampled_from(
        ["", "/", "/fuzz", "/fuzz/", "/fuzz/k", "/fuzz/k/", "/fuzz//k", "/none", "/none/k"]
    )
    | st.text(min_size=1, max_size=8).map(lambda text: f"/fuzz/{quote(text)}"),
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
    assert signed(storage, "PUT", "/fuzz/k", b"0123456789").send().status_code == 200
    if "uploadId" in query:
        begun = signed(storage, "POST", "/fuzz/k?uploads=").send().text
        query["uploadId"] = begun.partition("<UploadId>")[2].partition("<")[0]
    text = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    made = signed(storage, method, f"{place}?{text}", body, headers=headers)
    answer = made.send()

    assert answer.status_code < 500 or answer.status_code == 501, answer.text
