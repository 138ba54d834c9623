"""Back to a moment: the log of a running stack, a base, and the server as it was in between."""

from __future__ import annotations

import io
import json
import os
import pwd
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pyrage
import pytest
from psycopg import sql

from gavan.backups import manifest
from gavan.backups.layout import Repository
from gavan.backups.model import silent
from gavan.backups.sealing import Age, AgeOpener, Clear
from gavan.backups.stored import digest
from gavan.backups.wal import Receiving, receive
from gavan.backups.wal_archive import WalArchive
from gavan.database.embedded import ADMIN
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from tests.cli_stack import LiveStack
from tests.local_http import LocalServer, Reply, local_server
from tests.servers import wait_until
from tests.supervised import short_folder

# No machine loses its power here: what is killed are processes.
PITR = """
[database.settings]
fsync = "off"
max_slot_wal_keep_size = "64MB"
wal_recycle = "off"
min_wal_size = "32MB"
max_wal_size = "32MB"

[backup.pitr]
enabled = true
"""
CHANNEL = """
[notify.team]
type = "webhook"
target = "secret://TEAM"
"""


class Timed:
    """A running stack with point-in-time recovery."""

    def __init__(self, live: LiveStack, channel: LocalServer | None = None) -> None:
        self.live = live
        self.channel = channel
        self.root = live.root
        self.urls = {
            role: str(live.gavan("db", "url", "--role", role)["data"]["url"])
            for role in ("postgres", ADMIN)
        }

    def ask(self, query: str, *, role: str = "postgres") -> list[tuple[Any, ...]]:
        with psycopg.connect(self.urls[role], autocommit=True) as connection:
            cursor = connection.execute(query.encode())
            return cursor.fetchall() if cursor.description else []

    def note(self, text: str) -> datetime:
        """Write a row; return a moment after it and before whatever is written next."""
        self.ask(f"insert into public.note values ('{text}')")
        return self.moment()

    def moment(self) -> datetime:
        """Return a moment that no commit shares."""
        time.sleep(0.02)
        ((now,),) = self.ask("select clock_timestamp()")
        time.sleep(0.02)
        return datetime.fromisoformat(now.isoformat()).astimezone(UTC)

    def notes(self) -> set[str]:
        return {str(row[0]) for row in self.ask("select body from public.note")}

    def base(self) -> str:
        data = self.live.gavan("backup", "run", "--kind", "physical")["data"]
        return str(data["id"])

    def back_to(self, moment: datetime) -> dict[str, Any]:
        return self.live.gavan("backup", "restore", "--at", moment.isoformat(), "--yes")

    def refused(self, moment: datetime, code: int) -> str:
        """Return what a recovery that is refused tells a person."""
        process = self.live.start("backup", "restore", "--at", moment.isoformat(), "--yes")
        _, said = process.communicate(timeout=120)
        assert process.returncode == code, said
        return said

    def archive(self) -> WalArchive:
        return WalArchive(Repository(self.root / "backups"))

    def wait_running(self, unit: str) -> None:
        wait_until(lambda: self.live.units()[unit]["state"] in ("running", "healthy"), 60)
        if unit == "wal":
            wait_until(self.is_received, 60)

    def is_received(self) -> bool:
        """Say whether the log comes and the archive knows of the timeline.

        Where a recovery ends is known to the second in which its timeline is first heard of: what
        is written before belongs to no moment that can be named.
        """
        try:
            ((active, line),) = self.ask(
                "select (select active from pg_replication_slots where slot_name = 'gavan_wal'),"
                " timeline_id from pg_control_checkpoint()",
                role=ADMIN,
            )
        except psycopg.OperationalError:
            return False
        known = {one.name for one in self.archive().segments()}
        return bool(active) and (line == 1 or f"{line:08X}.history" in known)


@pytest.fixture(scope="module")
def timed() -> Iterator[Timed]:
    with short_folder() as folder, local_server(lambda _: Reply(status=200)) as channel:
        (folder / ".env").write_text(f"TEAM={channel.url}/in\n")
        live = LiveStack(folder, PITR + CHANNEL)
        live.up()
        stack = Timed(live, channel)
        stack.ask("create table public.note (body text)")
        stack.wait_running("wal")
        stack.base()
        try:
            yield stack
        finally:
            live.gavan("down", "--force")


