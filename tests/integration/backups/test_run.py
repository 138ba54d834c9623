"""A backup of a database and its objects: what is in it, and what is not when it fails."""

from __future__ import annotations

import dataclasses
import gzip
import os
import re
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pyrage
import pytest

from gavan.backups import manifest
from gavan.backups.dump import FOLDER, programs
from gavan.backups.listing import backups, find, keep
from gavan.backups.lock import locked
from gavan.backups.model import RowCount, State
from gavan.backups.objects import read_index, read_list
from gavan.backups.run import Made
from gavan.backups.runs import read_runs
from gavan.backups.sealing import opener_for
from gavan.backups.streams import opened_stream
from gavan.backups.verify import Checked, verify
from gavan.database.embedded import ADMIN
from gavan.kit.errors import GavanError
from tests.integration.backups.conftest import Backed
from tests.integration.backups.keyring import Keyring, keyring


def folder_of(backed: Backed, made: Made) -> Path:
    return backed.repository.folder(made.manifest.id)


def names(backed: Backed) -> set[str]:
    return {entry.name for entry in backed.repository.root.iterdir()}


def index(backed: Backed, made: Made, identity: Path | None = None) -> dict[str, bytes | None]:
    """Return the objects of a backup as they would be restored."""
    opener = opener_for(made.manifest.encryption, identity)
    found: dict[str, bytes | None] = {}
    for entry in read_index(folder_of(backed, made), made.manifest.files, opener):
        found[entry.name] = None
        if entry.blob is not None:
            with opened_stream(backed.repository.object_path(entry.blob.stored), opener) as stream:
                found[entry.name] = stream.read()
    return found


def test_a_backup_says_what_was_there(backed: Backed) -> None:
    backed.put("a.txt", b"alpha")
    made = backed.run().manifest
    assert made == manifest.read(backed.repository.folder(made.id))
    assert made.rows["public.card"] == RowCount(count=500, exact=True)
    assert made.rows["hidden.note"] == RowCount(count=2, exact=True)
    assert made.rows["public.empty"] == RowCount(count=0, exact=True)
    assert made.rows["storage.objects"].count == 1
    assert {"anon", "postgres", "authenticator"} <= set(made.roles)
    assert (made.stack, made.database) == ("board", backed.database.name)
    assert len(made.schema_hash) == 64
    assert made.database_bytes > 1_000_000
    assert (made.objects.count, made.objects.bytes, made.objects.absent) == (1, 5, 0)
    assert made.warnings == ()
    assert {entry.id: entry.state for entry in backups(backed.repository)} == {made.id: State.OK}
    assert backed.repository.latest() == made.id
    assert [(run.id, run.state) for run in read_runs(backed.repository)] == [(made.id, State.OK)]


