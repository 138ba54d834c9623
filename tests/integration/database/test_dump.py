"""A dump of an embedded database is ordinary: it restores, and it needs no shim by name."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg import sql

from gavan.database.embedded import ADMIN
from tests.conftest import Database, drop_database


def run(database: Database, program: str, *arguments: str, name: str | None = None) -> str:
    info = psycopg.conninfo.conninfo_to_dict(database.url(ADMIN))
    environment = {
        "PGHOST": str(info["host"]),
        "PGPORT": str(info["port"]),
        "PGUSER": str(info["user"]),
        "PGPASSWORD": str(info["password"]),
        "PGDATABASE": name or str(info["dbname"]),
    }
    path = database.cluster.server.bin / program
    done = subprocess.run(
        [path, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_dump_holds_only_create_extension(database: Database) -> None:
    dump = run(database, "pg_dump", "--schema-only")
    assert "CREATE EXTENSION IF NOT EXISTS pgcrypto WITH SCHEMA extensions" in dump
    assert "_gavan_" not in dump
    assert "gavan_extensions" not in dump


def test_a_dump_restores_into_an_empty_database(
    database: Database, database_factory: Callable[[], Database], tmp_path: Path
) -> None:
    with database.connect() as connection:
        connection.execute(
            "create table board (id int primary key, owner uuid references auth.users);"
            "alter table board enable row level security;"
            "create policy own on board to authenticated using (owner = auth.uid());"
            "alter publication supabase_realtime add table board;"
            "insert into auth.users (id, email, encrypted_password) values"
            " (gen_random_uuid(), 'a@example.com', crypt('secret', gen_salt('bf', 4)));"
            "insert into board select 1, id from auth.users"
        )
    file = tmp_path / "dump.sql"
    run(database, "pg_dump", "--file", str(file))
    empty = f"{database.name}_restored"
    with database.cluster.connect() as admin:
        name = sql.Identifier(empty)
        admin.execute(sql.SQL("create database {} template template0 owner postgres").format(name))
    try:
        run(database, "psql", "-v", "ON_ERROR_STOP=1", "-q", "-f", str(file), name=empty)
        with database.cluster.connect("postgres", empty) as connection:
            row = connection.execute(
                "select email, crypt('secret', encrypted_password) = encrypted_password,"
                " (select count(*) from board) from auth.users"
            ).fetchone()
            assert row == ("a@example.com", True, 1)
    finally:
        drop_database(database.cluster, empty)