def test_the_server_goes_back_to_a_moment_and_the_former_data_stay(timed: Timed) -> None:
    timed.note("before")
    moment = timed.note("wanted")
    timed.note("mistake")
    timed.ask("drop table public.note")
    done = timed.back_to(moment)["data"]
    timed.wait_running("postgres")
    assert {"before", "wanted"} <= timed.notes()
    assert "mistake" not in timed.notes()
    assert (Path(done["kept"]) / "PG_VERSION").is_file()
    assert datetime.fromisoformat(done["last_transaction"]) <= moment


def test_a_second_thought_reaches_what_the_first_recovery_undid(timed: Timed) -> None:
    timed.wait_running("wal")
    base = timed.base()
    too_early = timed.note("first thought")
    wanted = timed.note("second thought")
    timed.note("neither")
    timed.back_to(too_early)
    timed.wait_running("postgres")
    assert "second thought" not in timed.notes()
    timed.wait_running("wal")
    timed.note("after the first recovery")
    assert timed.back_to(wanted)["data"]["base"] == base
    timed.wait_running("postgres")
    assert {"first thought", "second thought"} <= timed.notes()
    assert not {"neither", "after the first recovery"} & timed.notes()
    timed.wait_running("wal")
    # The third timeline has a name of its own, and a road from the same base.
    moment = timed.note("on the third timeline")
    timed.note("later on the third")
    timed.back_to(moment)
    timed.wait_running("postgres")
    assert "on the third timeline" in timed.notes()
    assert "later on the third" not in timed.notes()


def test_a_log_that_was_received_late_leads_to_the_moment_all_the_same(timed: Timed) -> None:
    timed.wait_running("wal")
    timed.base()
    timed.live.gavan("stop", "wal")
    wait_until(lambda: not timed.live.units()["wal"]["pid"])
    timed.note("one segment")
    timed.ask("select pg_switch_wal()", role=ADMIN)
    moment = timed.note("the next segment")
    timed.ask("select pg_switch_wal()", role=ADMIN)
    timed.note("too late")
    timed.live.gavan("start", "wal")
    timed.wait_running("wal")
    timed.back_to(moment)
    timed.wait_running("postgres")
    assert {"one segment", "the next segment"} <= timed.notes()
    assert "too late" not in timed.notes()


def test_passwords_that_changed_since_are_those_of_now_again(timed: Timed) -> None:
    timed.wait_running("wal")
    timed.base()
    now = psycopg.conninfo.conninfo_to_dict(timed.urls[ADMIN])["password"]
    change = sql.SQL("alter role {} password {}")
    with psycopg.connect(timed.urls[ADMIN], autocommit=True) as connection:
        connection.execute(change.format(sql.Identifier(ADMIN), sql.Literal("of that time")))
        moment = timed.note("with another password")
        connection.execute(change.format(sql.Identifier(ADMIN), sql.Literal(str(now))))
    timed.back_to(moment)
    timed.wait_running("postgres")
    assert "with another password" in timed.notes()
    assert timed.ask("select 1", role=ADMIN) == [(1,)]


def test_the_new_timeline_has_moments_of_its_own(timed: Timed) -> None:
    timed.wait_running("wal")
    base = timed.base()
    moment = timed.note("on the new timeline")
    timed.note("later there")
    done = timed.back_to(moment)["data"]
    timed.wait_running("postgres")
    assert done["base"] == base
    assert "on the new timeline" in timed.notes()
    assert "later there" not in timed.notes()


def test_the_present_can_be_recovered_though_nothing_was_committed_since(timed: Timed) -> None:
    timed.wait_running("wal")
    timed.base()
    timed.note("the last")
    done = timed.back_to(timed.moment())["data"]
    timed.wait_running("postgres")
    assert "the last" in timed.notes()
    assert done["segments"] >= 1


def test_the_list_says_how_far_each_base_reaches(timed: Timed) -> None:
    entries = timed.live.gavan("backup", "list")["data"]
    bases = [entry for entry in entries if entry["kind"] == "physical"]
    assert all(entry["recovers_until"] is not None for entry in bases)


