"""The second place: sent, read back, and only then counted; what was missed is sent later."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gavan.backups.fetch import backups_there, fetch
from gavan.backups.layout import Repository
from gavan.backups.listing import backups, find
from gavan.backups.model import Kind, State, silent
from gavan.backups.place_s3 import S3Place
from gavan.backups.places import OFFSITE, read_places
from gavan.backups.prune import HERE, THERE, prune
from gavan.backups.runs import read_runs
from gavan.backups.sealing import Clear
from gavan.backups.verify import verify
from gavan.backups.wal import Receiving, _Sending
from gavan.backups.wal_archive import WalArchive, number_of_lsn, segment_number
from gavan.kit.backup_state import FILE, backup_field
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from tests.integration.backups.conftest import Backed
from tests.local_http import Heard, LocalServer, Reply, local_server
from tests.rclone_s3 import BUCKET, RunningS3, running_s3
from tests.supervised import short_folder

NOW = datetime.now(UTC)


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[RunningS3]:
    with running_s3(tmp_path / "s3") as server:
        yield server


@pytest.fixture
def channel() -> Iterator[LocalServer]:
    def taken(_: Heard) -> Reply:
        return Reply(status=200)

    with local_server(taken) as server:
        yield server


@pytest.fixture
def backed(backed_factory: Callable[..., Backed], s3: RunningS3) -> Backed:
    return backed_factory(section(s3), {"BACKUP_SECRET": s3.secret})


def section(s3: RunningS3) -> str:
    return (
        f'[backup.offsite]\nendpoint = "{s3.url}"\nbucket = "{BUCKET}"\nprefix = "a/board"\n'
        f'key_id = "{s3.key_id}"\nsecret = "secret://BACKUP_SECRET"\n'
    )


def there(s3: RunningS3) -> Path:
    return s3.folder / BUCKET / "a" / "board"


def sent(s3: RunningS3) -> dict[str, int]:
    """Return what is there, with the time when it was written."""
    root = there(s3)
    return {
        path.relative_to(root).as_posix(): path.stat().st_mtime_ns
        for path in root.rglob("*")
        if path.is_file()
    }


def place(backed: Backed) -> S3Place:
    offsite = backed.stack.backup.offsite
    assert offsite is not None
    return S3Place(offsite)


def test_a_backup_arrives_whole_and_is_read_back(backed: Backed, s3: RunningS3) -> None:
    backed.put("a", b"alpha" * 1_000_000)
    made = backed.run()
    assert made.state is State.OK
    arrival = read_places(backed.repository.folder(made.manifest.id))[OFFSITE]
    assert arrival.verified_at is not None
    for name in sent(s3):
        assert (there(s3) / name).read_bytes() == (backed.repository.root / name).read_bytes()
    assert {file.path for file in made.manifest.files} <= {
        name.partition("/")[2] for name in sent(s3)
    }


def test_what_is_there_is_not_sent_again(backed: Backed, s3: RunningS3) -> None:
    backed.put("a", b"alpha")
    backed.run()
    before = sent(s3)
    backed.put("b", b"beta")
    second = backed.run().manifest
    after = sent(s3)
    assert {name: after[name] for name in before} == before
    new_objects = [n for n in set(after) - set(before) if n.startswith("objects/")]
    assert len(new_objects) == 1
    assert f"{second.id}/manifest.json" in after


@pytest.mark.parametrize("key", ["expired", "down"])
def test_a_place_that_fails_leaves_the_backup_here(
    key: str, backed: Backed, s3: RunningS3, channel: LocalServer
) -> None:
    """Trap 37: three days with an expired key; then it is renewed."""
    backed.put("a", b"alpha")
    backed.more += '[notify.team]\ntype = "webhook"\ntarget = "secret://TEAM_TARGET"\n'
    backed.environ["TEAM_TARGET"] = f"{channel.url}/in"
    if key == "expired":
        backed.environ["BACKUP_SECRET"] = "expired"
    else:
        s3.stop()
    days = [backed.run() for _ in range(3)]
    for made in days:
        assert (made.state, made.trouble.code if made.trouble else "") == (State.PARTIAL, "GV413")
        assert verify(backed.repository, made.manifest.id) == []
    message = days[0].trouble.message if days[0].trouble else ""
    assert s3.secret not in message
    assert s3.key_id not in message
    assert [entry.state for entry in backups(backed.repository)] == [State.PARTIAL] * 3
    first = read_places(backed.repository.folder(days[0].manifest.id))[OFFSITE]
    assert (first.verified_at, first.attempts) == (None, 3)
    assert [run.state for run in read_runs(backed.repository)] == [State.PARTIAL] * 3
    health = backed.stack.state_dir / FILE
    assert backup_field(health, NOW)["state"] == "partial"
    if key == "down":
        s3.start()
    backed.environ["BACKUP_SECRET"] = s3.secret
    made = backed.run()
    assert made.state is State.OK
    assert backup_field(health, NOW)["state"] == "ok"
    # The days of this test are one: that it is told again tomorrow is a test of [notify].
    told = [json.loads(one.body)["event"] for one in channel.heard]
    assert told == ["backup.partial", "backup.done"]
    assert [entry.state for entry in backups(backed.repository)] == [State.OK] * 4
    with_manifest = {name.split("/")[0] for name in sent(s3) if name.endswith("manifest.json")}
    assert with_manifest == {entry.id for entry in backups(backed.repository)}


def test_a_place_that_keeps_other_bytes_does_not_count(
    backed: Backed, s3: RunningS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What arrives is changed on the disk there, between sending and reading back."""
    backed.put("a", b"alpha" * 1_000_000)
    send = S3Place.send

    def spoil(self: S3Place, path: Path, key: str, sha256: str, heard: object) -> None:
        send(self, path, key, sha256, heard)  # type: ignore[arg-type]  # as it was given
        target = there(s3) / key
        content = bytearray(target.read_bytes())
        content[0] ^= 1
        target.write_bytes(content)

    monkeypatch.setattr(S3Place, "send", spoil)
    made = backed.run()
    assert made.state is State.PARTIAL
    assert made.trouble is not None
    assert "other bytes" in made.trouble.message
    assert not [name for name in sent(s3) if name.endswith("manifest.json")]
    monkeypatch.undo()
    monkeypatch.setenv("GAVAN_DB_URL", backed.database.url())
    monkeypatch.setenv("GAVAN_DB_ADMIN_URL", backed.database.url("supabase_admin"))
    assert backed.run().state is State.OK
    assert [entry.state for entry in backups(backed.repository)] == [State.OK, State.OK]


