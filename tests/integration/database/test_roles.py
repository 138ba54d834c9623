"""Roles, grants and row security of a fresh database, as applications of Supabase expect them."""

from __future__ import annotations

import psycopg
import pytest

from gavan.core.rest.options import READERS
from tests.conftest import Database


def test_anon_cannot_read_auth_users(database: Database) -> None:
    with database.connect("authenticator") as connection:
        connection.execute("set role anon")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select * from auth.users")


def test_each_login_role_connects_with_its_password(database: Database) -> None:
    admins = ("supabase_auth_admin", "supabase_storage_admin", "supabase_realtime_admin")
    for role in ("postgres", "authenticator", *admins):
        with database.connect(role) as connection:
            assert connection.execute("select current_user").fetchone() == (role,)


def test_user_tables_are_granted_to_the_api_roles_by_default(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("create table note (id int primary key)")
        for role in ("anon", "authenticated", "service_role"):
            row = connection.execute(
                "select has_table_privilege(%s, 'note', 'select, insert, update, delete')", (role,)
            ).fetchone()
            assert row == (True,)


def test_two_users_see_only_their_own_rows(database: Database) -> None:
    with database.connect() as connection:
        connection.execute(
            "create table note (id int primary key, owner uuid default auth.uid());"
            "alter table note enable row level security;"
            "create policy own on note to authenticated using (owner = auth.uid())"
        )
    users = ("6f9619ff-8b86-d011-b42d-00cf4fc964ff", "7f9619ff-8b86-d011-b42d-00cf4fc964ff")
    with database.connect("authenticator") as connection:
        for number, user in enumerate(users):
            with connection.transaction():
                _act_as(connection, user)
                connection.execute("insert into note (id) values (%s)", (number,))
        for number, user in enumerate(users):
            with connection.transaction():
                _act_as(connection, user)
                assert connection.execute("select id from note").fetchall() == [(number,)]


def test_postgres_is_not_superuser_and_cannot_become_one(database: Database) -> None:
    with database.connect() as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("alter role postgres superuser")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("set role supabase_admin")


def test_postgres_adds_tables_to_the_realtime_publication(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("create table card (id int primary key)")
        connection.execute("alter publication supabase_realtime add table card")


def test_postgres_writes_policies_and_triggers_on_system_tables(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("create policy p on storage.objects for select to anon using (true)")
        connection.execute("create policy p on realtime.messages for select to anon using (true)")
        connection.execute(
            "create function public.on_user() returns trigger language plpgsql security definer"
            " set search_path = '' as $$ begin return new; end $$;"
            "create trigger on_auth_user_created after insert on auth.users"
            " for each row execute function public.on_user()"
        )


def test_ddl_notifies_the_data_api(database: Database) -> None:
    with database.connect() as listener, database.connect() as connection:
        listener.execute("listen pgrst")
        connection.execute("create temporary table scratch (id int)")
        connection.execute("create table note (id int)")
        connection.execute("drop table note")
        payloads = [note.payload for note in listener.notifies(timeout=5, stop_after=2)]
        assert payloads == ["reload schema", "reload schema"]


def test_bundled_extensions_are_creatable_by_postgres(database: Database) -> None:
    with database.connect() as connection:
        for name in ("pg_trgm", "citext", "hstore", "unaccent", "btree_gist", "postgres_fdw"):
            connection.execute(f"create extension {name} with schema extensions")


def test_database_messages_reach_a_partition(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("select realtime.send('{\"a\": 1}', 'moved', 'board:1', true)")
        row = connection.execute(
            "select topic, event, private, payload ->> 'id' = id::text from realtime.messages"
        ).fetchone()
        assert row == ("board:1", "moved", True, True)


def _act_as(connection: psycopg.Connection[tuple[object, ...]], user: str) -> None:
    connection.execute("set local role authenticated")
    connection.execute(
        "select set_config('request.jwt.claims', jsonb_build_object('sub', %s::text)::text, true)",
        (user,),
    )


def test_partitions_of_messages_follow_the_days(database: Database) -> None:
    names = (
        "select inhrelid::regclass::text from pg_inherits"
        " where inhparent = 'realtime.messages'::regclass order by 1"
    )
    with database.connect("supabase_admin") as connection:
        before = connection.execute(names).fetchall()
        connection.execute(
            "create table realtime.messages_2020_01_01 partition of realtime.messages"
            " for values from ('2020-01-01') to ('2020-01-02')"
        )
        connection.execute("select gavan.maintain_realtime_partitions()")
        assert connection.execute(names).fetchall() == before
        assert len(before) == 5


def test_anon_reads_no_table_of_auth(database: Database) -> None:
    with database.connect("supabase_admin") as connection:
        rows = connection.execute(
            "select table_name, grantee from information_schema.role_table_grants"
            " where table_schema = 'auth'"
            " and grantee in ('anon', 'authenticated', 'service_role', 'PUBLIC')"
        ).fetchall()
    assert rows == []


def test_direct_deletion_of_objects_is_refused_unless_allowed(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("insert into storage.buckets (id, name) values ('b', 'b')")
        connection.execute(
            "insert into storage.objects (bucket_id, name) values ('b', 'a/b.c.txt')"
        )
        row = connection.execute(
            "select storage.foldername(name), storage.filename(name), storage.extension(name),"
            " path_tokens from storage.objects"
        ).fetchone()
        assert row == (["a"], "b.c.txt", "txt", ["a", "b.c.txt"])
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="Direct deletion"):
            connection.execute("delete from storage.objects")
        with connection.transaction():
            connection.execute("set local storage.allow_delete_query = 'true'")
            assert connection.execute("delete from storage.objects").rowcount == 1


def test_service_role_sees_rows_that_policies_hide(database: Database) -> None:
    with database.connect() as connection:
        connection.execute(
            "create table note (id int); alter table note enable row level security;"
            "insert into note values (1)"
        )
    with database.connect("authenticator") as connection:
        for role, count in (("anon", 0), ("authenticated", 0), ("service_role", 1)):
            connection.execute(f"set role {role}".encode())
            assert connection.execute("select count(*) from note").fetchone() == (count,)


def test_who_migrates_may_configure_the_data_api(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("begin")
        for name in sorted(READERS.keys() - {"db_config"} | {"jwt_secret"}):
            connection.execute(f"alter role authenticator set pgrst.{name} = 'x'".encode())
        connection.execute("rollback")  # roles belong to the whole cluster
