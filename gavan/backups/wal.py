"""The unit ``wal``: receives the write-ahead log as it is written and files every finished segment.

Stands above the archive. pg_receivewal keeps what the server sends in a spool beside the data; the
slot ``gavan_wal`` makes the server keep what it has not sent, as far as max_slot_wal_keep_size
allows. A slot that lost its place is a gap: it is said, and the next physical backup closes it.
"""

from __future__ import annotations

import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import psycopg

from gavan.backups.dump import connection_of, program_failed, programs
from gavan.backups.layout import Repository
from gavan.backups.model import Report, StoredFile
from gavan.backups.place import Place
from gavan.backups.sealing import Sealer
from gavan.backups.stored import digest, disk_full, is_full
from gavan.backups.wal_archive import INDEX, Segment, WalArchive, is_history, is_segment, wal_key
from gavan.database.migration.lock import connect
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from gavan.kit.storage.disk import sync_folder

SLOT = "gavan_wal"
SPOOL = "wal"
SEGMENT_NAME = 24
"""Characters of the name of a segment; one that is not finished has an ending"""
LOOK_S = 0.5
POLL_S = 0.05
STOP_S = 10.0
RETRY_S = 30.0
LAST_LINES = 10
STEP = "wal"
PLACE_STEP = "second place"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiving:
    """What the unit works with; ``place`` is None without a second place. ``gap`` hears of one."""

    url: Secret
    spool: Path
    repository: Repository
    sealer: Sealer
    place: Place | None
    report: Report
    gap: Callable[[str], None] = lambda _why: None


def receive(on: Receiving, stop: threading.Event) -> None:
    """Receive until ``stop`` is set; what has come by then is filed.

    Raises:
        GavanError: GV453 the log does not come any more, GV451 a foreign segment in the archive,
            GV406 the disk is full, GV321 no server.
    """
    try:
        _receive(on, stop)
    except OSError as error:
        if is_full(error):
            raise disk_full(on.repository.root, error.strerror or str(error)) from error
        raise


def _receive(on: Receiving, stop: threading.Event) -> None:
    on.repository.create()
    on.spool.mkdir(mode=0o700, parents=True, exist_ok=True)
    archive = WalArchive(on.repository)
    filed: set[str] = set()
    _file(on, archive, filed)
    _forget_other_timelines(on)
    _ensure_slot(on)
    sending = _Sending(on, archive)
    with _receiver(on) as (process, said):
        on.report(STEP, "ok", f"receives into {on.spool}")
        while not stop.wait(LOOK_S):
            _file(on, archive, filed)
            sending.send()
            if process.poll() is not None:
                raise _ended(process.returncode, said, on.spool)
    _file(on, archive, filed)
    sending.send()


def _forget_other_timelines(on: Receiving) -> None:
    """Move the spool away when the server was recovered to a moment: what is finished is filed,
    the rest is of a log that goes on nowhere."""
    names = [path.name for path in on.spool.iterdir() if is_segment(path.name[:SEGMENT_NAME])]
    newest = max(names, default="")
    if not newest:
        return
    with connect(on.url, "wal") as connection:
        row = connection.execute("select pg_walfile_name(pg_current_wal_lsn())").fetchone()
    if row is None or str(row[0])[:8] == newest[:8]:
        return
    aside = put_spool_aside(on.spool, datetime.now(UTC))
    on.spool.mkdir(mode=0o700)
    on.report(STEP, "warn", f"the server was recovered: what came of the former log is {aside}")


def put_spool_aside(spool: Path, now: datetime) -> Path:
    """Move what was received of a former log away; return where it is."""
    aside = spool.with_name(f"{spool.name}_before_{now.astimezone(UTC):%Y%m%dT%H%M%SZ}")
    spool.rename(aside)
    return aside


def _ensure_slot(on: Receiving) -> None:
    """Have the slot; one that lost its place is made anew, and what it missed is a gap."""
    with connect(on.url, "wal") as connection:
        row = connection.execute(
            "select wal_status from pg_replication_slots where slot_name = %s", (SLOT,)
        ).fetchone()
        if row is not None and row[0] == "lost":
            connection.execute("select pg_drop_replication_slot(%s)", (SLOT,))
            # What lies there would make pg_receivewal ask for what the server has no more; all
            # that is finished is filed.
            for left in on.spool.iterdir():
                left.unlink()
            why = f"the slot {SLOT} lost its place: the archive has a gap until now"
            on.report(STEP, "warn", f"{why}; close it: gavan backup run --kind physical")
            on.gap(why)
            row = None
        if row is None:
            connection.execute("select pg_create_physical_replication_slot(%s, true)", (SLOT,))