def test_what_was_lost_here_comes_back(backed: Backed) -> None:
    backed.put("a", b"alpha")
    first, second = backed.run().manifest, backed.run().manifest
    shutil.rmtree(backed.repository.root)
    with_place = place(backed)
    assert backups_there(with_place) == [first.id, second.id]
    assert fetch(backed.repository, with_place, "latest", backed.hear) == second.id
    assert verify(backed.repository, second.id) == []
    entry = find(backed.repository, "latest")
    assert (entry.manifest, entry.state) == (second, State.OK)
    fetch(backed.repository, with_place, first.id, backed.hear)
    assert backed.repository.latest() == second.id
    with pytest.raises(GavanError) as caught:
        fetch(backed.repository, with_place, "19990101", backed.hear)
    assert caught.value.code == "GV400"
    with_place.close()


def test_what_was_changed_there_does_not_come_back(backed: Backed, s3: RunningS3) -> None:
    made = backed.run().manifest
    shutil.rmtree(backed.repository.root)
    target = there(s3) / made.id / "globals.sql.gz"
    target.write_bytes(target.read_bytes()[:-1] + b"?")
    with_place = place(backed)
    with pytest.raises(GavanError, match=r"globals\.sql\.gz") as caught:
        fetch(backed.repository, with_place, made.id, backed.hear)
    assert caught.value.code == "GV401"
    assert backups(backed.repository) == []
    with_place.close()


