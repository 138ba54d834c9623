"""The tables of a hosted project in a database, and the programs that move data to and from it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from gavan.database.embedded import ADMIN
from tests.conftest import Database, drop_database
from tests.integration.core.schema_shape import Shape


def run(database: Database, program: str, *arguments: str) -> str:
    """Run a program of Postgres on a database as the superuser; return what it wrote."""
    info = psycopg.conninfo.conninfo_to_dict(database.url(ADMIN))
    environment = {
        "PGHOST": str(info["host"]),
        "PGPORT": str(info["port"]),
        "PGUSER": str(info["user"]),
        "PGPASSWORD": str(info["password"]),
        "PGDATABASE": str(info["dbname"]),
    }
    path = database.cluster.server.bin / program
    done = subprocess.run(
        [path, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def hosted_project(near: Database, schema: str, upstream: Shape) -> Iterator[Database]:
    """Yield a database with the tables of one schema and nothing else."""
    made = Database(near.cluster, f"{near.name}_hosted")
    with near.cluster.connect() as admin:
        admin.execute(
            sql.SQL("create database {} template template0").format(sql.Identifier(made.name))
        )
    with made.connect(ADMIN) as connection:
        connection.execute(f"create schema {schema}".encode())
        for name, labels in upstream["enums"].items():
            listed = ", ".join(f"'{label}'" for label in labels)
            connection.execute(f"create type {schema}.{name} as enum ({listed})".encode())
        if schema == "auth":
            connection.execute("create sequence auth.refresh_tokens_id_seq")
        for table, columns in upstream["tables"].items():
            listed = ", ".join(map(_column, columns))
            connection.execute(f"create table {schema}.{table} ({listed})".encode())
    yield made
    drop_database(near.cluster, made.name)


def _column(column: list[Any]) -> str:
    name, type_name, not_null, is_generated, expression = column
    rest = " not null" if not_null else ""
    if is_generated:
        return f"{name} {type_name} generated always as ({expression}) stored{rest}"
    return f"{name} {type_name}{f' default {expression}' if expression else ''}{rest}"