def test_the_dump_holds_every_schema_and_the_roles(backed: Backed) -> None:
    folder = folder_of(backed, backed.run())
    done = subprocess.run(
        [str(programs(18) / "pg_restore"), "--file=-", str(folder / "db")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    for table in ("public.card", "hidden.note", "auth.users", "storage.objects"):
        assert f"CREATE TABLE {table} " in done.stdout
    assert "card 500" in done.stdout
    roles = gzip.decompress((folder / "globals.sql.gz").read_bytes()).decode()
    assert "CREATE ROLE anon" in roles
    assert "PASSWORD" not in roles


def test_rows_are_counted_at_the_moment_of_the_dump(
    backed: Backed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that come while the backup runs are neither counted nor dumped."""
    hear = backed.hear

    def add_rows(step: str, state: str, detail: str) -> None:
        hear(step, state, detail)
        if (step, state) == ("database", "start"):
            backed.ask(
                "insert into public.card select n, 'late card' from generate_series(501, 600) n"
            )

    monkeypatch.setattr(backed, "hear", add_rows)
    made = backed.run()
    assert made.manifest.rows["public.card"].count == 500
    done = subprocess.run(
        [str(programs(18) / "pg_restore"), "--file=-", str(folder_of(backed, made) / "db")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "late card" not in done.stdout


def test_objects_that_did_not_change_are_not_stored_again(backed: Backed) -> None:
    backed.put("a", b"alpha")
    backed.put("b", b"beta")
    backed.put("twin of a", b"alpha")
    first = backed.run()
    assert first.manifest.objects.new_bytes == len(b"alpha") * 2 + len(b"beta")
    backed.put("b", b"another beta")
    stored = {path: path.stat().st_ino for path in backed.repository.objects.rglob("?" * 64)}
    assert len(stored) == 2
    second = backed.run()
    assert second.manifest.objects.new_bytes == len(b"another beta")
    assert {path: path.stat().st_ino for path in stored} == stored
    assert index(backed, first) == {"a": b"alpha", "b": b"beta", "twin of a": b"alpha"}
    assert index(backed, second) == {"a": b"alpha", "b": b"another beta", "twin of a": b"alpha"}


def test_a_stored_object_that_is_gone_is_stored_again(backed: Backed) -> None:
    backed.put("a", b"alpha")
    first = backed.run()
    [(sha, _)] = read_list(folder_of(backed, first), first.manifest.files)
    backed.repository.object_path(sha).unlink()
    assert index(backed, backed.run()) == {"a": b"alpha"}


def test_a_damaged_cache_costs_time_alone(backed: Backed) -> None:
    backed.put("a", b"alpha")
    backed.run()
    (backed.repository.root / "known.sqlite").write_bytes(b"no database" * 1000)
    assert index(backed, backed.run()) == {"a": b"alpha"}


def test_an_object_that_was_deleted_meanwhile_is_counted_and_named(backed: Backed) -> None:
    """Trap 40: the row is in the dump, its bytes are gone."""
    backed.put("here", b"here")
    backed.put("gone", None)
    backed.ask("insert into storage.objects (bucket_id, name) values ('files', 'never')")
    backed.ask(
        "insert into storage.objects (bucket_id, name, version) values ('files', 'odd', '../../x')"
    )
    made = backed.run()
    assert made.state is State.OK
    assert (made.manifest.objects.count, made.manifest.objects.absent) == (4, 3)
    [warning] = made.manifest.warnings
    assert warning.startswith("3 objects have no bytes: files/gone, files/never, files/odd")
    assert index(backed, made) == {"gone": None, "here": b"here", "never": None, "odd": None}
    assert verify(backed.repository, made.manifest.id) == []


def test_what_the_core_has_yet_to_do_is_not_done_again_over_what_is_restored(
    backed: Backed,
) -> None:
    backed.ask("insert into gavan.storage_jobs (kind, payload) values ('empty', '{}')")
    made = backed.run()
    listed = subprocess.run(
        [programs(18) / "pg_restore", "--list", folder_of(backed, made) / FOLDER],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert " TABLE gavan storage_jobs " in listed.stdout
    assert " TABLE DATA gavan storage_jobs " not in listed.stdout
    assert "gavan.storage_jobs" not in made.manifest.rows
    assert verify(backed.repository, made.manifest.id) == []


def test_objects_can_be_left_out(backed_factory: Callable[..., Backed]) -> None:
    backed = backed_factory("[backup]\nobjects = false\n")
    backed.put("a", b"alpha")
    assert backed.run().manifest.objects.count == 0


def test_the_configuration_is_in_it_without_secrets_in_clear(backed: Backed) -> None:
    migrations = backed.root / "supabase" / "migrations"
    migrations.mkdir(parents=True)
    (migrations / "010_a.sql").write_text("select 1;")
    (backed.root / ".env").write_text("A_SECRET=hush")
    made = backed.run()
    with tarfile.open(folder_of(backed, made) / "config.tar.gz") as archive:
        assert archive.getnames() == ["gavan.toml", "supabase/migrations/010_a.sql"]


def age(backed_factory: Callable[..., Backed], tmp_path: Path) -> tuple[Backed, Path]:
    identity = pyrage.x25519.Identity.generate()
    path = tmp_path / "age.key"
    path.write_text(f"{identity}\n")
    section = f'[backup.encrypt]\nmethod = "age"\nrecipients = ["{identity.to_public()}"]\n'
    return backed_factory(section), path


def test_an_encrypted_backup_holds_nothing_in_clear(
    backed_factory: Callable[..., Backed], tmp_path: Path
) -> None:
    backed, identity = age(backed_factory, tmp_path)
    (backed.root / ".env").write_text("A_VARIABLE=plain-words-of-env")
    backed.put("plain-name-of-object", b"plain-words-of-object")
    made = backed.run()
    assert {file.path for file in made.manifest.files} == {
        "db.dump.age", "globals.sql.gz.age", "config.tar.gz.age", "objects.idx.gz.age",
        "objects.list.gz",
    }  # fmt: skip
    for path in filter(Path.is_file, backed.repository.root.rglob("*")):
        content = path.read_bytes()
        for word in (b"plain-words", b"plain-name", b"card 500", b"PGDMP"):
            assert word not in content, path
    assert verify(backed.repository, made.manifest.id) == []
    assert index(backed, made, identity) == {"plain-name-of-object": b"plain-words-of-object"}
    opener = opener_for(made.manifest.encryption, identity)
    with opened_stream(folder_of(backed, made) / "db.dump.age", opener) as dump:
        done = subprocess.run(
            [str(programs(18) / "pg_restore"), "--file=-"], stdin=dump, capture_output=True,
            text=True, check=True,
        )  # fmt: skip
    assert "card 500" in done.stdout
    with (
        opened_stream(folder_of(backed, made) / "config.tar.gz.age", opener) as stream,
        tarfile.open(fileobj=stream, mode="r|gz") as archive,
    ):
        assert archive.getnames() == [".env", "gavan.toml"]


def test_new_recipients_get_the_old_objects_too(
    backed_factory: Callable[..., Backed], tmp_path: Path
) -> None:
    backed, identity = age(backed_factory, tmp_path)
    backed.put("a", b"alpha")
    first = backed.run()
    assert backed.run().manifest.objects.new_bytes == 0
    other = pyrage.x25519.Identity.generate()
    (tmp_path / "other.key").write_text(str(other))
    backed.more = f'[backup.encrypt]\nmethod = "age"\nrecipients = ["{other.to_public()}"]\n'
    second = backed.run()
    assert index(backed, second, tmp_path / "other.key") == {"a": b"alpha"}
    assert index(backed, first, identity) == {"a": b"alpha"}


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> object:
    with keyring() as made:
        monkeypatch.setenv("GNUPGHOME", str(made.home))
        yield made


def gpg(public: str) -> str:
    return f'[backup.encrypt]\nmethod = "gpg"\nrecipients = ["{public}"]\n'


def test_gpg_names_its_keys_and_doubts_a_private_one_on_the_host(
    backed_factory: Callable[..., Backed], ring: Keyring
) -> None:
    """Trap 41: set up with the private key here, then without it."""
    public = ring.make("ops")
    backed = backed_factory(gpg(public))
    backed.put("a", b"alpha")
    made = backed.run()
    assert made.manifest.encryption.recipients == (public,)
    [warning] = made.manifest.warnings
    assert "the private key is on this host" in warning
    assert index(backed, made) == {"a": b"alpha"}
    ring.without_private_keys()
    second = backed.run()
    assert second.manifest.warnings == ()
    assert verify(backed.repository, second.manifest.id) == []


def test_an_expired_recipient_stops_the_backup_before_it_begins(
    backed_factory: Callable[..., Backed], ring: Keyring
) -> None:
    """Trap 41."""
    public = ring.make("old", expire="1d", at="20200101T000000")
    backed = backed_factory(gpg(public))
    backed.repository.create()
    with pytest.raises(GavanError) as caught:
        backed.run()
    assert caught.value.code == "GV409"
    assert backups(backed.repository) == []
    [run] = read_runs(backed.repository)
    assert (run.state, run.code) == (State.FAILED, "GV409")


def test_a_run_that_fails_leaves_what_was_there(
    backed: Backed, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = backed.run()
    monkeypatch.setenv("GAVAN_DB_ADMIN_URL", backed.database.url(ADMIN) + "_not_there")
    with pytest.raises(GavanError) as caught:
        backed.run()
    assert (caught.value.code, caught.value.exit_code) == ("GV321", 3)
    assert backed.repository.ids() == [before.manifest.id]
    assert backed.repository.latest() == before.manifest.id
    assert [run.state for run in read_runs(backed.repository)] == [State.OK, State.FAILED]


def test_a_table_that_is_locked_too_long_ends_the_run_in_words(
    backed: Backed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gavan.backups.dump.LOCK_TIMEOUT", "200ms")
    with backed.database.connect(ADMIN) as other:
        other.execute("begin")
        other.execute("lock table public.card in access exclusive mode")
        with pytest.raises(GavanError) as caught:
            backed.run()
    assert caught.value.code == "GV407"
    assert "LOCK TABLE" in (caught.value.details or "")
    assert backups(backed.repository) == []
    assert not [name for name in names(backed) if name.endswith(".partial")]


def test_what_a_killed_run_left_is_removed_by_the_next(backed: Backed) -> None:
    """Trap 35."""
    backed.repository.create()
    left = backed.repository.partial("20200101T000000Z-logical-000000")
    (left / "db").mkdir(parents=True)
    (left / "db" / "toc.dat").write_bytes(b"half")
    assert backups(backed.repository) == []
    made = backed.run()
    assert not left.exists()
    assert backed.repository.ids() == [made.manifest.id]
    assert any(step == "leftovers" for step, _, _ in backed.heard)


def test_only_the_programs_of_gavan_are_used(
    backed: Backed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap 42: another pg_dump on the PATH is never asked."""
    for name in ("pg_dump", "pg_dumpall", "pg_restore"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 99\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("PGDATABASE", "not_this_one")
    assert backed.run().state is State.OK


def test_a_newer_server_asks_for_a_newer_gavan() -> None:
    with pytest.raises(GavanError, match="Postgres 19") as caught:
        programs(19)
    assert (caught.value.code, caught.value.exit_code) == ("GV430", 7)


def test_a_second_run_does_not_begin(backed: Backed) -> None:
    with locked(backed.repository, "backup run"), pytest.raises(GavanError) as caught:
        backed.run()
    assert (caught.value.code, caught.value.exit_code) == ("GV404", 4)
    assert read_runs(backed.repository) == []


def test_a_second_run_waits_for_the_first(backed: Backed) -> None:
    results: list[Made] = []
    threads = [
        threading.Thread(target=lambda: results.append(backed.run(wait_s=60))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert len(backups(backed.repository)) == len(results) == 2


def test_without_room_nothing_is_begun(backed: Backed, monkeypatch: pytest.MonkeyPatch) -> None:
    backed.put("a", b"alpha")
    monkeypatch.setattr("gavan.backups.space.RESERVE", 1.0)
    with pytest.raises(GavanError, match="not enough room") as caught:
        backed.run()
    assert caught.value.code == "GV405"
    assert backups(backed.repository) == []


def test_a_clock_that_was_moved_back_is_doubted(backed: Backed) -> None:
    future = backed.run().manifest
    folder = backed.repository.folder(future.id)
    later = future.id.replace(future.id[:4], "2999", 1)
    folder.rename(backed.repository.folder(later))
    (backed.repository.folder(later) / "manifest.json").unlink()
    key = manifest.signing_key(backed.keys.admin_password)
    moved = dataclasses.replace(future, id=later, started=future.started.replace(year=2999))
    manifest.write(moved, backed.repository.folder(later), key)
    [warning] = backed.run().manifest.warnings
    assert "the clock was moved back" in warning


READ_ALL = """do $$ declare one text; begin
  for one in select nspname from pg_namespace where nspname !~ '^pg_' loop
    execute format('grant usage on schema %I to reader', one);
    execute format('grant select on all tables in schema %I to reader', one);
    execute format('grant select on all sequences in schema %I to reader', one);
  end loop;
end $$"""


@pytest.fixture
def reader(backed: Backed) -> Iterator[str]:
    """A role that may read what is there now; its URL."""
    backed.ask("create role reader login bypassrls password 'hush'")
    backed.ask(READ_ALL)
    yield backed.database.url().replace("postgres:", "reader:", 1)
    backed.ask("drop owned by reader")
    backed.ask("drop role reader")


def test_tables_that_the_role_may_not_read_are_named(
    backed: Backed, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that is not ours is backed up as whom we have, who may not see everything."""
    password = re.sub(r"reader:[^@]+@", "reader:hush@", reader)
    backed.ask('create table hidden."se*cret" (id int)')
    backed.ask("create table hidden.second (id int)")
    backed.ask("grant select on hidden.second to reader")
    monkeypatch.delenv("GAVAN_DB_ADMIN_URL")
    monkeypatch.setenv("GAVAN_DB_URL", password)
    backed.more = '[database]\nexternal_url = "postgresql://127.0.0.1/x"\n'
    made = backed.run()
    assert "hidden.se*cret" not in made.manifest.rows
    assert made.manifest.rows["hidden.second"].exact
    [warning] = made.manifest.warnings
    assert warning == "1 tables are not in it, the role may not read them: hidden.se*cret"
    assert backups(backed.repository)[-1].state is State.OK


def test_what_is_kept_says_why(backed: Backed) -> None:
    made = backed.run().manifest
    keep(backed.repository, made.id, "before the move")
    assert find(backed.repository, "latest").kept == "before the move"
    assert verify(backed.repository, made.id) == []
    keep(backed.repository, made.id, None)
    assert find(backed.repository, made.id).kept is None


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_one_flipped_bit_in_any_file_is_found_and_named(backed: Backed) -> None:
    """Trap 36: each file in turn."""
    backed.put("a", b"alpha")
    made = backed.run().manifest
    folder = backed.repository.folder(made.id)
    paths = [*(folder / file.path for file in made.files), folder / "manifest.json"]
    paths += backed.repository.objects.rglob("?" * 64)
    assert len(paths) > 20
    for path in paths:
        before = path.read_bytes()
        flip(path)
        problems = verify(backed.repository, made.id)
        wanted = path.relative_to(backed.repository.root).as_posix()
        assert wanted in {problem.file for problem in problems}, (wanted, problems)
        path.write_bytes(before)
    assert verify(backed.repository, made.id) == []


def test_files_that_are_missing_or_strange_are_found(backed: Backed) -> None:
    backed.put("a", b"alpha")
    made = backed.run().manifest
    folder = backed.repository.folder(made.id)
    (folder / "db" / "toc.dat").unlink()
    (folder / "stranger").write_text("?")
    longer = folder / "globals.sql.gz"
    longer.write_bytes(longer.read_bytes() + b"more")
    [blob] = backed.repository.objects.rglob("?" * 64)
    blob.unlink()
    problems = {problem.file.partition("/")[2]: problem.what for problem in
                verify(backed.repository, made.id)}  # fmt: skip
    assert problems["db/toc.dat"] == "it is missing"
    assert problems["stranger"] == "it is not in the manifest"
    assert "were written" in problems["globals.sql.gz"]
    assert problems[f"{blob.name[:2]}/{blob.name}"] == "it is missing"


def test_objects_of_several_backups_are_read_once(backed: Backed) -> None:
    backed.put("a", b"alpha" * 1000)
    one, two = backed.run().manifest, backed.run().manifest
    checked = Checked()
    assert verify(backed.repository, one.id, checked=checked) == []
    between = checked.bytes
    assert verify(backed.repository, two.id, checked=checked) == []
    assert checked.bytes - between == two.stored_bytes


def test_a_truncated_manifest_makes_a_damaged_backup(backed: Backed) -> None:
    """Trap 36."""
    made = backed.run().manifest
    path = backed.repository.folder(made.id) / "manifest.json"
    path.write_bytes(path.read_bytes()[:200])
    [entry] = backups(backed.repository)
    assert (entry.state, entry.manifest) == (State.FAILED, None)
    assert "cut off" in entry.reason
