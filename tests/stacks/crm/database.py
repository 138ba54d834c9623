"""The CRM stack's database as tests see it: a migrated template, its clones, users."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from gavan.database.migration.apply import migrate
from gavan.database.migration.run import Options
from gavan.database.migration.seed import seed
from gavan.kit.secret import Secret
from tests.conftest import TEMPLATE, Cluster, Database, drop_database

CRM = Path(__file__).parents[3] / "stacks/crm"
MIGRATIONS = CRM / "supabase/migrations"
SEED = CRM / "supabase/seed.sql"
MOCK = CRM / "supabase/seeds/mock.sql"
DEFAULT_BOARD = "00000000-0000-4000-8000-000000000001"


@dataclass(frozen=True, slots=True)
class User:
    """An account of a test, known by its id and e-mail."""

    id: str
    email: str
    aal: str = "aal1"

    @property
    def claims(self) -> str:
        claims = {"sub": self.id, "role": "authenticated", "email": self.email, "aal": self.aal}
        return json.dumps(claims)

    def proved(self) -> User:
        """Return the same person in a session with a second factor."""
        return replace(self, aal="aal2")


@dataclass(frozen=True, slots=True)
class Crm:
    """A database of the CRM stack with its migrations and its seed."""

    database: Database

    def connect(self) -> psycopg.Connection[Any]:
        """Open a connection as the owner of the schema."""
        return psycopg.connect(self.database.url(), autocommit=True, row_factory=dict_row)

    def seed(self, file: Path) -> None:
        """Run a seed, also when it has run before."""
        seed(Secret(self.database.url()), [file], root=CRM, again=True)

    def sign_up(self, email: str) -> User:
        user = User(str(uuid.uuid4()), email)
        with self.connect() as owner:
            owner.execute(
                "insert into auth.users (id, aud, role, email, email_confirmed_at)"
                " values (%s, 'authenticated', 'authenticated', %s, now())",
                (user.id, email),
            )
        return user

    @contextmanager
    def acting(self, user: User | None) -> Iterator[psycopg.Connection[Any]]:
        """Act as a signed-in user, or as anon: the role and claims that the data API sets."""
        with psycopg.connect(
            self.database.url("authenticator"), autocommit=True, row_factory=dict_row
        ) as connection:
            connection.execute(
                "select set_config('request.jwt.claims', %s, false)",
                (user.claims if user else '{"role": "anon"}',),
            )
            connection.execute("set role authenticated" if user else "set role anon")
            yield connection


@contextmanager
def clone(cluster: Cluster, template: str) -> Iterator[Crm]:
    """Give a copy of a template database; it is dropped at the end."""
    name = f"crm_{uuid.uuid4().hex[:12]}"
    with cluster.connect() as admin:
        admin.execute(
            sql.SQL("create database {} template {} owner postgres").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
    try:
        yield Crm(Database(cluster, name))
    finally:
        drop_database(cluster, name)


@contextmanager
def template(cluster: Cluster) -> Iterator[str]:
    """Make the database that clones are copied from: system schemas, migrations, seed."""
    name = f"crm_template_{uuid.uuid4().hex[:8]}"
    with cluster.connect() as admin:
        admin.execute(
            sql.SQL("create database {} template {} owner postgres").format(
                sql.Identifier(name), sql.Identifier(TEMPLATE)
            )
        )
    try:
        url = Secret(cluster.url("postgres", name))
        migrate(url, MIGRATIONS, Options())
        seed(url, [SEED], root=CRM)
        yield name
    finally:
        drop_database(cluster, name)
