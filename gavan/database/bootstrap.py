"""Roles, system schemas and passwords of one database, applied as the superuser.

Stands above the embedded server and below the migration runner; runs at every ``gavan up`` and
does nothing when nothing is new. The SQL is ``sql/system/NNN_name.sql``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret

OWNER = "postgres"
NO_STRANGERS = b"set search_path = pg_catalog"
"""For a superuser: a function of public could fit its calls better than Postgres' own"""
LOCK = 0x6761_7661_6E00  # "gavan", for this purpose alone; user migrations take another key


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemFile:
    version: str
    name: str
    text: str


def system_files() -> list[SystemFile]:
    """Return the numbered system migrations of this package in order."""
    folder = files("gavan.database") / "sql" / "system"
    found = []
    for entry in folder.iterdir():
        version, _, rest = entry.name.partition("_")
        if entry.name.endswith(".sql"):
            text = entry.read_text(encoding="utf-8")
            found.append(SystemFile(version=version, name=rest.removesuffix(".sql"), text=text))
    return sorted(found, key=lambda file: file.version)


def bootstrap(admin_url: Secret, passwords: Mapping[str, Secret]) -> list[str]:
    """Bring the database of ``admin_url`` up to this package's system schemas.

    Creates the database when it is missing. Returns the names of the files applied now.
    Raises GavanError GV320 naming the file that failed; that file then left nothing.
    """
    _create_database(admin_url)
    with psycopg.connect(
        admin_url.reveal(), autocommit=True, application_name="gavan-bootstrap"
    ) as connection:
        connection.execute(NO_STRANGERS)
        connection.execute("select pg_advisory_lock(%s)", (LOCK,))
        applied = _apply_pending(connection)
        # Every start: without a partition for today a message from the database is lost.
        connection.execute("select gavan.maintain_realtime_partitions()")
        _own_database(connection)
        _trust_lower(connection)
        _set_passwords(connection, passwords)
    return applied


def create_database(connection: psycopg.Connection[object], name: str) -> None:
    """Create an empty database the way every database of a stack is created."""
    connection.execute(
        sql.SQL("create database {} template template0").format(sql.Identifier(name))
    )


def _create_database(admin_url: Secret) -> None:
    name = conninfo_to_dict(admin_url.reveal()).get("dbname")
    if not isinstance(name, str) or name == "postgres":
        return
    maintenance = make_conninfo(admin_url.reveal(), dbname="postgres")
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(NO_STRANGERS)
        row = connection.execute("select 1 from pg_database where datname = %s", (name,)).fetchone()
        if row is None:
            create_database(connection, name)


def _apply_pending(connection: psycopg.Connection[tuple[object, ...]]) -> list[str]:
    connection.execute(
        "create schema if not exists gavan;"
        "create table if not exists gavan.system_migrations ("
        " version text primary key, name text not null, checksum text not null,"
        " applied_at timestamptz not null default now())"
    )
    rows = connection.execute("select version from gavan.system_migrations").fetchall()
    done = {str(version) for (version,) in rows}
    applied = []
    for file in system_files():
        if file.version not in done:
            _apply(connection, file)
            applied.append(f"{file.version}_{file.name}")
    return applied


def _apply(connection: psycopg.Connection[tuple[object, ...]], file: SystemFile) -> None:
    checksum = hashlib.sha256(file.text.encode()).hexdigest()
    try:
        with connection.transaction():
            # Our own package's text, no parameters: the simple protocol takes the whole file.
            connection.execute(file.text.encode())
            connection.execute("reset role")
            connection.execute(
                "insert into gavan.system_migrations (version, name, checksum) values (%s, %s, %s)",
                (file.version, file.name, checksum),
            )
    except psycopg.Error as error:
        raise GavanError(
            "GV320",
            f"system migration {file.version}_{file.name} failed: {error}",
            hint="the database keeps what was there before; gavan up tries again",
        ) from error


def _own_database(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Give what belongs to a database itself; a clone by template does not carry it."""
    name = sql.Identifier(str(connection.info.dbname))
    connection.execute(sql.SQL("alter database {} owner to {}").format(name, sql.Identifier(OWNER)))
    for statement in (
        "grant all on database {} to postgres, dashboard_user",
        "grant create on database {} to supabase_auth_admin, supabase_storage_admin",
        "grant temporary on database {} to supabase_realtime_admin",
    ):
        connection.execute(sql.SQL(statement).format(name))


def _trust_lower(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Let indexes on ``lower(...)`` serve callers whom policies bind (ADR 0016).

    Postgres looks into no index by a function that could tell of hidden rows by its errors;
    ``lower`` has none to raise. No dump carries this, so every start looks.
    """
    connection.execute(
        "do $$ begin"
        " if not (select proleakproof from pg_catalog.pg_proc"
        "  where oid = 'pg_catalog.lower(text)'::regprocedure) then"
        "  alter function pg_catalog.lower(text) leakproof;"
        " end if; end $$"
    )


def _set_passwords(
    connection: psycopg.Connection[tuple[object, ...]], passwords: Mapping[str, Secret]
) -> None:
    """Give the roles the passwords of the keys; only a hash travels, and only when it differs."""
    rows = connection.execute(
        "select rolname, coalesce(rolpassword, '') from pg_authid where rolname = any(%s)",
        (list(passwords),),
    ).fetchall()
    for role, verifier in rows:
        password = passwords[str(role)]
        if matches_verifier(str(verifier), password):
            continue
        fresh = connection.pgconn.encrypt_password(
            password.reveal().encode(), str(role).encode(), b"scram-sha-256"
        )
        connection.execute(
            sql.SQL("alter role {} password {}").format(
                sql.Identifier(str(role)), sql.Literal(fresh.decode())
            )
        )


def matches_verifier(verifier: str, password: Secret) -> bool:
    """Tell whether a stored SCRAM-SHA-256 verifier (RFC 5803) was made from ``password``.

    A password outside ASCII is normalised by Postgres (SASLprep) and never matches here; it is
    then simply set again.
    """
    try:
        scheme, parameters, keys = verifier.split("$")
        iterations, salt = parameters.split(":")
        stored_key = base64.b64decode(keys.split(":")[0])
    except ValueError:
        return False
    if scheme != "SCRAM-SHA-256" or not password.reveal().isascii():
        return False
    salted = hashlib.pbkdf2_hmac(
        "sha256", password.reveal().encode(), base64.b64decode(salt), int(iterations)
    )
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    return hmac.compare_digest(hashlib.sha256(client_key).digest(), stored_key)