def test_a_drill_recovers_to_the_newest_moment_too(timed: Timed) -> None:
    timed.live.gavan("backup", "run")
    said = timed.live.gavan("backup", "drill")["data"]
    outcomes = {check["name"]: check for check in said["checks"]}
    assert outcomes["point in time"]["outcome"] == "ok", outcomes["point in time"]
    assert outcomes["point in time"]["seconds"] > 0
    assert not list((timed.root / ".gavan" / "scratch").glob("*/"))


def test_a_receiver_that_is_killed_leaves_no_gap(timed: Timed) -> None:
    timed.wait_running("wal")
    timed.base()
    timed.note("before the kill")
    os.kill(timed.live.pid("wal"), signal.SIGKILL)
    moment = timed.note("while nobody received")
    timed.wait_running("wal")
    timed.note("after")
    timed.back_to(moment)
    timed.wait_running("postgres")
    assert {"before the kill", "while nobody received"} <= timed.notes()
    assert "after" not in timed.notes()


def test_a_flipped_byte_on_the_road_is_named_and_nothing_changes(timed: Timed) -> None:
    timed.wait_running("wal")
    timed.base()
    moment = timed.note("behind the damage")
    assert "GV455" in timed.refused(datetime(1999, 1, 1, tzinfo=UTC), 2)
    last = timed.archive().segments()[-1]
    path = timed.archive().path(last)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    said = timed.refused(moment, 5)
    assert "GV441" in said
    assert path.name in said
    assert "behind the damage" in timed.notes()


@pytest.mark.parametrize("damage", ["a flipped byte", "a missing file"])
def test_a_base_whose_digests_hide_the_damage_is_refused(timed: Timed, damage: str) -> None:
    """Damage from before it was stored: only what Postgres sent along can tell."""
    timed.wait_running("wal")
    folder = timed.root / "backups" / timed.base()
    moment = timed.note("behind a bad base")
    with kept_as_it_is(folder):
        change_inside(folder / "base.tar.gz", lose=damage == "a missing file")
        sign_again(folder, str(psycopg.conninfo.conninfo_to_dict(timed.urls[ADMIN])["password"]))
        assert timed.live.gavan("backup", "verify", folder.name)["ok"] is True
        said = timed.refused(moment, 5)
        assert "GV441" in said
        assert "is not what the server sent" in said
        assert "behind a bad base" in timed.notes()
        if damage == "a flipped byte":
            assert drilled_moment(timed) == ("fail", True)


