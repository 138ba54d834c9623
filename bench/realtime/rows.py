"""Row changes: how many pass the policies each second, and how late they come to a socket."""

from __future__ import annotations

import socket
import statistics
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread

import psycopg

from bench.machine import cpu_s
from bench.realtime.servers import Target
from bench.realtime.wire import await_bytes, join_frame, open_socket
from bench.rest.load import LoadFailed
from bench.rest.servers import FAR_AWAY, JWT_SECRET
from gavan.database.embedded import ADMIN, Server
from gavan.kit.jwt import sign

SUBSCRIBED = b"Subscribed to PostgreSQL"
SCHEMA = """
create table if not exists public.note (
    id bigint generated always as identity primary key,
    owner uuid not null,
    text text not null
);
create index if not exists note_owner on public.note (owner);
alter table public.note enable row level security;
drop policy if exists own on public.note;
create policy own on public.note for select using (owner = auth.uid());
grant select on public.note to authenticated;
do $$ begin
    if not exists (select from pg_publication_tables where tablename = 'note') then
        alter publication supabase_realtime add table public.note;
    end if;
end $$;
"""
CHANGES = [{"event": "INSERT", "schema": "public", "table": "note"}]
INSERT = "insert into public.note (owner, text) values (%s, 'a note')"
INSERT_MANY = (
    "insert into public.note (owner, text) select %s, 'a note' from generate_series(1, %s)"
)
MARK = b'"type":"INSERT"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """Changes that came through the policies; ``core_us`` is processor time for each."""

    claims: int
    per_s: float
    core_us: float


@dataclass(frozen=True, slots=True)
class Delay:
    """From the answer to the commit to the reading of the socket."""

    p50_ms: float
    p99_ms: float


def prepare(server: Server) -> None:
    """Make the table that is followed."""
    with psycopg.connect(server.url(ADMIN).reveal(), autocommit=True) as connection:
        connection.execute(SCHEMA.encode())


def changes_per_s(target: Target, server: Server, claims: int, rows: int) -> Passed:
    """Commit rows that one of many subscribers sees, and each is asked about."""
    with _subscribers(target, claims) as (owner, seen):
        _follow(server, owner, seen, max(1, rows // 10))
        spent, began = cpu_s(target.process), time.perf_counter()
        _follow(server, owner, seen, rows)
        took, used = time.perf_counter() - began, cpu_s(target.process) - spent
    return Passed(claims=claims, per_s=rows / took, core_us=used / rows * 1e6)


def _follow(server: Server, owner: str, seen: socket.socket, count: int) -> None:
    writing = Thread(target=_write_at_once, args=(server, owner, count))
    writing.start()
    for _ in _heard(seen, count):
        pass
    writing.join()


def delay(target: Target, server: Server, per_s: int, seconds: float) -> Delay:
    """Commit rows at a steady pace, and look how late each comes."""
    total = int(per_s * seconds)
    with _subscribers(target, 1) as (owner, seen):
        committed: list[float] = []
        writing = Thread(target=_write_steadily, args=(server, owner, per_s, total, committed))
        writing.start()
        heard = list(_heard(seen, total))
        writing.join()
    # One writer: the order of commits is the order of changes.
    late = sorted((end - begin) * 1000 for begin, end in zip(committed, heard, strict=True))
    return Delay(statistics.median(late), late[int(len(late) * 0.99)])


@contextmanager
def _subscribers(target: Target, count: int) -> Iterator[tuple[str, socket.socket]]:
    """Yield the user and the socket of the first of many, all with claims of their own."""
    opened: list[socket.socket] = []
    users = [str(uuid.uuid4()) for _ in range(count)]
    try:
        for user in users:
            claims = {"role": "authenticated", "sub": user, "exp": FAR_AWAY}
            one = open_socket(target.port, target.path)
            opened.append(one)
            one.sendall(join_frame(sign(claims, JWT_SECRET), CHANGES))
            await_bytes(one, SUBSCRIBED)
        yield users[0], opened[0]
    finally:
        for one in opened:
            one.close()


def _heard(seen: socket.socket, count: int) -> Iterator[float]:
    """Yield when each change came."""
    tail = b""
    while count > 0:
        more = seen.recv(65536)
        if not more:
            raise LoadFailed("the server closed a socket")
        now, data = time.monotonic(), tail + more
        for _ in range(data.count(MARK)):
            count -= 1
            yield now
        tail = data[-len(MARK) + 1 :]  # too short to hold one that was counted


def _write_at_once(server: Server, owner: str, count: int) -> None:
    with psycopg.connect(server.url("postgres").reveal(), autocommit=True) as connection:
        connection.execute(INSERT_MANY, (owner, count))


def _write_steadily(
    server: Server, owner: str, per_s: int, total: int, committed: list[float]
) -> None:
    with psycopg.connect(server.url("postgres").reveal(), autocommit=True) as connection:
        began = time.monotonic()
        for number in range(total):
            time.sleep(max(0.0, began + number / per_s - time.monotonic()))
            connection.execute(INSERT, (owner,))
            committed.append(time.monotonic())
