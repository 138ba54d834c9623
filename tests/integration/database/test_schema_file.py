"""The schema as one file: equal schemas are equal text."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from gavan.backups.portable_dump import schema_text
from gavan.cli.main import main
from gavan.kit.secret import Secret
from tests.conftest import Database
from tests.migrations import Migrations, Shadow

PARTS = (
    "create table board (id int primary key, name text); create index board_name on board (name)",
    "create table tag (id int primary key)",
    "create schema shop; create table shop.sale (id int primary key)",
    "create function seen() returns trigger language plpgsql as 'begin return new; end'",
)
TRIGGER = "create trigger seen after insert on auth.users for each row execute function seen()"


def test_two_databases_of_one_schema_have_one_text(migrations: Migrations, shadow: Shadow) -> None:
    for part in (*PARTS, TRIGGER):
        migrations.connection.execute(part.encode())
    migrations.connection.execute("insert into board values (1, 'a row is no schema')")
    text = schema_text(migrations.url)
    with shadow() as other:
        with psycopg.connect(other.reveal(), autocommit=True) as connection:
            for part in (*reversed(PARTS), TRIGGER):
                connection.execute(part.encode())
        assert schema_text(other) == text
        with psycopg.connect(other.reveal(), autocommit=True) as connection:
            connection.execute("alter table board add column colour text")
        assert schema_text(other) != text
    assert "CREATE TRIGGER seen AFTER INSERT ON auth.users" in text
    assert "CREATE TABLE shop.sale" in text
    for of_the_machine in ("Dumped", "restrict", "a row is", "schema_migrations", "TABLE auth."):
        assert of_the_machine not in text


def test_the_file_is_written_and_a_stale_one_found(
    migrations: Migrations,
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "gavan.toml").write_text('[stack]\nname = "board"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GAVAN_DB_URL", database.url())
    migrations.connection.execute(PARTS[0].encode())
    assert main(["migrate", "schema", "--check"]) == 5
    assert main(["migrate", "schema"]) == 0
    text = (tmp_path / "supabase/schema.sql").read_text()
    assert text == schema_text(Secret(database.url()))
    assert main(["migrate", "schema", "--check"]) == 0
    migrations.connection.execute(PARTS[1].encode())
    capsys.readouterr()
    assert main(["migrate", "schema", "--check"]) == 5
    assert "+CREATE TABLE public.tag" in capsys.readouterr().out
    assert (tmp_path / "supabase/schema.sql").read_text() == text
