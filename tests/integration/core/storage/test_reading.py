"""Objects are read: who may, which part, and what the headers say; over a live core."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit
from uuid import uuid4

import psutil
import pytest
from psycopg.types.json import Jsonb

from tests.integration.core.storage.conftest import ANNE, Storage
from tests.servers import wait_until

TEXT = b"0123456789"
ETAG = '"781e5e245d69b566979b86e28d23f2c7"'
MEBIBYTE = 1024 * 1024
NO_BUCKET = {
    "statusCode": "404",
    "error": "Bucket not found",
    "message": "Bucket not found",
    "code": "NoSuchBucket",
}
NO_OBJECT = {
    "statusCode": "404",
    "error": "not_found",
    "message": "Object not found",
    "code": "NoSuchKey",
}
MINE = "for select to authenticated using (owner_id = auth.jwt() ->> 'sub')"


def put(storage: Storage, bucket: str, name: str = "a.txt", **headers: str) -> None:
    """Store ten digits; underscores in the names of headers stand for dashes."""
    sent = {"content-type": "text/plain", "cache-control": "max-age=60", "x-upsert": "true"}
    sent |= {key.replace("_", "-"): value for key, value in headers.items()}
    answer = storage.service.post(f"/object/{bucket}/{name}", content=TEXT, headers=sent)
    assert answer.status_code == 200, answer.text


def tell(storage: Storage, bucket: str, key: str, value: object) -> None:
    """Have the rows of a bucket say something else, past the service."""
    storage.sql(
        "update storage.objects set metadata = jsonb_set(metadata, %s, %s) where bucket_id = %s",
        [key],
        Jsonb(value),
        bucket,
    )


def put_large(storage: Storage, bucket: str, size: int) -> Path:
    """Have an object ``large`` of so many zeros that take no room; return where its bytes are."""
    version = str(uuid4())
    blob = storage.folder / version[:2] / version
    blob.parent.mkdir(parents=True, exist_ok=True)
    with blob.open("wb") as stream:
        stream.truncate(size)
    storage.sql(
        "insert into storage.objects (bucket_id, name, version, metadata)"
        " values (%s, 'large', %s, jsonb_build_object('size', %s::bigint))",
        bucket,
        version,
        size,
    )
    return blob


@pytest.fixture(scope="module")
def private(storage: Storage) -> str:
    bucket = storage.bucket()
    put(storage, bucket)
    return bucket


@pytest.fixture(scope="module")
def public(storage: Storage) -> str:
    bucket = storage.bucket(public=True)
    put(storage, bucket)
    return bucket


@pytest.fixture
def open_to_owners(storage: Storage) -> Iterator[str]:
    """A private bucket whose object ``a.txt`` is Anne's, and only she may read it."""
    bucket = storage.bucket()
    put(storage, bucket)
    storage.sql("update storage.objects set owner_id = %s where bucket_id = %s", ANNE, bucket)
    with storage.policies(MINE):
        yield bucket


def test_an_object_is_sent_with_what_is_known_of_it(storage: Storage, private: str) -> None:
    answer = storage.service.get(f"/object/authenticated/{private}/a.txt")
    assert (answer.status_code, answer.content) == (200, TEXT)
    headers = dict(answer.headers)
    assert headers.pop("last-modified").endswith(" GMT")
    assert headers.pop("date")
    assert headers.pop("x-request-id")
    assert headers.pop("server")
    assert headers == {
        "content-type": "text/plain",
        "content-length": "10",
        "etag": ETAG,
        "cache-control": "max-age=60",
        "accept-ranges": "bytes",
        "x-robots-tag": "none",
        "x-content-type-options": "nosniff",
    }
    head = storage.service.head(f"/object/authenticated/{private}/a.txt")
    assert (head.status_code, head.content) == (200, b"")
    of_one_answer = ("date", "x-request-id")
    assert [item for item in head.headers.items() if item[0] not in of_one_answer] == [
        item for item in answer.headers.items() if item[0] not in of_one_answer
    ]


