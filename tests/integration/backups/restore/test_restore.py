"""A restore replaces a database only by one that is proved to be what was dumped."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyrage
import pytest

from gavan.backups.model import RowCount
from gavan.backups.objects import read_index
from gavan.backups.put_back import Shelf, put_back
from gavan.backups.put_back_s3 import S3Target
from gavan.backups.restore import restore
from gavan.backups.sealing import Clear
from gavan.kit.errors import GavanError
from gavan.kit.storage.blob import blob_key
from gavan.kit.storage.s3_client import Bucket
from tests.conftest import drop_database
from tests.integration.backups.keyring import keyring
from tests.integration.backups.restore.conftest import House
from tests.rclone_s3 import running_s3

COUNT = "select count(*) from card"


def databases(house: House) -> set[str]:
    rows = house.run("select datname::text from pg_database")
    return {name for (name,) in rows if name.startswith(house.database.name)}


def test_yesterday_is_back_and_today_is_kept(house: House) -> None:
    house.backup()
    house.run("delete from card where id > 3", "create table public.later (id int)")
    restored = house.restore()
    asked = "select count(*), to_regclass('public.later')::text from card"
    assert house.run(asked) == [(10, None)]
    assert restored.kept is not None
    assert house.run(asked, database=restored.kept) == [(3, "later")]
    assert restored.warnings == []
    assert databases(house) == {house.database.name, restored.kept}
    assert [state for _, state, _ in house.heard if state in ("warn", "fail")] == []


def test_a_role_that_is_gone_is_made_again_and_its_password_asked_for(house: House) -> None:
    house.run("create role restore_reader login", "grant select on card to restore_reader")
    try:
        house.backup()
        house.run("drop owned by restore_reader", "drop role restore_reader")
        (warning,) = house.restore().warnings
        assert "restore_reader" in warning
        assert "password" in warning
        assert house.run("select has_table_privilege('restore_reader', 'card', 'select')") == [
            (True,)
        ]
    finally:
        house.run("drop owned by restore_reader", "drop role restore_reader")


def test_where_the_database_is_gone_it_is_made(house: House) -> None:
    house.backup()
    drop_database(house.database.cluster, house.database.name)
    restored = house.restore()
    assert restored.kept is None
    assert house.run(COUNT) == [(10,)]


def test_beside_under_another_name_nothing_is_replaced(house: House) -> None:
    house.backup()
    house.run("delete from card")
    name = f"{house.database.name}_look"
    try:
        assert house.restore(to=name).kept is None
        assert house.run(COUNT, database=name) == [(10,)]
        assert house.run(COUNT) == [(0,)]
        with pytest.raises(GavanError) as caught:
            house.restore(to=name)
        assert caught.value.code == "GV445"
    finally:
        drop_database(house.database.cluster, name)


def test_objects_that_are_gone_come_back_and_what_is_there_stays(house: House) -> None:
    versions = {name: house.blob(name, name.encode()) for name in ("gone.txt", "there.txt")}
    lost = house.blob("never.txt", b"lost before the backup")
    folder = house.root / ".gavan/storage"
    (folder / lost[:2] / lost).unlink()
    house.backup()
    (folder / versions["gone.txt"][:2] / versions["gone.txt"]).unlink()
    restored = house.restore()
    for name, version in versions.items():
        assert (folder / version[:2] / version).read_bytes() == name.encode()
    assert restored.objects is not None
    assert (restored.objects.added, restored.objects.there) == (1, 1)
    assert restored.objects.lost == ["files/never.txt"]
    assert "files/never.txt" in restored.warnings[0]
    assert [path for path in (folder / ".staging").rglob("*")] == []


@pytest.mark.parametrize("file", ["db/toc.dat", "globals.sql.gz", "manifest.json", "objects"])
def test_one_flipped_byte_refuses_and_changes_nothing(house: House, file: str) -> None:
    house.blob("a.txt", b"bytes of an object")
    made = house.backup()
    wish = house.wish()
    path = house.repository.folder(made.id) / file
    if file == "objects":
        path = next(
            p for p in house.repository.objects.rglob("*") if p.is_file() and len(p.name) == 64
        )
    flip(path)
    house.run("delete from card")
    with pytest.raises(GavanError) as caught:
        restore(wish)
    assert (caught.value.code, caught.value.exit_code) == ("GV441", 5)
    assert path.name in (caught.value.details or "")
    assert house.run(COUNT) == [(0,)]
    assert databases(house) == {house.database.name}


def test_rows_that_are_not_those_of_the_manifest_are_not_swapped_in(house: House) -> None:
    made = house.backup()
    rows = {**made.rows, "public.card": RowCount(count=11, exact=True)}
    house.run("delete from card")
    with pytest.raises(GavanError) as caught:
        restore(replace(house.wish(), made=replace(made, rows=rows)))
    assert caught.value.code == "GV439"
    assert caught.value.details == "public.card: 10 instead of 11"
    assert house.run(COUNT) == [(0,)]
    assert databases(house) == {house.database.name}


RESTORING = """
import os, sys
from pathlib import Path
from gavan.backups.listing import find
from gavan.backups.restore import Wish, restore
from gavan.backups.run import repository_of
from gavan.backups.sealing import opener_for
from gavan.database.access import access
from gavan.kit.secret import Secret
from gavan.stack.load import load_stack
from tests.servers import RolePasswords
stack = load_stack(Path(sys.argv[1]), environ={})
words = [Secret(word) for word in sys.stdin.readline().split()]
names = ("postgres", "authenticator", "auth_admin", "admin", "storage_admin", "realtime_admin")
keys = RolePasswords(**{f"{n}_password": w for n, w in zip(names, words, strict=True)})
repository = repository_of(stack)
made = find(repository, "latest").manifest
def report(step, state, detail):
    print(step, state, flush=True)
    if f"{step} {state}" == sys.argv[2]:
        sys.stdin.read()
