"""Who has the turn of an upload: takeovers, races, lost clients, several cores, lost processes."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg

from gavan.core.storage.resumable.guards import HELD, lock_number
from gavan.core.storage.resumable.naming import decode
from tests.conftest import Database
from tests.integration.core.storage.conftest import Storage, running_storage, token_of
from tests.integration.core.storage.tus import BYTES, begin, begun, go_on, look
from tests.live import running_core
from tests.servers import wait_until

SLOW = 12
"""More than the service has connections to Postgres"""
RACED = 2_000_000


class Stalled:
    """A client that announces bytes, sends some of them, and then says nothing more."""

    def __init__(self, url: str, path: str, offset: int, sent: bytes, announced: int) -> None:
        address = urlsplit(url)
        self._socket = socket.create_connection((address.hostname, address.port), timeout=60)
        head = (
            f"PATCH /storage/v1{path} HTTP/1.1\r\nhost: x\r\n"
            f"authorization: Bearer {token_of('service_role')}\r\ntus-resumable: 1.0.0\r\n"
            f"upload-offset: {offset}\r\ncontent-type: {BYTES}\r\n"
            f"content-length: {announced}\r\n\r\n"
        )
        self._socket.sendall(head.encode() + sent)

    def send(self, more: bytes) -> None:
        self._socket.sendall(more)

    def answer(self) -> str:
        """Return all that comes until the connection ends."""
        parts = []
        while part := self._socket.recv(65536):
            parts.append(part)
        return b"".join(parts).decode().lower()

    def status(self) -> int:
        """Return the status of the answer, when it comes."""
        return int(self._socket.recv(12).decode().split()[1])

    def close(self) -> None:
        self._socket.close()


@contextmanager
def stalled(storage: Storage, path: str, offset: int, sent: bytes) -> Iterator[Stalled]:
    """Have a client that has sent bytes, while the service waits for more of them."""
    client = Stalled(storage.live.url, path, offset, sent, 1000)
    try:
        wait_until(lambda: bool(_holders(storage, path)))
        yield client
    finally:
        client.close()


def _version(path: str) -> str:
    return decode(path.rpartition("/")[2]).version


def _number(path: str) -> int:
    return lock_number(HELD, _version(path))


def _holders(storage: Storage, *paths: str) -> list[int]:
    """Return the processes of Postgres that keep the turns of uploads."""
    rows = storage.sql(
        "select pid from pg_locks where locktype = 'advisory' and granted"
        " and (classid::bigint << 32) | objid::bigint = any(%s)",
        [_number(path) for path in paths],
    )
    return [pid for (pid,) in rows]


def test_whoever_comes_back_takes_over_from_a_client_that_is_silent(storage: Storage) -> None:
    path = begun(storage.service, storage.bucket(), "a", 1000)
    with stalled(storage, path, 0, b"x" * 10) as silent:
        head = look(storage.service, path)
        assert (head.status_code, head.headers["upload-offset"]) == (200, "10")
        answer = silent.answer()
    assert answer.startswith("http/1.1 204")
    assert "upload-offset: 10\r\n" in answer
    assert "connection: close" in answer
    assert go_on(storage.service, path, 10, b"y" * 990).headers["tus-complete"] == "1"


def test_a_client_that_still_sends_is_let_finish(storage: Storage) -> None:
    path = begun(storage.service, storage.bucket(), "a", 1000)
    with stalled(storage, path, 0, b"x" * 400) as sender:
        looked: list[httpx.Response] = []
        looker = threading.Thread(target=lambda: looked.append(look(storage.service, path)))
        looker.start()
        for _ in range(6):
            sender.send(b"x" * 100)
        looker.join(60)
    assert looked[0].headers["upload-offset"] == "1000"


def test_a_client_that_leaves_keeps_what_it_sent(storage: Storage) -> None:
    path = begun(storage.service, storage.bucket(), "a", 1000)
    with stalled(storage, path, 0, b"x" * 300):
        pass
    assert look(storage.service, path).headers["upload-offset"] == "300"


def test_of_two_that_send_the_same_piece_one_is_told_of_the_conflict(storage: Storage) -> None:
    path = begun(storage.service, storage.bucket(), "a", 4)
    answers: list[int] = []

    def send(letter: bytes) -> None:
        token = {"authorization": f"Bearer {token_of('service_role')}"}
        with httpx.Client(base_url=f"{storage.live.url}/storage/v1", headers=token) as client:
            answers.append(go_on(client, path, 0, letter * 2).status_code)

    senders = [threading.Thread(target=send, args=(letter,)) for letter in (b"a", b"b", b"c")]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(60)
    assert sorted(answers) == [204, 409, 409]
    assert look(storage.service, path).headers["upload-offset"] == "2"


def test_slow_clients_take_no_connection_from_the_others(storage: Storage) -> None:
    bucket = storage.bucket()
    paths = [begun(storage.service, bucket, f"a{n}", 1000) for n in range(SLOW)]
    slow = [Stalled(storage.live.url, path, 0, b"x" * 10, 1000) for path in paths]
    try:
        wait_until(lambda: len(_holders(storage, *paths)) == SLOW)
        assert len(set(_holders(storage, *paths))) == 1
        assert begin(storage.service, bucket, "quick", 3, content=b"abc").status_code == 201
    finally:
        for client in slow:
            client.close()


def test_another_core_takes_over_and_keeps_off(storage: Storage, tmp_path: Path) -> None:
    path = begun(storage.service, storage.bucket(), "a", 1000)
    folder = {"FILE_STORAGE_BACKEND_PATH": str(storage.folder)}
    with running_core(storage.database, tmp_path / "core.log", folder) as live:
        token = {"authorization": f"Bearer {live.service_key}"}
        with (
            httpx.Client(base_url=f"{live.url}/storage/v1", headers=token, timeout=60) as other,
            stalled(storage, path, 0, b"x" * 10) as silent,
        ):
            head = look(other, path)
            assert (head.status_code, head.headers["upload-offset"]) == (200, "10")
            assert "upload-offset: 10\r\n" in silent.answer()
            assert go_on(other, path, 10, b"y" * 10).status_code == 204
        assert look(storage.service, path).headers["upload-offset"] == "20"
        _race(storage, [storage.live.url, live.url])


def _race(storage: Storage, urls: list[str]) -> None:
    """Have clients of several cores send the same upload at once; all of them get through."""
    bucket, content = storage.bucket(), os.urandom(RACED)
    path = begun(storage.service, bucket, "raced", RACED)
    seen: set[int] = set()

    def send_all(number: int) -> None:
        token = {"authorization": f"Bearer {token_of('service_role')}"}
        url, size = urls[number % len(urls)], 40_000 * (number + 1)
        with httpx.Client(base_url=f"{url}/storage/v1", headers=token, timeout=60) as client:
            while (offset := _offset(client, path)) < RACED:
                piece = content[offset : offset + size]
                seen.add(go_on(client, path, offset, piece).status_code)

    senders = [threading.Thread(target=send_all, args=(number,)) for number in range(4)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(60)
    assert seen <= {204, 409, 423}
    row = storage.row(bucket, "raced")
    assert row is not None
    assert (storage.folder / row["version"][:2] / row["version"]).read_bytes() == content


def _offset(client: httpx.Client, path: str) -> int:
    head = look(client, path)
    return int(head.headers["upload-offset"]) if head.status_code == 200 else 0


def test_an_upload_that_is_not_given_up_is_locked(storage: Storage) -> None:
    path = begun(storage.service, storage.bucket(), "a", 1000)
    with stalled(storage, path, 0, b"x" * 10):
        (holder,) = _holders(storage, path)
        with storage.database.connect("supabase_admin") as other:
            # Somebody who never lets go stands where another core would.
            storage.sql("select pg_terminate_backend(%s)", holder)
            wait_until(lambda: _takes(other, _number(path)))
            locked = go_on(storage.service, path, 10, b"y")
        assert (locked.status_code, locked.text) == (423, "The resource is locked")
    assert look(storage.service, path).headers["upload-offset"] == "10"


def _takes(connection: psycopg.Connection[object], number: int) -> bool:
    row = connection.execute("select pg_try_advisory_lock(%s)", (number,)).fetchone()
    return row == (True,)


def test_a_killed_core_loses_nothing_that_it_told_of(database: Database, tmp_path: Path) -> None:
    with running_storage(database, tmp_path) as storage:
        bucket = storage.bucket()
        part = begun(storage.service, bucket, "part", 3000)
        assert go_on(storage.service, part, 0, b"x" * 1000).status_code == 204
        whole = begun(storage.service, bucket, "whole", 1000)
        version = _version(whole)
        with (
            stalled(storage, part, 1000, b"x" * 500),
            stalled(storage, whole, 0, b"x" * 900) as client,
            storage.session() as other,
        ):
            other.execute("lock table storage.objects in share mode")
            wait_until(lambda: _growing(storage, version))
            client.send(b"x" * 100)
            wait_until(lambda: not _growing(storage, version))  # a blob, whose row waits
            os.kill(storage.live.pid, signal.SIGKILL)
            other.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name = 'gavan-storage'"
            )
        assert storage.row(bucket, "whole") is None
    with running_storage(database, tmp_path) as storage:
        offset = int(look(storage.service, part).headers["upload-offset"])
        assert 1000 <= offset <= 1500
        assert go_on(storage.service, part, offset, b"x" * (3000 - offset)).status_code == 204
        assert storage.row(bucket, "part") is not None
        # One that was complete, and no object, becomes one when somebody looks at it.
        head = look(storage.service, whole)
        assert (head.status_code, head.headers["upload-offset"]) == (200, "1000")
        row = storage.row(bucket, "whole")
        assert row is not None
        assert row["metadata"]["eTag"] == f'"{hashlib.md5(b"x" * 1000).hexdigest()}"'
        assert storage.orphans() == set()


def test_an_end_that_fails_for_now_is_tried_again(storage: Storage) -> None:
    bucket = storage.bucket()
    path = begun(storage.service, bucket, "a", 1000)
    with stalled(storage, path, 0, b"x" * 900) as client, storage.session() as other:
        other.execute("lock table storage.objects in share mode")
        client.send(b"x" * 100)
        waiting = (
            "select pg_cancel_backend(pid) from pg_stat_activity"
            " where application_name = 'gavan-storage' and wait_event_type = 'Lock'"
        )
        wait_until(lambda: bool(storage.sql(waiting)))
        assert client.status() == 544
    assert storage.row(bucket, "a") is None
    upserting = go_on(storage.service, path, 1000, b"")
    assert upserting.headers["tus-complete"] == "1"
    assert storage.row(bucket, "a") is not None


def _growing(storage: Storage, version: str) -> bool:
    return any(storage.folder.glob(f".staging/*{version}"))


def test_a_restart_of_postgres_is_something_to_try_again_after(storage: Storage) -> None:
    path = begun(storage.service, storage.bucket(), "a", 40)
    killing = (
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where application_name in ('gavan-storage', 'gavan-storage-uploads')"
    )
    told = []
    for _ in range(10):
        storage.sql(killing)
        offset = int(look_again(storage, path).headers["upload-offset"])
        sent = go_on(storage.service, path, offset, b"x" * 4)
        told.append(sent.status_code)
    assert set(told) <= {204, 503}
    head = look_again(storage, path)
    assert int(head.headers["upload-offset"]) == told.count(204) * 4


def look_again(storage: Storage, path: str) -> httpx.Response:
    """Ask until there is an answer."""
    found: list[httpx.Response] = []

    def ask() -> bool:
        found.append(look(storage.service, path))
        return found[-1].status_code != 503

    wait_until(ask)
    return found[-1]