def test_a_manifest_without_end_there_fills_nothing_here(
    backed: Backed, s3: RunningS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who writes at the second place may write anything."""
    made = backed.run().manifest
    monkeypatch.setattr("gavan.backups.manifest.MOST_BYTES", 2_000_000)
    (there(s3) / made.id / "manifest.json").write_bytes(bytes(5_000_000))
    with short_folder() as elsewhere:
        repository = Repository(elsewhere / "backups")
        with pytest.raises(GavanError, match="is no manifest") as caught:
            fetch(repository, place(backed), made.id, silent)
        assert caught.value.code == "GV401"
        assert list(repository.root.glob("*Z-*")) == []


def test_prune_removes_backups_and_the_objects_that_only_they_have(
    backed: Backed, s3: RunningS3
) -> None:
    backed.more += "[backup.keep]\ndaily = 1\nweekly = 0\nmonthly = 0\nmin = 1\n"
    backed.put("stays", b"stays")
    backed.put("goes", b"goes")
    old = backed.run().manifest
    backed.drop("goes")
    new = backed.run().manifest
    settings = backed.stack.backup
    planned = prune(backed.repository, settings, backed.hear, dry_run=True, now=NOW)
    for decisions in planned.decisions.values():
        assert [(one.id, one.stays) for one in decisions] == [(new.id, True), (old.id, False)]
    assert len(backups(backed.repository)) == 2
    done = prune(backed.repository, settings, backed.hear, dry_run=False, now=NOW)
    assert done.removed == [old.id]
    assert set(done.decisions) == {HERE, THERE}
    assert [entry.id for entry in backups(backed.repository)] == [new.id]
    assert verify(backed.repository, new.id) == []
    assert len(list(backed.repository.objects.rglob("?" * 64))) == 1
    names = set(sent(s3))
    assert not [name for name in names if name.startswith(old.id)]
    assert len([name for name in names if name.startswith("objects/")]) == 1
    with_place = place(backed)
    shutil.rmtree(backed.repository.root)
    assert fetch(backed.repository, with_place, "latest", backed.hear) == new.id
    assert verify(backed.repository, new.id) == []
    with_place.close()


def test_prune_with_the_clock_behind_removes_nothing(backed: Backed) -> None:
    """Trap 18."""
    backed.run()
    with pytest.raises(GavanError) as caught:
        prune(
            backed.repository, backed.stack.backup, backed.hear, dry_run=False,
            now=NOW - timedelta(days=2),
        )  # fmt: skip
    assert caught.value.code == "GV414"
    assert len(backups(backed.repository)) == 1


def test_prune_keeps_all_objects_while_a_list_cannot_be_read(backed: Backed) -> None:
    backed.more = "[backup.keep]\ndaily = 1\nweekly = 0\nmonthly = 0\nmin = 1\n"
    backed.put("a", b"alpha")
    damaged = backed.run().manifest
    backed.drop("a")
    backed.run()
    (backed.repository.folder(damaged.id) / "manifest.json").write_text("{}")
    prune(backed.repository, backed.stack.backup, backed.hear, dry_run=False, now=NOW)
    assert len(list(backed.repository.objects.rglob("?" * 64))) == 1
    later = NOW + timedelta(days=4)
    prune(backed.repository, backed.stack.backup, backed.hear, dry_run=False, now=later)
    assert len(backups(backed.repository)) == 1
    assert list(backed.repository.objects.rglob("?" * 64)) == []


def log_of(backed: Backed, *numbers: int) -> WalArchive:
    """An archive of the log with these segments."""
    archive = WalArchive(backed.repository)
    for number in numbers:
        segment = backed.repository.root.parent / f"{1:08X}{0:08X}{number:08X}"
        segment.write_bytes(f"segment {number}".encode())
        archive.add(segment, Clear())
        segment.unlink()
    return archive


def send_log(backed: Backed, archive: WalArchive) -> None:
    sending = _Sending(
        Receiving(
            url=Secret(""), spool=Path(), repository=backed.repository, sealer=Clear(),
            place=place(backed), report=silent,
        ),
        archive,
    )  # fmt: skip
    sending.send()


def test_a_base_is_fetched_with_the_log_after_it(backed: Backed, tmp_path: Path) -> None:
    made = backed.run(kind=Kind.PHYSICAL).manifest
    first = number_of_lsn(made.lsn_start)
    archive = log_of(backed, first - 1, first, first + 1)
    send_log(backed, archive)
    fresh = Repository(tmp_path / "fresh")
    fresh.create()
    assert fetch(fresh, place(backed), "latest", silent) == made.id
    found = WalArchive(fresh)
    assert [one.number for one in found.segments()] == [first, first + 1]
    assert list(found.problems(found.segments())) == []
    # What has been written since comes when it is asked for again.
    send_log(backed, log_of(backed, first + 2))
    fetch(fresh, place(backed), made.id, silent)
    assert [one.number for one in found.segments()] == [first, first + 1, first + 2]


def test_the_log_goes_as_far_as_no_base_needs_it(backed: Backed, s3: RunningS3) -> None:
    archive = log_of(backed, 1, 2, 3)
    send_log(backed, archive)
    prune(backed.repository, backed.stack.backup, silent, dry_run=False, now=NOW)
    # A base that comes begins behind all of them; at the other place nobody knows of none.
    assert [one.number for one in archive.segments()] == [3]
    made = backed.run(kind=Kind.PHYSICAL).manifest
    first = number_of_lsn(made.lsn_start)
    send_log(backed, log_of(backed, first, first + 1))
    prune(backed.repository, backed.stack.backup, silent, dry_run=False, now=datetime.now(UTC))
    assert [one.number for one in archive.segments()] == [first, first + 1]
    left = {name for name in sent(s3) if name.startswith("wal/0")}
    assert {segment_number(name.split("/")[-1][:24]) for name in left} == {first, first + 1}


def test_no_log_goes_while_a_base_cannot_be_read(backed: Backed) -> None:
    made = backed.run(kind=Kind.PHYSICAL).manifest
    archive = log_of(backed, 1, 2)
    (backed.repository.folder(made.id) / "manifest.json").write_text("{")
    prune(backed.repository, backed.stack.backup, silent, dry_run=False, now=datetime.now(UTC))
    assert [one.number for one in archive.segments()] == [1, 2]


def test_a_machine_that_lost_its_bases_leaves_the_log_of_those_at_the_other_place(
    backed: Backed, s3: RunningS3
) -> None:
    old = backed.run(kind=Kind.PHYSICAL).manifest
    first = number_of_lsn(old.lsn_start)
    send_log(backed, log_of(backed, first, first + 1))
    shutil.rmtree(backed.repository.folder(old.id))
    shutil.rmtree(backed.repository.root / "wal")
    backed.ask("create table public.moved (a int)")
    for _ in range(3):
        backed.ask("insert into public.moved values (1)")
        backed.ask("select pg_switch_wal()")
    new = backed.run(kind=Kind.PHYSICAL).manifest
    assert number_of_lsn(new.lsn_start) > first + 1
    prune(backed.repository, backed.stack.backup, silent, dry_run=False, now=datetime.now(UTC))
    left = {name for name in sent(s3) if name.startswith("wal/0")}
    assert len(left) == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [("objects.list.gz", b"cut"), ("objects.list.gz", b"\x1f\x8b\x08\0"), ("manifest.json", b"{")],
)
def test_damage_at_the_other_place_stops_no_pruning_and_costs_no_object(
    name: str, content: bytes, backed: Backed, s3: RunningS3
) -> None:
    backed.more += "[backup.keep]\ndaily = 1\nweekly = 0\nmonthly = 0\nmin = 1\n"
    backed.put("a", b"alpha")
    old, new = backed.run().manifest, backed.run().manifest
    before = {one for one in sent(s3) if one.startswith("objects/")}
    damaged = backed.root / "damaged"
    damaged.write_bytes(content)
    with_place = place(backed)
    with_place.delete([f"{new.id}/objects.list.gz"])
    digest = hashlib.sha256(content).hexdigest()
    with_place.send(damaged, f"{new.id}/{name}", digest, lambda _count: None)
    with_place.close()
    done = prune(backed.repository, backed.stack.backup, silent, dry_run=False, now=NOW)
    assert done.removed == [old.id]
    assert {one for one in sent(s3) if one.startswith("objects/")} == before
