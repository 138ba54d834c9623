"""`gavan backup restore --at TIME`: from a base and the log to the server of a moment.

Stands above the road and the archive. The recovered server is started and looked at where nobody
works; only then do the folders of the data change places, in one step. The former data stay.
"""

from __future__ import annotations

import re
import secrets
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from psycopg import pq

from gavan.backups import manifest
from gavan.backups.base import ARCHIVE
from gavan.backups.layout import Repository
from gavan.backups.listing import backups
from gavan.backups.model import Manifest, Report
from gavan.backups.road import Road, road_to
from gavan.backups.scratch import FIRST_PORT, MARKER, guarded
from gavan.backups.sealing import Opener
from gavan.backups.space import require_room, room_at
from gavan.backups.streams import opened_gzip
from gavan.backups.swap import MAINTENANCE
from gavan.backups.verify import verify
from gavan.backups.wal import SPOOL, unfinished, wait_filed
from gavan.backups.wal_archive import SEGMENT_BYTES, Segment, WalArchive
from gavan.database.access import Access
from gavan.database.bootstrap import bootstrap
from gavan.database.embedded import ADMIN, Server, loopback_url, set_admin_password
from gavan.database.identity import demote, give
from gavan.database.migration.lock import connect
from gavan.database.programs import program
from gavan.engines.embedded import ports
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from gavan.kit.size import in_bytes