restore(Wish(stack=stack, access=access(stack, keys, environ={}), repository=repository,
    made=made, opener=opener_for(made.encryption, None), report=report))
"""


@contextmanager
def stopped_at(house: House, moment: str) -> Iterator[subprocess.Popen[str]]:
    """Restore in a process of its own, and give it when it waits at a step."""
    process = subprocess.Popen(
        [sys.executable, "-c", RESTORING, str(house.stack.file), moment], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[4],
    )  # fmt: skip
    keys = house.keys
    words = [keys.postgres_password, keys.authenticator_password, keys.auth_admin_password,
             keys.admin_password, keys.storage_admin_password,
             keys.realtime_admin_password]  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    with process, process.stdin, process.stdout:
        process.stdin.write(" ".join(word.reveal() for word in words) + "\n")
        process.stdin.flush()
        heard = ""
        for line in iter(process.stdout.readline, ""):
            heard = line.strip()
            if heard == moment:
                break
        assert heard == moment
        yield process


@pytest.mark.parametrize("moment", ["objects ok", "tables ok", "swap start"])
def test_killed_half_way_the_old_one_serves_and_the_next_run_restores(
    house: House, moment: str
) -> None:
    house.backup()
    house.run("delete from card")
    with stopped_at(house, moment) as process:
        process.kill()
    assert house.run(COUNT) == [(0,)]
    restored = house.restore()
    assert house.run(COUNT) == [(10,)]
    assert databases(house) == {house.database.name, restored.kept}


def test_ctrl_c_leaves_all_as_it_was(house: House) -> None:
    house.backup()
    house.run("delete from card")
    with stopped_at(house, "tables ok") as process:
        assert len(databases(house)) == 2
        process.send_signal(signal.SIGINT)
        process.wait(60)
    assert house.run(COUNT) == [(0,)]
    assert databases(house) == {house.database.name}


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("method", ["age", "gpg"])
def test_a_sealed_backup_restores_with_its_key_and_with_no_other(
    house: House, method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with keyring() as ring:
        monkeypatch.setenv("GNUPGHOME", str(ring.home))
        key, other = (pyrage.x25519.Identity.generate() for _ in range(2))
        for name, one in (("key", key), ("other", other)):
            (tmp_path / name).write_text(str(one))
        recipient = str(key.to_public()) if method == "age" else ring.make("backup")
        house.more = f'[backup.encrypt]\nmethod = "{method}"\nrecipients = ["{recipient}"]\n'
        version = house.blob("a.txt", b"bytes of an object")
        made = house.backup()
        path = house.root / ".gavan/storage" / version[:2] / version
        path.unlink()
        house.run("delete from card")
        restored = restore(house.wish(identity=tmp_path / "key"))
        assert house.run(COUNT) == [(10,)]
        assert path.read_bytes() == b"bytes of an object"
        assert restored.warnings == []
        # Nothing of it was ever on the disk in clear.
        for file in house.repository.folder(made.id).rglob("*"):
            assert file.is_dir() or b"card 7" not in file.read_bytes()
        if method == "age":
            with pytest.raises(GavanError) as caught:
                restore(house.wish(identity=tmp_path / "other"))
        else:
            ring.without_private_keys()
            with pytest.raises(GavanError) as caught:
                restore(house.wish())
        assert caught.value.code == "GV412"
        assert house.run(COUNT) == [(10,)]


def test_objects_go_back_into_an_s3(house: House, tmp_path: Path) -> None:
    # The larger one goes there in parts: a single call takes no more than 5 GiB.
    contents = {"a.txt": b"bytes of an object", "b.bin": b"0123456789abcdef" * 1024 * 1024}
    with running_s3(tmp_path / "s3") as s3:
        versions = {name: house.blob(name, content) for name, content in contents.items()}
        house.backup()
        bucket = Bucket(s3.settings)
        target = S3Target(bucket)
        assert not any(target.has(version) for version in versions.values())
        shelf = Shelf(repository=house.repository, opener=Clear())
        entries = list(read_index(house.wish().folder, house.wish().made.files, Clear()))
        for added, there in ((2, 0), (0, 2)):
            found = put_back(shelf, entries, target, lambda _count: None)
            assert (found.added, found.there, found.lost) == (added, there, [])
        for name, version in versions.items():
            assert bucket.get(blob_key(version))["Body"].read() == contents[name]
        bucket.close()
