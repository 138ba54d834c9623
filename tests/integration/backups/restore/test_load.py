"""A database that is filled from a dump has all that the old one had."""

from __future__ import annotations

import gzip
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psycopg import sql

from gavan.backups.archive import Archive
from gavan.backups.load import Source, fresh_database, load
from gavan.backups.model import silent
from gavan.backups.scratch import Wanted, scratch_cluster
from gavan.backups.sealing import Clear
from gavan.backups.swap import rename
from gavan.database.bootstrap import bootstrap
from gavan.database.embedded import ADMIN
from gavan.database.programs import libpq_environment, program
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from tests.conftest import Cluster, Database, drop_database
from tests.integration.backups.restore.catalogues import catalogues, differences
from tests.supervised import short_folder

EVERYTHING = (Path(__file__).parent / "everything.sql").read_text(encoding="utf-8")
FRESH = "drill_restore_20261121t033000z_ab12cd"


@pytest.fixture
def full(database: Database) -> Iterator[Database]:
    """A database with something of every kind, and settings of its own."""
    with database.connect(ADMIN) as connection:
        connection.execute(EVERYTHING.encode())
        name = sql.Identifier(database.name)
        for statement in (
            "alter database {} set work_mem = '5MB'",
            'alter role anon in database {} set search_path = "$user", app',
            "comment on database {} is 'it''s a board'",
            "grant connect on database {} to drill_owner with grant option",
            "alter database {} connection limit 77",
        ):
            connection.execute(sql.SQL(statement).format(name))
    bootstrap(Secret(database.url(ADMIN)), {})
    yield database
    drop_database(database.cluster, database.name)
    with database.cluster.connect() as connection:
        connection.execute(f"create database {database.name}")
        connection.execute("revoke set on parameter log_min_messages from drill_owner")
        connection.execute("drop role drill_owner")


def dump(database: Database, folder: Path, *, folder_form: bool) -> Source:
    """Dump as a backup does, sealed for nobody."""
    env = libpq_environment(Secret(database.url(ADMIN)))
    form = ["-Fd", "-j", "2", "--compress=gzip:3"] if folder_form else ["-Fc"]
    path = folder / "db"
    subprocess.run([program("pg_dump"), *form, "-f", str(path)], env=env, check=True)
    roles = subprocess.run(
        [program("pg_dumpall"), "--globals-only", "--no-role-passwords"],
        env=env, check=True, capture_output=True, text=True,
    )  # fmt: skip
    (folder / "globals.sql.gz").write_bytes(gzip.compress(roles.stdout.encode()))
    archive = Archive(path=path, opener=Clear())
    return Source(archive=archive, roles=roles.stdout, on_new_server=False)


@pytest.mark.parametrize("folder_form", [True, False])
def test_it_equals_the_old_one_in_every_catalogue_and_every_row(
    full: Database, tmp_path: Path, folder_form: bool
) -> None:
    source = dump(full, tmp_path, folder_form=folder_form)
    before = catalogues(full.cluster, full.name)
    admin = Secret(full.url(ADMIN))
    with fresh_database(admin, FRESH) as url:
        assert load(url, source, silent) == []
        bootstrap(url, {})
        rename(admin, FRESH, f"{full.name}_again")
    try:
        after = catalogues(full.cluster, f"{full.name}_again")
        assert differences(before, after) == {}
    finally:
        drop_database(full.cluster, f"{full.name}_again")


def test_on_a_new_server_the_roles_are_what_they_were(full: Database, tmp_path: Path) -> None:
    source = dump(full, tmp_path, folder_form=True)
    new = Source(archive=source.archive, roles=source.roles, on_new_server=True)
    asked = (
        "select rolname, rolsuper, rolinherit, rolcreaterole, rolcanlogin, rolbypassrls, rolconfig"
        " from pg_roles where rolname !~ '^(pg_|t[0-9]+_)' order by 1"
    )
    members = (
        "select roleid::regrole::text, member::regrole::text, admin_option, inherit_option"
        " from pg_auth_members order by 1, 2, 3"
    )
    rights = "select parname, paracl::text[] from pg_parameter_acl order by 1"
    remarks = "select objoid::regrole::text, description from pg_shdescription where classoid ="
    remarks += " 'pg_authid'::regclass order by 1"
    questions = (asked, members, rights, remarks)
    before = catalogues(full.cluster, full.name)
    with full.cluster.connect() as connection:
        wanted = [connection.execute(query).fetchall() for query in questions]
        assert any("log_min_messages" in str(row) for row in wanted[2])
    with short_folder() as root:
        root.chmod(0o755)
        place = Wanted(project=root, place=root / "s", bytes=1, database=full.name)
        with scratch_cluster(place) as scratch:
            admin = scratch.url(ADMIN)
            with fresh_database(admin, FRESH) as url:
                assert load(url, new, silent) == []
                bootstrap(url, scratch.passwords)
                rename(admin, FRESH, full.name)
            beside = Cluster(scratch.server)
            assert differences(before, catalogues(beside, full.name)) == {}
            with beside.connect() as connection:
                assert [connection.execute(query).fetchall() for query in questions] == wanted


def test_a_dump_that_does_not_load_leaves_no_database(full: Database, tmp_path: Path) -> None:
    source = dump(full, tmp_path, folder_form=True)
    (tmp_path / "db" / "toc.dat").write_bytes(b"PGDMP but no more")
    with (
        pytest.raises(GavanError) as caught,
        fresh_database(Secret(full.url(ADMIN)), FRESH) as url,
    ):
        load(url, source, silent)
    assert caught.value.code == "GV435"
    assert FRESH not in _names(full)


def test_what_a_killed_run_left_is_dropped_and_what_is_being_filled_is_not(
    database: Database, database_factory: Callable[[], Database]
) -> None:
    admin = Secret(database.url(ADMIN))
    with database.cluster.connect() as connection:
        connection.execute(f"create database {FRESH}")
        connection.execute("create database data_restore_old")
    other = FRESH.replace("ab12cd", "000000")
    try:
        with fresh_database(admin, other):
            assert FRESH not in _names(database)
            with pytest.raises(GavanError) as caught, fresh_database(admin, other):
                pass
            assert (caught.value.code, caught.value.exit_code) == ("GV437", 4)
            with fresh_database(admin, FRESH):
                assert {FRESH, other} <= _names(database)
        assert _names(database).isdisjoint({FRESH, other})
        assert "data_restore_old" in _names(database)
    finally:
        drop_database(database.cluster, "data_restore_old")


def _names(database: Database) -> set[str]:
    with database.cluster.connect() as connection:
        return {row[0] for row in connection.execute("select datname from pg_database")}
