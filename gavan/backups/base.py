"""A physical backup: the files of the whole server, as pg_basebackup sends them.

Stands beside the logical kind, under the run. It holds the WAL of its own duration and so starts
by itself; with the archive of the WAL it is where a road through time begins.
"""

from __future__ import annotations

import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import psycopg

from gavan.backups.dump import connection_of, program_failed, programs
from gavan.backups.making import Content, Making
from gavan.backups.model import StoredFile
from gavan.backups.space import estimate, require_room, room_at
from gavan.backups.stored import store
from gavan.backups.streams import COMPRESSION
from gavan.database.migration.lock import connect
from gavan.kit.errors import GavanError
from gavan.kit.size import in_bytes

ARCHIVE = "base.tar.gz"
STEP = "server"
TICK_S = 0.25
PROGRAM = "pg_basebackup"


def make_physical(on: Making) -> Content:
    """Write the files of a physical backup into ``on.folder``; see run.py for what it raises.

    Raises GavanError GV450 for a server that is not ours.
    """
    if on.access.admin is None:
        raise GavanError(
            "GV450",
            "the files of this server are not ours to copy",
            hint="a logical backup works for any server: gavan backup run",
            exit_code=2,
        )
    with connect(on.access.admin, "backup") as connection:
        before = _facts(connection)
        programs(int(before["major"]))
        needed = estimate(last=on.last_bytes, database_bytes=before["cluster_bytes"], new_objects=0)
        require_room(room_at(on.repository.root), needed, on.repository.root)
        # The log of the backup itself must stay until it is copied; this ends with the connection.
        connection.execute(
            "select pg_create_physical_replication_slot(%s, true, true)",
            (f"gavan_base_{secrets.token_hex(4)}",),
        )
        on.report(STEP, "start", f"{in_bytes(before['cluster_bytes'])} on the server")
        try:
            stored = _store(on, int(before["major"]))
        except BaseException:
            on.report(STEP, "fail", "")
            raise
        after = _facts(connection)
    on.report(STEP, "ok", in_bytes(stored.bytes))
    return Content(
        server_version=before["version"],
        system_identifier=before["identifier"],
        timeline=before["timeline"],
        lsn_start=before["lsn"],
        lsn_end=after["lsn"],
        database=before["database"],
        database_bytes=before["cluster_bytes"],
        files=(stored,),
    )


def _facts(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    row = connection.execute(
        "select current_setting('server_version'),"
        " current_setting('server_version_num')::int / 10000,"
        " (select system_identifier::text from pg_control_system()),"
        " ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int,"
        " pg_current_wal_lsn()::text, current_database(),"
        " (select coalesce(sum(pg_database_size(oid)), 0)::bigint from pg_database)"
    ).fetchone()
    names = ("version", "major", "identifier", "timeline", "lsn", "database", "cluster_bytes")
    return dict(zip(names, row or (), strict=True))


def _store(on: Making, major: int) -> StoredFile:
    with _basebackup(on, major) as output:
        return store(on.folder, ARCHIVE, _Counting(output, on), on.sealer)


@contextmanager
def _basebackup(on: Making, major: int) -> Iterator[IO[bytes]]:
    """Yield the compressed tar of the server; a program that fails is the error of the block."""
    place, environment = connection_of(on.url)
    argv = [
        *(str(programs(major) / PROGRAM), f"--dbname={place}", "--no-password"),
        *("--pgdata=-", "--format=tar", "--wal-method=fetch", "--checkpoint=fast"),
        *(f"--compress=client-gzip:{COMPRESSION}", "--manifest-checksums=SHA256"),
        *("--label=gavan", "--no-sync"),
    ]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            argv, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said
        )
        try:
            assert process.stdout is not None  # noqa: S101 - by PIPE above
            with process.stdout:
                yield process.stdout
            status = process.wait()
        finally:
            process.kill()
            process.wait()
        if status:
            said.seek(0)
            raise program_failed(PROGRAM, status, said.read(), on.folder)


class _Counting:
    """Tells now and then how much has come."""

    def __init__(self, stream: IO[bytes], on: Making) -> None:
        self._stream = stream
        self._on = on
        self._size = 0
        self._told = time.monotonic()

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size)
        self._size += len(block)
        if time.monotonic() - self._told > TICK_S:
            self._told = time.monotonic()
            self._on.report(STEP, "tick", in_bytes(self._size))
        return block