def test_a_base_with_damage_in_its_folder_is_named_by_verify(timed: Timed) -> None:
    timed.wait_running("wal")
    folder = timed.root / "backups" / timed.base()
    path = folder / "base.tar.gz"
    with kept_as_it_is(folder):
        content = bytearray(path.read_bytes())
        content[len(content) // 3] ^= 1
        path.write_bytes(content)
        assert "not those that were written" in ended(timed, 5, "backup", "verify", folder.name)
        path.unlink()
        assert "it is missing" in ended(timed, 5, "backup", "verify", folder.name)


def ended(timed: Timed, code: int, *words: str) -> str:
    """Return what a verb says that ends with this exit code."""
    process = timed.live.start(*words)
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, f"{out}{err}"
    return f"{out}{err}"


def drilled_moment(timed: Timed) -> tuple[str, bool]:
    """Drill a fresh dump; return how its question of a moment ended, and whether it says why."""
    timed.live.gavan("backup", "run")
    ended(timed, 1, "backup", "drill", "--objects-sample", "0")
    (*_, last) = (timed.root / "backups" / "drills.jsonl").read_text().splitlines()
    checks = {check["name"]: check for check in json.loads(last)["checks"]}
    point = checks["point in time"]
    return point["outcome"], "is not what the server sent" in point["detail"]


@contextmanager
def kept_as_it_is(folder: Path) -> Iterator[None]:
    """Give a backup its files again when the block ends: the tests after it go by the newest."""
    content = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    try:
        yield
    finally:
        for path, was in content.items():
            path.write_bytes(was)


def change_inside(archive: Path, *, lose: bool) -> None:
    """Flip a byte in the pages of a table in a base, or leave its file out."""
    draft, is_done = archive.with_suffix(".new"), False
    with tarfile.open(archive) as source, tarfile.open(draft, "w:gz", compresslevel=1) as target:
        for member in source:
            file = source.extractfile(member)
            content = bytearray(file.read()) if file is not None else bytearray()
            if not is_done and member.name.startswith("base/") and len(content) >= 8192:
                is_done = True
                if lose:
                    continue
                content[5000] ^= 1
            target.addfile(member, io.BytesIO(content) if file is not None else None)
    assert is_done
    draft.replace(archive)


def sign_again(folder: Path, password: str) -> None:
    """Make the manifest fit the files, as if they had been stored like that."""
    made = manifest.read(folder)
    (folder / "manifest.json").unlink()
    files = tuple(digest(folder / file.path) for file in made.files)
    manifest.write(replace(made, files=files), folder, manifest.signing_key(Secret(password)))


def test_a_recovery_that_is_killed_leaves_the_data_as_they_are(timed: Timed) -> None:
    timed.wait_running("wal")
    timed.base()
    moment = timed.note("wanted again")
    timed.note("and kept")
    words = [sys.executable, "-m", "gavan", "backup", "restore", "--yes", "--at"]
    process = subprocess.Popen([*words, moment.isoformat()], cwd=timed.root, text=True,
                               stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if "replay start" in line:
            break
    process.kill()
    process.wait()
    process.stderr.close()
    assert "and kept" in timed.notes()
    timed.back_to(moment)
    timed.wait_running("postgres")
    assert "and kept" not in timed.notes()
    left = [path.name for path in (timed.root / ".gavan").iterdir() if "recovered" in path.name]
    assert left == []


def test_a_slot_that_lost_its_place_is_a_gap_that_is_said(timed: Timed) -> None:
    timed.wait_running("wal")
    timed.base()
    before = timed.note("before the gap")
    timed.live.gavan("stop", "wal")
    wait_until(lambda: not timed.live.units()["wal"]["pid"])
    timed.ask("create table public.filler (a int)")
    for _ in range(10):
        timed.ask("insert into public.filler select generate_series(1, 100)")
        timed.ask("select pg_switch_wal()", role=ADMIN)
    timed.ask("checkpoint", role=ADMIN)
    inside = timed.moment()
    timed.live.gavan("start", "wal")
    timed.wait_running("wal")
    said = timed.refused(inside, 2)
    assert "GV455" in said
    assert "last moment before it" in said
    logs = (timed.root / ".gavan" / "logs").glob("wal*")
    assert any("lost its place" in path.read_text() for path in logs)
    assert timed.channel is not None
    told = [json.loads(one.body) for one in timed.channel.heard]
    assert "backup.gap" in [one["event"] for one in told]
    timed.base()
    after = timed.note("after the gap")
    timed.back_to(after)
    timed.wait_running("postgres")
    assert "after the gap" in timed.notes()
    assert before < inside < after


def test_a_user_who_is_not_root_goes_back_to_a_moment() -> None:
    """Most people who try it are no root: files are theirs, and nobody gives them to Postgres."""
    if os.geteuid() != 0:
        pytest.skip("all the tests above ran as such a user")
    user = pwd.getpwnam("nobody")
    reached = subprocess.run(
        [sys.executable, "-c", "import gavan"], cwd="/", user=user.pw_uid, group=user.pw_gid,
        extra_groups=[], env={}, capture_output=True, check=False,
    ) if _may_enter(Path(sys.executable), user.pw_uid) else None  # fmt: skip
    if reached is None or reached.returncode != 0:
        pytest.skip("the interpreter of the tests is root's alone")
    with short_folder() as folder:
        os.chown(folder, user.pw_uid, user.pw_gid)
        live = LiveStack(folder, PITR, user="nobody")
        live.up()
        try:
            stack = Timed(live)
            stack.ask("create table public.note (body text)")
            stack.wait_running("wal")
            stack.base()
            moment = stack.note("wanted")
            stack.note("mistake")
            kept = Path(stack.back_to(moment)["data"]["kept"])
            stack.wait_running("postgres")
            assert stack.notes() == {"wanted"}
            assert {path.stat().st_uid for path in (kept, folder / ".gavan" / "data")} == {
                user.pw_uid
            }
            removed = live.gavan("backup", "restore", "--discard-old", "--yes")["data"]["folders"]
            assert str(kept) in removed
            assert not kept.exists()
        finally:
            live.gavan("down", "--force")


def _may_enter(path: Path, uid: int) -> bool:
    """Say whether somebody else may run a program: every folder above what it really is, too."""
    real = path.resolve()
    above = [*path.parents, *real.parents]
    return uid == 0 or all(folder.stat().st_mode & 0o001 for folder in above)


def test_a_disk_that_is_full_holds_the_log_up_and_loses_nothing(tmp_path: Path) -> None:
    """The spool keeps what the archive cannot take; the next run files it."""
    repository, spool = Repository(tmp_path / "backups"), tmp_path / "wal"
    repository.create()
    spool.mkdir()
    names = [f"00000001000000000000000{number}" for number in (7, 8, 9)]
    for name in names:
        (spool / name).write_bytes(os.urandom(400_000))
    on = Receiving(
        url=Secret("postgresql://supabase_admin@127.0.0.1:9/none"), spool=spool,
        repository=repository, sealer=Clear(), place=None, report=silent,
    )  # fmt: skip
    with small_disk(repository.root, "1m"):
        with pytest.raises(GavanError) as caught:
            receive(on, threading.Event())
        assert caught.value.code == "GV406"
        filed = WalArchive(repository).segments()
        assert [one.name for one in filed] == names[:2]
        assert list(WalArchive(repository).problems(filed)) == []
        assert names[2] in {path.name for path in spool.iterdir()}
        mount("-o", "remount,size=8m", str(repository.root))
        # No server answers: what lies in the spool is filed all the same.
        with pytest.raises(GavanError) as caught:
            receive(on, threading.Event())
        assert caught.value.code == "GV321"
        filed = WalArchive(repository).segments()
        assert [one.name for one in filed] == names
        assert list(WalArchive(repository).problems(filed)) == []


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def mount(*words: str) -> None:
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no small file system to fill: {done.stderr.strip()}")


def test_sealed_segments_open_with_the_private_key_alone(tmp_path: Path) -> None:
    identity = pyrage.x25519.Identity.generate()
    key = tmp_path / "key"
    key.write_text(str(identity))
    segment = tmp_path / "000000010000000000000007"
    segment.write_bytes(os.urandom(100_000))
    archive = WalArchive(Repository(tmp_path / "backups"))
    stored = archive.add(segment, Age((str(identity.to_public()),)))
    assert stored is not None
    assert archive.path(stored).name == "000000010000000000000007.gz.age"
    assert segment.read_bytes()[:64] not in archive.path(stored).read_bytes()
    archive.unpack(stored, AgeOpener(key), tmp_path / "clear")
    assert (tmp_path / "clear").read_bytes() == segment.read_bytes()


def test_another_segment_of_the_same_name_is_refused_and_the_first_one_stays(
    tmp_path: Path,
) -> None:
    archive = WalArchive(Repository(tmp_path / "backups"))
    segment = tmp_path / "000000010000000000000007"
    segment.write_bytes(b"one")
    sealer = Age((str(pyrage.x25519.Identity.generate().to_public()),))
    assert archive.add(segment, sealer) is not None
    assert archive.add(segment, sealer) is None
    segment.write_bytes(b"two")
    with pytest.raises(GavanError, match="has another") as caught:
        archive.add(segment, sealer)
    assert caught.value.code == "GV451"
    assert len(archive.segments()) == 1


def test_a_line_that_a_power_cut_tore_swallows_no_other(tmp_path: Path) -> None:
    archive = WalArchive(Repository(tmp_path / "backups"))
    sealer = Age((str(pyrage.x25519.Identity.generate().to_public()),))
    for number in (7, 8):
        segment = tmp_path / f"00000001000000000000000{number}"
        segment.write_bytes(b"x")
        archive.add(segment, sealer)
        index = archive.index.read_bytes()
        if number == 7:
            archive.index.write_bytes(index[:-20])
    assert [one.name[-1] for one in archive.segments()] == ["8"]