def test_head_asks_the_row_alone(storage: Storage) -> None:
    bucket = storage.bucket(public=True)
    put_large(storage, bucket, 7).unlink()
    head = storage.nobody.head(f"/object/public/{bucket}/large")
    assert (head.status_code, head.headers["content-length"]) == (200, "7")


def test_a_row_without_its_blob_is_told_from_no_row(storage: Storage) -> None:
    bucket = storage.bucket(public=True)
    put_large(storage, bucket, 7).unlink()
    answer = storage.nobody.get(f"/object/public/{bucket}/large")
    assert answer.status_code == 400
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "statusCode": "404",
        "error": "Not found",
        "message": "The resource was not found",
        "code": "NoSuchKey",
    }


@pytest.mark.parametrize("version", ["../../../../etc/passwd", "", "/etc/passwd", None])
def test_a_version_that_others_wrote_leads_nowhere(storage: Storage, version: str | None) -> None:
    bucket = storage.bucket(public=True)
    put(storage, bucket)
    storage.sql("update storage.objects set version = %s where bucket_id = %s", version, bucket)
    answer = storage.nobody.get(f"/object/public/{bucket}/a.txt")
    assert answer.json()["message"] == "The resource was not found"


@pytest.mark.parametrize(
    ("asked", "content", "place"),
    [
        ("bytes=2-5", b"2345", "bytes 2-5/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-2", b"89", "bytes 8-9/10"),
        ("bytes=5-99", b"56789", "bytes 5-9/10"),
    ],
)
def test_a_part_is_sent(
    storage: Storage, public: str, asked: str, content: bytes, place: str
) -> None:
    answer = storage.nobody.get(f"/object/public/{public}/a.txt", headers={"range": asked})
    assert (answer.status_code, answer.content) == (206, content)
    assert answer.headers["content-range"] == place
    assert answer.headers["content-length"] == str(len(content))
    assert answer.headers["etag"] == ETAG


def test_a_part_that_is_not_there_is_refused_with_its_real_status(
    storage: Storage, public: str
) -> None:
    for asked in ("bytes=10-", "bytes=0-1,3-4"):
        answer = storage.nobody.get(f"/object/public/{public}/a.txt", headers={"range": asked})
        assert (answer.status_code, answer.json()["error"]) == (416, "invalid_range")
        assert answer.headers["content-range"] == "bytes */10"


def test_sizes_that_a_row_tells_wrongly_do_no_harm(storage: Storage) -> None:
    bucket = storage.bucket(public=True)
    put(storage, bucket)
    for size in (99, 3, "many", -1, True, None):
        tell(storage, bucket, "size", size)
        path = f"/object/public/{bucket}/a.txt"
        assert storage.nobody.get(path).content == TEXT
        part = storage.nobody.get(path, headers={"range": "bytes=-2"})
        assert (part.content, part.headers["content-range"]) == (b"89", "bytes 8-9/10")


@pytest.mark.parametrize("metadata", [None, [], ["size", 3], "text", 7, {"size": {"a": 1}}])
def test_metadata_that_others_wrote_may_be_anything(storage: Storage, metadata: object) -> None:
    bucket = storage.bucket(public=True)
    put(storage, bucket)
    value = Jsonb(metadata)
    storage.sql("update storage.objects set metadata = %s where bucket_id = %s", value, bucket)
    answer = storage.nobody.get(f"/object/public/{bucket}/a.txt")
    assert (answer.content, answer.headers["content-type"]) == (TEXT, "application/octet-stream")
    assert storage.nobody.head(f"/object/public/{bucket}/a.txt").status_code == 200
    assert storage.nobody.get(f"/object/info/public/{bucket}/a.txt").json()["etag"] is None


