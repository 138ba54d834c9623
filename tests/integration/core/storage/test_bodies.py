"""How bodies arrive: in chunks, too long, broken off; what stays is an object or nothing."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from tests.conftest import Database
from tests.integration.core.storage.conftest import Storage, running_storage, token_of
from tests.servers import wait_until

MEBIBYTE = 1024 * 1024
LARGE_BYTES = 192 * MEBIBYTE
MOST_GROWTH_BYTES = 60 * MEBIBYTE
TIMEOUT_S = 20
DECLARED = f"content-length: {10**12}"
PIECE = b"0123456789abcdef" * 65536


@contextmanager
def upload(storage: Storage, place: str, *headers: str) -> Iterator[socket.socket]:
    """Send the head of an upload by the service role and yield the connection."""
    host, port = storage.live.url.removeprefix("http://").split(":")
    lines = (
        f"POST /storage/v1/object/{place} HTTP/1.1",
        f"host: {host}",
        f"authorization: Bearer {token_of('service_role')}",
        *headers,
    )
    with socket.create_connection((host, int(port)), timeout=TIMEOUT_S) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        yield connection


def answer(connection: socket.socket) -> str:
    """Return all that comes until the server closes, or one answer with its length."""
    received = b""
    while True:
        data = connection.recv(65536)
        received += data
        head, end, body = received.partition(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.splitlines() if line.startswith(b"content-length:")),
            -1,
        )
        if not data or (end and 0 <= length <= len(body)):
            return received.decode()


def test_the_client_is_told_to_go_on_only_when_the_upload_may_be(storage: Storage) -> None:
    bucket = storage.bucket(file_size_limit=10)
    expect = "expect: 100-continue"
    with upload(storage, f"{bucket}/a", expect, "content-length: 5") as connection:
        assert connection.recv(65536).decode() == "HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"hello")
        assert answer(connection).startswith("HTTP/1.1 200 ")
    for place, length in ((f"{bucket}/b", 11), ("notfound/b", 5), (f"{bucket}/a", 5)):
        with upload(storage, place, expect, f"content-length: {length}") as connection:
            assert answer(connection).startswith("HTTP/1.1 400 ")


def test_chunks_of_any_size_are_put_together(storage: Storage) -> None:
    bucket = storage.bucket()
    with upload(storage, f"{bucket}/a", "transfer-encoding: chunked") as connection:
        for size in (1, 10, 100_000):
            connection.sendall(b"%x\r\n" % size + b"x" * size + b"\r\n")
        connection.sendall(b"0\r\n\r\n")
        assert answer(connection).startswith("HTTP/1.1 200 ")
    row = storage.row(bucket, "a")
    assert row is not None
    assert row["metadata"]["size"] == row["metadata"]["contentLength"] == 100_011


HALF = b"x" * 2_500_000
"""Of a body; more than is gathered before it is written"""


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (("content-length: 5000000",), HALF),
        (("transfer-encoding: chunked",), f"{len(HALF):x}\r\n".encode() + HALF + b"\r\n"),
        (
            ("content-length: 5000000", "content-type: multipart/form-data; boundary=b"),
            b'--b\r\nContent-Disposition: form-data; filename="a"\r\n\r\n' + HALF,
        ),
    ],
)
def test_who_goes_away_in_the_middle_leaves_nothing(
    storage: Storage, headers: tuple[str, ...], body: bytes
) -> None:
    bucket = storage.bucket()
    with ExitStack() as stack:
        for number in range(8):  # more than there are connections to Postgres
            place = f"{bucket}/{number}"
            stack.enter_context(upload(storage, place, *headers)).sendall(body)
        wait_until(lambda: len(storage.orphans()) == 8)  # on their way in
        # Nobody who is still sending holds up others.
        assert storage.service.post(f"/object/{bucket}/whole", content=b"x").status_code == 200
    wait_until(lambda: not storage.orphans())
    assert storage.sql("select count(*) from storage.objects where bucket_id = %s", bucket) == [
        (1,)
    ]


def test_a_chunk_that_is_none_leaves_nothing(storage: Storage) -> None:
    bucket = storage.bucket()
    with upload(storage, f"{bucket}/a", "transfer-encoding: chunked") as connection:
        connection.sendall(b"5\r\nhello\r\nzz\r\n")
        assert answer(connection).startswith("HTTP/1.1 400 ")
    wait_until(lambda: not storage.orphans())
    assert storage.row(bucket, "a") is None


@pytest.mark.parametrize(
    ("headers", "is_sent"),
    [
        ((DECLARED,), True),
        (("transfer-encoding: chunked",), True),
        ((DECLARED,), False),
        ((DECLARED, "content-type: multipart/form-data; boundary=b"), False),
    ],
)
def test_a_body_that_is_too_large_is_not_taken_in(
    storage: Storage, headers: tuple[str, ...], is_sent: bool
) -> None:
    bucket = storage.bucket(file_size_limit=MEBIBYTE)
    with upload(storage, f"{bucket}/a", *headers) as connection:
        if is_sent:
            connection.sendall((b"100000\r\n" + b"x" * MEBIBYTE + b"\r\n") * 2)
        told = answer(connection)
        assert told.startswith("HTTP/1.1 400 ")
        assert "\r\nconnection: close\r\n" in told
        assert '"statusCode":"413"' in told
        assert connection.recv(1) == b""
    assert not storage.orphans()


def test_a_small_body_that_is_refused_costs_no_connection(storage: Storage) -> None:
    with upload(storage, "none/a", "content-length: 5") as connection:
        connection.sendall(b"hello")
        assert "connection: close" not in answer(connection)
        request = f"GET /storage/v1/status HTTP/1.1\r\nhost: {storage.live.url}\r\n\r\n"
        connection.sendall(request.encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_memory_does_not_grow_with_the_object(database: Database, tmp_path: Path) -> None:
    # The same road carries a gibibyte; less keeps the tests short.
    limit = {"UPLOAD_FILE_SIZE_LIMIT": str(LARGE_BYTES)}
    with running_storage(database, tmp_path, limit) as storage:
        place = f"{storage.bucket()}/a"
        storage.service.post(f"/object/{place}", content=PIECE).raise_for_status()
        storage.service.delete(f"/object/{place}").raise_for_status()
        begin = b'--b\r\nContent-Disposition: form-data; filename="a"\r\n\r\n'
        form = "content-type: multipart/form-data; boundary=b"
        assert growth_while(storage, place) < MOST_GROWTH_BYTES
        assert growth_while(storage, place, form, begin, b"\r\n--b--\r\n") < MOST_GROWTH_BYTES


def growth_while(
    storage: Storage, place: str, header: str = "x: y", begin: bytes = b"", end: bytes = b""
) -> int:
    """Store and delete a large object; return the bytes by which the core grew at most."""
    process, count = psutil.Process(storage.live.pid), LARGE_BYTES // len(PIECE)
    before = most = process.memory_info().rss
    length = f"content-length: {LARGE_BYTES + len(begin) + len(end)}"
    digest = hashlib.md5(usedforsecurity=False)
    with upload(storage, place, length, header) as connection:
        connection.sendall(begin)
        for _ in range(count):
            connection.sendall(PIECE)
            digest.update(PIECE)
            most = max(most, process.memory_info().rss)
        connection.sendall(end)
        assert answer(connection).startswith("HTTP/1.1 200 ")
    deleted = storage.service.request(
        "DELETE", f"/object/{place.split('/')[0]}", json={"prefixes": ["a"]}
    )
    assert deleted.json()[0]["metadata"]["eTag"] == f'"{digest.hexdigest()}"'
    return most - before
