"""A backup as files that another Supabase takes, by the hand of a role that is no superuser."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gavan.backups.archive import Entry
from gavan.backups.portable import portable_entries, write_portable
from gavan.database.embedded import ADMIN
from gavan.database.programs import libpq_environment, program
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from tests.conftest import Database
from tests.integration.backups.restore.conftest import House

OWN = (
    "set role postgres",
    "create schema shop",
    "create type shop.size as enum ('s', 'm')",
    "create table shop.thing (id bigint generated always as identity primary key, size shop.size,"
    " owner uuid references auth.users, note text default E'tab\\there')",
    "alter table shop.thing enable row level security",
    "create policy mine on shop.thing to authenticated using (owner = auth.uid())",
    "grant select on shop.thing to anon",
    "create function public.welcome() returns trigger language plpgsql security definer as"
    " 'begin insert into shop.thing (owner) values (new.id); return new; end'",
    "insert into auth.users (id, email, encrypted_password)"
    " values ('11111111-1111-1111-1111-111111111111', 'ann@example.com', 'x')",
    "insert into shop.thing (size, owner, note)"
    " select 's', id, E'a\\\\restrict\\nb' from auth.users",
    'create policy "own files" on storage.objects for select to authenticated'
    " using (owner_id = auth.uid()::text)",
    "alter publication supabase_realtime add table shop.thing",
    "alter default privileges for role postgres in schema shop grant select on tables to anon",
    "select lo_from_bytea(777, 'large')",
    "reset role",
    "create trigger welcome after insert on auth.users for each row execute function welcome()",
    "create role portable_reader nologin",
    "grant portable_reader to postgres",
    "grant usage on schema shop to portable_reader",
    "create table if not exists supabase_migrations.schema_migrations"
    " (version text primary key, statements text[], name text)",
    "insert into supabase_migrations.schema_migrations values ('001', '{select 1}', 'first')",
)


def load(target: Database, path: Path) -> None:
    """Load a file as somebody does who has a hosted project: psql, as role postgres."""
    done = subprocess.run(
        [program("psql"), "--no-psqlrc", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(path)],
        env=libpq_environment(Secret(target.url())), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{path.name}: {done.stderr}"


ASKED = (
    "select id, size, owner, note from shop.thing",
    "select id, email from auth.users",
    "select id, name from storage.buckets where id = 'files'",
    "select polname, polrelid::regclass::text, pg_get_expr(polqual, polrelid) from pg_policy"
    " order by 1",
    "select pubname, tablename from pg_publication_tables where schemaname = 'shop'",
    "select tgname, tgfoid::regproc::text from pg_trigger where tgname = 'welcome'",
    "select * from supabase_migrations.schema_migrations",
    "select has_table_privilege('anon', 'shop.thing', 'select'),"
    " has_schema_privilege('portable_reader', 'shop', 'usage'), to_regclass('gavan.nothing')",
    "select data from pg_largeobject where loid = 777",
    "select relrowsecurity from pg_class where oid = 'shop.thing'::regclass",
)


@pytest.fixture
def target(database_factory: Callable[[], Database]) -> Iterator[Database]:
    """Another project; its owner may do what a hosted project lets its owner do."""
    made = database_factory()
    with made.connect(ADMIN) as connection:
        connection.execute("grant set on parameter session_replication_role to postgres")
        yield made
        connection.execute("revoke set on parameter session_replication_role from postgres")
        connection.execute("drop owned by portable_reader")
        connection.execute("drop role portable_reader")


def test_another_project_takes_all_of_it(house: House, target: Database, tmp_path: Path) -> None:
    house.run(*OWN)
    house.blob("folder/имя.txt", b"bytes of an object")
    house.blob("../../escape.txt", b"bytes of a hostile name")
    house.backup()
    written = write_portable(house.wish(), tmp_path / "out")
    assert written.lost == ["files/../../escape.txt"]
    text = "".join(path.read_text() for path in written.files)
    assert not re.search(r"(?m)^\\(un)?restrict|transaction_timeout|OWNER TO|supabase_admin", text)
    wanted = [house.run(query) for query in ASKED]
    house.run("drop owned by portable_reader", "drop role portable_reader")
    for path in written.files:
        load(target, path)
    with target.connect(ADMIN) as connection:
        found = [connection.execute(query.encode()).fetchall() for query in ASKED]
        assert found == wanted
        assert connection.execute("select count(*) from storage.objects").fetchone() == (0,)
    assert (tmp_path / "out/objects/files/folder/имя.txt").read_bytes() == b"bytes of an object"
    assert [path for path in tmp_path.rglob("escape.txt")] == []
    with pytest.raises(GavanError) as caught:
        write_portable(house.wish(), tmp_path / "out")
    assert caught.value.code == "GV447"


def test_what_belongs_to_the_platform_stays_behind() -> None:
    lines = [
        "1; 2615 1 SCHEMA - shop postgres",
        "2; 2615 2 SCHEMA - auth supabase_auth_admin",
        "3; 1259 3 TABLE auth users supabase_auth_admin",
        "4; 0 3 TABLE DATA auth users supabase_auth_admin",
        "5; 0 4 TABLE DATA auth schema_migrations supabase_auth_admin",
        "6; 0 5 TABLE DATA storage objects supabase_storage_admin",
        "7; 826 6 DEFAULT ACL public DEFAULT PRIVILEGES FOR TABLES supabase_admin",
        "8; 826 7 DEFAULT ACL public DEFAULT PRIVILEGES FOR TABLES postgres",
        "9; 2620 8 TRIGGER storage objects update_objects_updated_at supabase_storage_admin",
        "10; 3466 9 EVENT TRIGGER - pgrst_ddl_watch supabase_admin",
        "11; 6104 10 PUBLICATION - supabase_realtime postgres",
        "12; 6106 11 PUBLICATION TABLE shop supabase_realtime thing postgres",
        "13; 0 0 COMMENT - EXTENSION vector ",
        "14; 3079 12 EXTENSION - vector ",
        "15; 1259 13 TABLE gavan migration_log postgres",
        "16; 1259 14 MATERIALIZED VIEW DATA shop sums postgres",
        "; a comment",
    ]
    entries = [entry for line in lines if (entry := Entry.parse(line)) is not None]
    assert len(entries) == len(lines) - 1
    assert [entry.id for entry in portable_entries(entries)] == [4, 8, 12, 14, 16]