def test_what_the_client_has_is_not_sent_again(storage: Storage, public: str) -> None:
    path = f"/object/public/{public}/a.txt"
    since = storage.nobody.get(path).headers["last-modified"]
    known: list[dict[str, str]] = [{"if-none-match": ETAG}, {"if-modified-since": since}]
    for headers in known:
        for answer in (
            storage.nobody.get(path, headers=headers),
            storage.nobody.head(path, headers=headers),
        ):
            assert (answer.status_code, answer.content) == (304, b"")
            assert answer.headers["etag"] == ETAG
    other = {"if-none-match": '"other"', "if-modified-since": since}
    assert storage.nobody.get(path, headers=other).content == TEXT


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("download", "attachment;"),
        ("download=", "attachment;"),
        (
            "download=testname.png",
            "attachment; filename=testname.png; filename*=UTF-8''testname.png",
        ),
        (
            "download=%D1%85%22%0d%0aset-cookie:%20a%3Db;.png",
            "attachment; filename=%D1%85%22%0D%0Aset-cookie%3A%20a%3Db%3B.png;"
            " filename*=UTF-8''%D1%85%22%0D%0Aset-cookie%3A%20a%3Db%3B.png",
        ),
    ],
)
def test_an_object_is_saved_under_the_name_that_is_asked_for(
    storage: Storage, public: str, query: str, expected: str
) -> None:
    answer = storage.nobody.get(f"/object/public/{public}/a.txt?{query}")
    assert answer.headers["content-disposition"] == expected
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("mime", "served", "is_confined"),
    [
        ("text/html", "text/plain", False),
        ("TEXT/HTML; charset=utf-8", "text/plain", False),
        ("image/svg+xml", "image/svg+xml", True),
        ("application/xhtml+xml", "application/xhtml+xml", True),
        ("text/xml; charset=utf-8", "text/xml; charset=utf-8", True),
        ("multipart/x-mixed-replace; boundary=x", "multipart/x-mixed-replace; boundary=x", True),
        ("image/png", "image/png", False),
        ("application/pdf", "application/pdf", False),
    ],
)
def test_what_could_run_in_the_origin_of_the_stack_does_not(
    storage: Storage, mime: str, served: str, is_confined: bool
) -> None:
    bucket = storage.bucket(public=True)
    put(storage, bucket)
    tell(storage, bucket, "mimetype", mime)
    for answer in (
        storage.nobody.get(f"/object/public/{bucket}/a.txt"),
        storage.nobody.head(f"/object/public/{bucket}/a.txt"),
    ):
        assert answer.headers["content-type"] == served
        assert answer.headers["x-content-type-options"] == "nosniff"
        policy = answer.headers.get("content-security-policy", "")
        assert ("sandbox" in policy and "default-src 'none'" in policy) is is_confined


@pytest.mark.parametrize("key", ["mimetype", "cacheControl", "eTag", "xRobotsTag"])
@pytest.mark.parametrize("value", ["a\r\nset-cookie: a=b", "a\x01", "a\u20ac"])
def test_a_stored_value_that_no_header_can_carry_is_an_error(
    storage: Storage, key: str, value: str
) -> None:
    bucket = storage.bucket(public=True)
    put(storage, bucket)
    tell(storage, bucket, key, value)
    answer = storage.nobody.get(f"/object/public/{bucket}/a.txt")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_header_char")
    assert "set-cookie" not in answer.headers


def test_robots_are_told_what_was_stored(storage: Storage) -> None:
    bucket = storage.bucket(public=True)
    for value in ("all, max-image-preview:large", "noindex"):
        put(storage, bucket, x_robots_tag=value)
        answer = storage.nobody.get(f"/object/public/{bucket}/a.txt")
        assert answer.headers["x-robots-tag"] == value