@contextmanager
def _receiver(on: Receiving) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    place, environment = connection_of(on.url)
    major = _major(on.url)
    argv = [
        *(str(programs(major) / "pg_receivewal"), f"--dbname={place}", "--no-password"),
        *(f"--directory={on.spool}", f"--slot={SLOT}", "--no-loop", "--synchronous"),
    ]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            argv, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
        try:
            yield process, said
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_S)
            process.kill()
            process.wait()


def _major(url: Secret) -> int:
    with connect(url, "wal") as connection:
        return connection.info.server_version // 10_000


def _ended(status: int, said: IO[bytes], spool: Path) -> GavanError:
    said.seek(0)
    text = said.read()
    failed = program_failed("pg_receivewal", status, text, spool)
    if failed.code == "GV406":
        return failed
    lines = text.decode(errors="replace").strip().splitlines()
    return GavanError(
        "GV453",
        f"pg_receivewal ended with {status}: the write-ahead log does not come any more",
        details="\n".join(lines[-LAST_LINES:]) or None,
        hint="gavan status; it is started again by itself while the stack runs",
    )


def unfinished(spool: Path) -> Path | None:
    """Return the segment that was being received when the server or the unit ended, if any."""
    found = sorted(spool.glob("*.partial")) if spool.is_dir() else []
    return found[-1] if found else None


def finished(spool: Path) -> list[Path]:
    """Return the files of a spool that will not change any more, in the order of the log."""
    return sorted(
        path for path in spool.iterdir() if is_segment(path.name) or is_history(path.name)
    )


def _file(on: Receiving, archive: WalArchive, filed: set[str]) -> None:
    """Take what is finished into the archive, and out of the spool; ``filed`` remembers it.

    The newest finished segment stays: pg_receivewal finds its place by what lies there.
    """
    ready = finished(on.spool)
    for path in ready:
        if path.name in filed:
            continue
        segment = archive.add(path, on.sealer)
        filed.add(path.name)
        if segment is not None:
            on.report(STEP, "tick", segment.name)
    filed.intersection_update(path.name for path in ready)
    for path in ready[:-1]:
        path.unlink()
    if len(ready) > 1:
        sync_folder(on.spool)


class _Sending:
    """Brings segments to the second place; one that is down is asked again after a while."""

    def __init__(self, on: Receiving, archive: WalArchive) -> None:
        self._on = on
        self._archive = archive
        self._there: dict[str, int] | None = None
        self._not_before = 0.0
        self._sent: tuple[int, int] = (0, 0)
        """What the index was like when everything in it had arrived"""

    def send(self) -> None:
        """Send what is not there; trouble is told and tried again, never raised."""
        place, stamp = self._on.place, self._archive.stamp()
        if place is None or stamp == self._sent or time.monotonic() < self._not_before:
            return
        try:
            if self._there is None:
                self._there = place.sizes("wal/")
            for segment in self._archive.segments():
                self._bring(place, segment, self._there)
            self._send_index(place)
            self._sent = stamp
        except GavanError as error:
            self._there = None
            self._not_before = time.monotonic() + RETRY_S
            self._on.report(PLACE_STEP, "fail", error.message)

    def _bring(self, place: Place, segment: Segment, there: dict[str, int]) -> None:
        key = wal_key(segment)
        if there.get(key) == segment.bytes:
            return
        path = self._archive.path(segment)
        place.send(path, key, segment.sha256, lambda _count: None)
        stored = StoredFile(path=segment.file, bytes=segment.bytes, sha256=segment.sha256)
        place.prove(path, key, stored)
        there[key] = segment.bytes

    def _send_index(self, place: Place) -> None:
        """Send a copy: the index itself may grow meanwhile."""
        with tempfile.NamedTemporaryFile() as copy:
            copy.write(self._archive.index.read_bytes())
            copy.flush()
            path = Path(copy.name)
            place.send(path, f"wal/{INDEX}", digest(path).sha256, lambda _count: None)


def wait_filed(url: Secret, repository: Repository, within_s: float) -> bool:
    """End the current segment and wait until the archive has it; False when it does not come.

    It is ended only when somebody receives: a slot that is made afterwards would begin behind it,
    as after a recovery, and what was in it would be a gap.
    """
    until = time.monotonic() + within_s
    try:
        with connect(url, "wal") as connection:
            while not _is_received(connection):
                if time.monotonic() > until:
                    return False
                time.sleep(POLL_S)
            row = connection.execute(
                "select pg_walfile_name(pg_current_wal_lsn()), pg_switch_wal()"
            ).fetchone()
    except (GavanError, psycopg.Error):
        return False
    name = str(row[0]) if row else ""
    while time.monotonic() < until:
        if any(one.name >= name for one in WalArchive(repository).segments()):
            return True
        time.sleep(LOOK_S)
    return False


def _is_received(connection: psycopg.Connection[Any]) -> bool:
    row = connection.execute(
        "select active from pg_replication_slots where slot_name = %s", (SLOT,)
    ).fetchone()
    return bool(row and row[0])