FILED_S = 15.0
START_S = 60.0
POLL_S = 0.1
GROWTH = 1.2
STAGED = "gavan_wal"
AT_ONCE = 64
"""So many segments are added while the moment is still ahead"""
LOG_LINES = 25
_LOG, _SECOND_LOG = "gavan_recovery.log", "gavan_look.log"
_TOO_EARLY = "recovery ended before configured recovery target was reached"
_REPLAYED = re.compile(r"last completed transaction was at log time ([^\n]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """What to recover: ``server`` is the stack's own, whose data are to be replaced.

    ``root`` is the folder of the stack, whose owner runs Postgres.
    """

    root: Path
    moment: datetime
    server: Server
    access: Access
    repository: Repository
    opener_of: Callable[[Manifest], Opener]
    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """A proved data folder; ``last`` is the time of the last transaction that is in it."""

    folder: Path
    base: str
    segments: int
    last: datetime | None
    rows: str


def find_road(on: Recovery) -> Road:
    """Return what leads to the moment, up to now if the server runs; raise GavanError GV455."""
    came = wait_filed(on.access.admin or on.access.owner, on.repository, FILED_S)
    try:
        return road_to(on.moment, backups(on.repository), WalArchive(on.repository).segments())
    except GavanError as error:
        left = None if came else unfinished(on.root / ".gavan" / SPOOL)
        if error.code != "GV455" or left is None:
            raise
        ended = datetime.fromtimestamp(left.stat().st_mtime, UTC)
        more = (
            f"the server does not run, and the last of its log is not in the archive: {left} goes"
            f" to {ended.isoformat(timespec='seconds')}; while the data are there, gavan up brings"
            " it in, and then any moment up to the end can be reached"
        )
        raise GavanError(
            error.code,
            error.message,
            details=f"{error.details}\n{more}",
            hint=error.hint,
            exit_code=error.exit_code,
        ) from error


@contextmanager
def recovered(on: Recovery, road: Road) -> Iterator[Recovered]:
    """Yield a data folder as the server was at a moment, stopped; it goes unless it was moved.

    Raises GavanError: GV441 something of the road is damaged, GV412 no key, GV405 no room, GV456 it
    does not recover.
    """
    _prove(on, road)
    beside = on.server.data_dir.parent
    needed = int(road.base.database_bytes * GROWTH) + road.bytes
    require_room(room_at(beside), needed, beside)
    name = f".recovered-{on.server.data_dir.name}"
    for left in beside.glob(f"{name}-*"):
        shutil.rmtree(left)
    folder = beside / f"{name}-{secrets.token_hex(4)}"
    entry = f"{MARKER}={secrets.token_hex(8)}"
    with ExitStack() as undo:
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        # When this process is killed, the guard ends the server that it had started.
        undo.enter_context(guarded(entry, folder))
        on = replace(on, server=_marked(on.server, entry))
        _unpack(on, road, folder)
        last = _replay(on, road, folder)
        # The keys may have changed since; those of now must open it.
        set_admin_password(on.root, folder, on.access.passwords[ADMIN])
        rows = _look(on, folder)
        for name in (_LOG, _SECOND_LOG, "postmaster.pid"):
            (folder / name).unlink(missing_ok=True)
        shutil.rmtree(folder / STAGED)
        yield Recovered(
            folder=folder, base=road.base.id, segments=len(road.segments), last=last, rows=rows
        )


def _marked(server: Server, entry: str) -> Server:
    """Return the server with the mark of this run in its environment."""
    name, _, text = entry.partition("=")
    return replace(server, env={**server.env, name: text})


def _prove(on: Recovery, road: Road) -> None:
    key = manifest.signing_key(on.access.passwords[ADMIN])
    found = verify(on.repository, road.base.id, on.report, key=key)
    problems = [f"{one.file}: {one.what}" for one in found]
    archive = WalArchive(on.repository)
    problems += [f"{file}: {what}" for file, what in archive.problems(list(road.segments))]
    if problems:
        raise GavanError(
            "GV441",
            "the road to that moment is damaged, nothing was recovered",
            details="\n".join(problems[:10]),
            hint="take a moment before it, or fetch the file from the second place",
            exit_code=5,
        )


def _unpack(on: Recovery, road: Road, folder: Path) -> None:
    """Lay out the base and the segments for the account of the server."""
    opener = on.opener_of(road.base)
    folder.mkdir(mode=0o700)
    name = next(file.path for file in road.base.files if file.path.startswith(ARCHIVE))
    on.report("base", "start", road.base.id)
    with (
        opened_gzip(on.repository.folder(road.base.id) / name, opener) as clear,
        tarfile.open(fileobj=clear, mode="r|") as tar,
    ):
        tar.extractall(folder, filter="data")
    _compare(road.base, folder)
    on.report("base", "ok", in_bytes(road.base.database_bytes))
    (folder / STAGED).mkdir(mode=0o700)
    for path in (folder, *folder.rglob("*")):
        _hand_over(on, path)
    _stage(on, road, road.segments, folder)


def _compare(base: Manifest, folder: Path) -> None:
    """Let Postgres compare every file with the manifest that it sent along; raise GavanError GV441.

    The log is not parsed: it is replayed next.
    """
    argv = [str(program("pg_verifybackup")), "--no-parse-wal", "--quiet", str(folder)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={"LC_ALL": "C"})
    if done.returncode != 0:
        raise GavanError(
            "GV441",
            f"the base {base.id} is not what the server sent, nothing was recovered",
            details="\n".join((done.stdout + done.stderr).splitlines()[:LOG_LINES]),
            hint="take a moment that another base leads to: gavan backup list",
            exit_code=5,
        )


def _stage(on: Recovery, road: Road, segments: Sequence[Segment], folder: Path) -> None:
    """Lay segments out where the server asks for them."""
    archive, opener = WalArchive(on.repository), on.opener_of(road.base)
    on.report("wal", "start", f"{len(segments)} segments")
    for segment in segments:
        path = folder / STAGED / segment.name
        archive.unpack(segment, opener, path)
        _hand_over(on, path)
    on.report("wal", "ok", f"{len(segments)} segments")


def _hand_over(on: Recovery, path: Path) -> None:
    path.chmod(0o700 if path.is_dir() else 0o600)
    if on.server.user is not None:
        give(on.server.user, path)


def _replay(on: Recovery, road: Road, folder: Path) -> datetime | None:
    """Start the server on the folder until it has replayed to the moment; return the last commit's.

    A log that has no commit after the moment is replayed to its end: that is the same state.
    """
    on.report("replay", "start", f"to {on.moment.isoformat()}")
    line = f"recovery_target_timeline={road.timeline}"
    to_moment = [line, f"recovery_target_time={on.moment.isoformat()}"]
    said = _run(on, folder, to_moment)
    left = road.more
    while said is not None and _TOO_EARLY in said and left:
        require_room(room_at(folder), len(left[:AT_ONCE]) * SEGMENT_BYTES, folder)
        _stage(on, road, left[:AT_ONCE], folder)
        left = left[AT_ONCE:]
        said = _run(on, folder, to_moment)
    if said is not None and _TOO_EARLY in said:
        said = _run(on, folder, [line])
    if said is not None:
        raise GavanError(
            "GV456",
            "the server does not recover to that moment",
            details="\n".join(said.splitlines()[-LOG_LINES:]),
            hint="see the details; nothing was changed",
        )
    found = _REPLAYED.findall((folder / _LOG).read_text(errors="replace"))
    last = datetime.fromisoformat(found[-1].replace(" UTC", "+00:00")) if found else None
    on.report("replay", "ok", f"last transaction {last.isoformat()}" if last else "")
    return last


def _run(on: Recovery, folder: Path, settings: list[str]) -> str | None:
    """Run the server until it takes writes, then stop it; return what it said when it did not."""
    (folder / "recovery.signal").touch()
    if on.server.user is not None:
        give(on.server.user, folder / "recovery.signal")
    wanted = [
        f"restore_command=cp {STAGED}/%f %p",
        "recovery_target_action=promote",
        *settings,
    ]
    log = folder / _LOG
    before = log.stat().st_size if log.exists() else 0
    with _started(on, folder, wanted, log) as (process, port):
        if _is_promoted(process, port):
            return None
    return log.read_bytes()[before:].decode(errors="replace")


@contextmanager
def _started(
    on: Recovery, folder: Path, settings: list[str], log: Path
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run a server on the folder, on a port and a socket of its own."""
    port = ports.other_ports({"": FIRST_PORT}, {})[""]
    own = [f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={folder}",
           "hot_standby=off", "max_wal_senders=0", "archive_timeout=0", *settings]  # fmt: skip
    words = [str(on.server.bin / "postgres"), "-D", str(folder)]
    for one in own:
        words += ["-c", one]
    with log.open("ab") as stream:
        process = subprocess.Popen(
            words, env=dict(on.server.env), cwd="/", stdin=subprocess.DEVNULL, stdout=stream,
            stderr=stream, start_new_session=True,
            **(demote(on.server.user) if on.server.user else {}),  # type: ignore[call-overload]  # optional keywords by one mapping
        )  # fmt: skip
    try:
        yield process, port
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(START_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _is_promoted(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until the server has replayed all it shall and takes writes; False when it ended.

    Nobody signs in for that: the passwords are those of the moment.
    """
    while process.poll() is None:
        if _is_open(port):
            return True
        time.sleep(POLL_S)
    return False


def _is_open(port: int) -> bool:
    """Say whether it takes clients; without hot_standby it does so after the recovery."""
    return pq.PGconn.ping(f"host=127.0.0.1 port={port}".encode()) == pq.Ping.OK


def _look(on: Recovery, folder: Path) -> str:
    """Start what was recovered once more, as it will be; return how much is in it.

    Its system schemas and passwords are brought up to now, as after a restore.
    """
    log = folder / _SECOND_LOG
    with _started(on, folder, [], log) as (process, port):
        until = time.monotonic() + START_S
        while process.poll() is None and not _is_open(port) and time.monotonic() < until:
            time.sleep(POLL_S)
        if not _is_open(port):
            raise GavanError("GV456", "what was recovered does not start",
                             details=log.read_text(errors="replace")[-2000:])  # fmt: skip
        password, name = on.access.passwords[ADMIN], on.access.database
        _require_database(loopback_url(ADMIN, password, port=port, database=MAINTENANCE), name)
        url = loopback_url(ADMIN, password, port=port, database=name)
        bootstrap(url, on.access.passwords)
        return _counted(url)


def _require_database(url: Secret, name: str) -> None:
    with connect(url, "recover") as connection:
        rows = connection.execute("select datname from pg_database where not datistemplate")
        names = sorted(str(row[0]) for row in rows)
    if name not in names:
        raise GavanError(
            "GV456",
            f"there was no database {name} at that moment",
            details=f"there were: {', '.join(names)}",
            hint="take another moment, or name it in the stack file: [database] name",
        )


def _counted(url: Secret) -> str:
    with connect(url, "recover") as connection:
        row = connection.execute(
            "select count(*), coalesce(sum(greatest(reltuples, 0)), 0)::bigint from pg_class"
            " where relkind in ('r', 'p') and relnamespace::regnamespace::text"
            " not in ('pg_catalog', 'information_schema', 'pg_toast')"
        ).fetchone()
    return f"{row[0]} tables, about {row[1]:,} rows" if row else ""