def test_everybody_reads_public_buckets_and_nobody_private_ones(
    storage: Storage, public: str, private: str
) -> None:
    for someone in (storage.nobody, storage.anon, storage.anne, storage.client("garbage")):
        for form in ("public/", ""):
            path = f"{form}{public}/a.txt"
            assert someone.get(f"/object/{path}").content == TEXT
            assert someone.head(f"/object/{path}").status_code == 200
            assert someone.get(f"/object/info/{path}").json()["size"] == 10
        assert someone.get(f"/object/public/{private}/a.txt").json() == NO_BUCKET
        assert someone.get(f"/object/info/public/{private}/a.txt").json() == NO_BUCKET
    for visitor in (storage.nobody, storage.client("garbage")):
        assert visitor.get(f"/object/{private}/a.txt").json() == NO_BUCKET
        assert visitor.get(f"/object/info/{private}/a.txt").json() == NO_BUCKET
        assert visitor.head(f"/object/{private}/a.txt").status_code == 400
        for form in ("", "info/"):
            refused = visitor.get(f"/object/{form}authenticated/{public}/a.txt")
            assert (refused.status_code, refused.json()["statusCode"]) == (400, "403")


def test_an_object_of_a_private_bucket_is_read_by_whom_a_policy_shows_it(
    storage: Storage, open_to_owners: str
) -> None:
    for form in ("authenticated/", ""):
        path = f"{form}{open_to_owners}/a.txt"
        assert storage.anne.get(f"/object/{path}").content == TEXT
        assert storage.anne.head(f"/object/{path}").status_code == 200
        assert storage.anne.get(f"/object/info/{path}").json()["etag"] == ETAG
        for other in (storage.boris, storage.anon):
            assert other.get(f"/object/{path}").json() == NO_OBJECT
            assert other.get(f"/object/info/{path}").json() == NO_OBJECT
            missed = other.head(f"/object/{path}")
            assert (missed.status_code, missed.content) == (400, b"")


def test_policies_are_told_what_is_asked_and_how(storage: Storage, private: str) -> None:
    seen = (
        "for select to anon using ("
        " current_setting('request.path') = '/object/authenticated/{0}/a.txt?download=a%%20b'"
        " and current_setting('request.method') = 'GET'"
        " and current_setting('request.headers')::json ->> 'x-shown' = 'yes'"
        " and storage.operation() = 'storage.object.get_authenticated')"
    )
    with storage.policies(seen.format(private)):
        path = f"/object/authenticated/{private}/a.txt?download=a%20b"
        assert storage.anon.get(path, headers={"X-Shown": "yes"}).status_code == 200
        assert storage.anon.get(path).json() == NO_OBJECT


def test_missing_objects_buckets_and_routes_are_told_apart(storage: Storage, private: str) -> None:
    service = storage.service
    for form in ("authenticated/", "", "info/authenticated/", "info/"):
        assert service.get(f"/object/{form}{private}/none").json() == NO_OBJECT
        assert service.get(f"/object/{form}none/a.txt").json() == NO_BUCKET
        missed = service.head(f"/object/{form}{private}/none")
        assert (missed.status_code, missed.content) == (400, b"")
    for bad in ("", "a/%2E%2E/%2E%2E/b", "%D1%85"):
        answer = service.get(f"/object/authenticated/{private}/{bad}")
        assert (answer.status_code, answer.json()["code"]) == (400, "InvalidKey"), answer.text
    for nul in (f"{private}%00/a.txt", f"{private}/a.txt%00b"):
        answer = service.get(f"/object/authenticated/{nul}")
        assert (answer.status_code, answer.json()["code"]) == (400, "InvalidParameter")
    answer = service.get("/object/notfound?a=b")
    assert answer.status_code == 404
    assert answer.json() == {
        "statusCode": "404",
        "error": "Not Found",
        "message": "Route GET:/object/notfound?a=b not found",
        "code": "InvalidRequest",
    }


def test_what_is_known_of_an_object_is_told(storage: Storage) -> None:
    bucket = storage.bucket()
    put(storage, bucket, "a/b.txt")
    told = storage.service.get(f"/object/info/authenticated/{bucket}/a/b.txt")
    row = storage.row(bucket, "a/b.txt")
    assert row is not None
    body = told.json()
    for time in (body.pop("created_at"), body.pop("last_modified")):
        assert (len(time), time[-1]) == (len("2021-02-17T04:43:32.770Z"), "Z")
    assert body == {
        "id": row["id"],
        "name": "a/b.txt",
        "version": row["version"],
        "bucket_id": bucket,
        "size": 10,
        "content_type": "text/plain",
        "cache_control": "max-age=60",
        "etag": ETAG,
        "metadata": {},
    }
    assert told.headers["etag"] == ETAG
    assert storage.service.head(f"/object/info/{bucket}/a/b.txt").headers["etag"] == ETAG


def test_a_bucket_that_turns_private_is_closed_at_once(storage: Storage) -> None:
    bucket = storage.bucket(public=True)
    put(storage, bucket)
    path = f"/object/public/{bucket}/a.txt"
    assert storage.nobody.get(path).status_code == 200
    assert storage.service.put(f"/bucket/{bucket}", json={"public": False}).status_code == 200
    assert storage.nobody.get(path).json() == NO_BUCKET
    assert storage.nobody.get(f"/object/{bucket}/a.txt").json() == NO_BUCKET


def test_names_with_signs_of_urls_are_read_as_they_are(storage: Storage, private: str) -> None:
    for name in ("special file @+$,;=?.txt", "a///child.txt", "(it's)!*&:.txt"):
        path = f"/object/{private}/{quote(name)}"
        sent = storage.service.post(path, content=TEXT)
        assert sent.status_code == 200, sent.text
        assert storage.service.get(path).content == TEXT


def blobs_held(storage: Storage) -> list[str]:
    """Return the blobs that the core has open."""
    opened = Path(f"/proc/{storage.live.pid}/fd")
    paths = []
    for link in opened.iterdir():
        try:
            paths.append(str(link.readlink()))
        except FileNotFoundError:
            continue
    return [path for path in paths if path.startswith(str(storage.folder))]


def test_a_client_that_leaves_lets_go_of_the_blob(storage: Storage) -> None:
    bucket = storage.bucket(public=True)
    put_large(storage, bucket, 64 * MEBIBYTE)
    address = urlsplit(storage.live.url)
    with socket.create_connection((address.hostname, address.port or 0)) as connection:
        connection.sendall(
            f"GET /storage/v1/object/public/{bucket}/large HTTP/1.1\r\nhost: x\r\n\r\n".encode()
        )
        assert connection.recv(1024).startswith(b"HTTP/1.1 200")
        wait_until(lambda: len(blobs_held(storage)) == 1)
    wait_until(lambda: not blobs_held(storage))
    part = storage.nobody.get(f"/object/public/{bucket}/large", headers={"range": "bytes=0-0"})
    assert part.content == b"\0"
    wait_until(lambda: not blobs_held(storage))


def test_an_object_that_is_deleted_under_a_reader_is_read_to_its_end(storage: Storage) -> None:
    bucket = storage.bucket(public=True)
    blob = put_large(storage, bucket, 64 * MEBIBYTE)
    path = f"/object/public/{bucket}/large"
    with storage.nobody.stream("GET", path) as answer:
        chunks = answer.iter_bytes(MEBIBYTE)
        received = len(next(chunks))
        assert storage.service.delete(f"/object/{bucket}/large").status_code == 200
        assert not blob.exists()
        received += sum(map(len, chunks))
    assert received == 64 * MEBIBYTE
    assert storage.nobody.get(path).json() == NO_OBJECT


def test_a_large_object_takes_no_memory(storage: Storage) -> None:
    bucket = storage.bucket(public=True)
    size = 512 * MEBIBYTE
    put_large(storage, bucket, size)
    process = psutil.Process(storage.live.pid)
    before = process.memory_info().rss
    most, received = before, 0
    with storage.nobody.stream("GET", f"/object/public/{bucket}/large") as answer:
        for number, chunk in enumerate(answer.iter_raw(MEBIBYTE)):
            received += len(chunk)
            if number % 32 == 0:
                most = max(most, process.memory_info().rss)
    assert received == size
    assert most - before < 60 * MEBIBYTE
