"""The role that loads rows: no superuser, so that no code in a dump runs as one.

Stands under the load. Checks, domains, generated columns, keys and functions of users run as
whoever fills a table or proves a constraint. This role may read and write every row and has the
rights of every role below the superusers; it exists as long as one load.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from gavan.backups.archive import Entry
from gavan.backups.swap import maintenance
from gavan.database.migration.history import Connection
from gavan.database.migration.lock import connect_bare
from gavan.kit.secret import Secret

PREFIX = "gavan_loader_"
_OURS = re.compile(rf"{PREFIX}[0-9a-f]{{12}}")
LOCK = 0x6761_7604  # with the hash of the name: "this role is in use"
# What pg_restore writes as a blank in its table of contents
_BREAK = re.compile(r"[\r\n]")
_HELD = "select pg_try_advisory_lock(%s, hashtext(%s))"
# What runs code of users while it is created or filled, and as whoever does so. Indexes and
# materialized views do too, but as the owner of the table and unable to change role (postgres:
# SECURITY_RESTRICTED_OPERATION in src/backend/catalog/index.c, commands/matview.c).
_ROWS = frozenset({"TABLE DATA", "SEQUENCE SET"})
_RUNS_CODE = frozenset({"AGGREGATE", "TABLE ATTACH", "CHECK CONSTRAINT", "FK CONSTRAINT"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Entries that one may restore at once; ``makes_for``: whose they are to be once they exist."""

    url: Secret
    entries: list[Entry]
    makes_for: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loader:
    """``admin`` and ``url`` lead to the same database: as superuser, and as the role ``name``."""

    name: str
    admin: Secret
    url: Secret
    strong: frozenset[str]
    """The superusers, and who may become one."""
    roles: tuple[str, ...]
    """All roles, those with the longest names first."""

    def stretches(self, entries: Sequence[Entry]) -> Iterator[Stretch]:
        """Yield the entries in their order, cut where another has to go on."""
        for (as_loader, makes_for), group in groupby(entries, self._who):
            url = self.url if as_loader else self.admin
            yield Stretch(url=url, entries=list(group), makes_for=makes_for)

    def _who(self, entry: Entry) -> tuple[bool, str | None]:
        if entry.kind in _ROWS:
            return True, None
        owner = self._owner(entry)
        as_loader = entry.kind in _RUNS_CODE and owner not in self.strong
        return as_loader, owner if as_loader and entry.kind == "AGGREGATE" else None

    def _owner(self, entry: Entry) -> str:
        """Return whose an entry is: a role "x supabase_admin" is not the superuser."""
        ends = (one for one in self.roles if entry.line.endswith(f" {_BREAK.sub(' ', one)}"))
        return next(ends, entry.owner)

    def may_create(self, schemas: Iterable[str]) -> None:
        """Let the role make objects in schemas until it is gone."""
        with connect_bare(self.admin, "restore") as connection:
            for schema in set(schemas):
                connection.execute(
                    sql.SQL("grant create on schema {} to {}").format(
                        sql.Identifier(schema), sql.Identifier(self.name)
                    )
                )

    def may_set(self, parameter: str) -> None:
        """Let the role set a parameter that else only a superuser sets."""
        with connect_bare(self.admin, "restore") as connection:
            connection.execute(
                sql.SQL("grant set on parameter {} to {}").format(
                    sql.Identifier(parameter), sql.Identifier(self.name)
                )
            )

    def give_all_to(self, owner: str) -> None:
        """Let all that the role has made be somebody's."""
        with connect_bare(self.admin, "restore") as connection:
            connection.execute(
                sql.SQL("reassign owned by {} to {}").format(
                    sql.Identifier(self.name), sql.Identifier(owner)
                )
            )

    def own_tables(self) -> None:
        """Make all tables the role's own."""
        with connect_bare(self.admin, "restore") as connection:
            rows = connection.execute(
                "select n.nspname::text, c.relname::text from pg_class as c"
                " join pg_namespace as n on n.oid = c.relnamespace"
                " where c.relkind in ('r', 'p') and n.nspname <> 'information_schema'"
                " and n.nspname !~ '^pg_'"
            ).fetchall()
            for names in rows:
                connection.execute(
                    sql.SQL("alter table {} owner to {}").format(
                        sql.Identifier(*names), sql.Identifier(self.name)
                    )
                )


@contextmanager
def loader(admin: Secret) -> Iterator[Loader]:
    """Yield a role for filling the database of ``admin``; afterwards it is gone.

    What it owns then belongs to the superuser. Roles that killed loads left are dropped first.
    """
    with connect_bare(maintenance(admin), "restore") as keeper:
        _drop_forgotten(keeper)
        name, password = f"{PREFIX}{secrets.token_hex(6)}", secrets.token_urlsafe(24)
        keeper.execute(_HELD, (LOCK, name))
        strong = _strong(keeper)
        _create(keeper, name, password, strong)
        url = Secret(make_conninfo(admin.reveal(), user=name, password=password))
        try:
            yield Loader(name=name, admin=admin, url=url, strong=strong, roles=_roles(keeper))
        finally:
            with connect_bare(admin, "restore") as connection:
                _leave_nothing(connection, name)
            _drop(keeper, name)


@contextmanager
def functions_as_owners(loader: Loader, *, whoever: bool = False) -> Iterator[None]:
    """Let the functions that are created meanwhile run as their owners while they are called.

    Postgres calls immutable ones when it creates a table that has them in an expression.
    ``whoever``: owners are not restored, so what the superuser makes may be of anybody; it runs as
    the loader. Extensions are left alone.
    """
    role = sql.Literal(loader.name)
    with connect_bare(loader.admin, "restore") as connection:
        for statement in _GUARD:
            connection.execute(
                sql.SQL(statement).format(role=role, whoever=sql.Literal(whoever), tag=_TAG)
            )
    yield
    with connect_bare(loader.admin, "restore") as connection, connection.transaction():
        for last in _UNGUARD:
            connection.execute(last)


_TAG = sql.SQL("$guard$")
_GUARD = (
    "create schema gavan_guard",
    "create table gavan_guard.changed (id oid primary key)",
    # Owned by a superuser, and in a schema that nobody else may use.
    "create function gavan_guard.watch() returns event_trigger language plpgsql"
    " set search_path = pg_catalog as {tag}"
    " declare one oid; begin"
    " for one in select p.oid from pg_event_trigger_ddl_commands() as c"
    "  join pg_proc as p on p.oid = c.objid and c.classid = 'pg_proc'::regclass"
    "  join pg_roles as r on r.oid = p.proowner"
    "  where p.prokind in ('f', 'w') and not p.prosecdef and not c.in_extension"
    "  and p.pronamespace <> 'gavan_guard'::regnamespace"
    "  and (not r.rolsuper or {whoever})"
    " loop"
    "  update pg_proc set prosecdef = true, proowner = case when {whoever}"
    "   then (select oid from pg_authid where rolname = {role}) else proowner end"
    "  where oid = one;"
    "  insert into gavan_guard.changed values (one) on conflict do nothing;"
    " end loop; end {tag}",
    "create event trigger gavan_guard on ddl_command_end execute function gavan_guard.watch()",
)
_UNGUARD: tuple[bytes, ...] = (
    b"drop event trigger gavan_guard",
    b"update pg_proc as p set prosecdef = false, proowner = case when r.rolname ~ '^gavan_loader_'"
    b" then current_user::regrole::oid else p.proowner end"
    b" from gavan_guard.changed as c, pg_roles as r where c.id = p.oid and r.oid = p.proowner",
    b"drop schema gavan_guard cascade",
)


def _create(keeper: Connection, name: str, password: str, strong: frozenset[str]) -> None:
    role = sql.Identifier(name)
    verifier = keeper.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256")
    with keeper.transaction():
        keeper.execute(
            sql.SQL("create role {} login bypassrls nosuperuser inherit password {}").format(
                role, sql.Literal(verifier.decode())
            )
        )
        keeper.execute(sql.SQL("grant pg_read_all_data, pg_write_all_data to {}").format(role))
        rows = keeper.execute("select rolname::text from pg_roles where rolname !~ '^pg_'")
        for (other,) in rows.fetchall():
            if other not in strong and not _OURS.fullmatch(str(other)):
                # Its rights, and not the way to become it.
                keeper.execute(
                    sql.SQL("grant {} to {} with inherit true, set false").format(
                        sql.Identifier(str(other)), role
                    )
                )


def _strong(keeper: Connection) -> frozenset[str]:
    rows = keeper.execute(
        "select r.rolname::text from pg_roles as r where exists"
        " (select from pg_roles as s where s.rolsuper and pg_has_role(r.oid, s.oid, 'member'))"
    ).fetchall()
    return frozenset(str(name) for (name,) in rows)


def _roles(keeper: Connection) -> tuple[str, ...]:
    rows = keeper.execute("select rolname::text from pg_roles order by length(rolname) desc, 1")
    return tuple(str(name) for (name,) in rows)


def _leave_nothing(connection: Connection, name: str) -> None:
    """Give what a load made to the superuser; take back what was granted to its role."""
    role = sql.Identifier(name)
    connection.execute(sql.SQL("reassign owned by {} to current_user").format(role))
    connection.execute(sql.SQL("drop owned by {}").format(role))


def _drop_forgotten(keeper: Connection) -> None:
    rows = keeper.execute("select rolname::text from pg_roles").fetchall()
    for name in [str(name) for (name,) in rows if _OURS.fullmatch(str(name))]:
        row = keeper.execute(_HELD, (LOCK, name)).fetchone()
        if row and row[0]:
            _drop(keeper, name)
            keeper.execute("select pg_advisory_unlock(%s, hashtext(%s))", (LOCK, name))


def _drop(keeper: Connection, name: str) -> None:
    """Drop a role; one that a killed load left in a database that is kept has to stay."""
    try:
        keeper.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(name)))
    except psycopg.errors.DependentObjectsStillExist:
        keeper.execute(sql.SQL("alter role {} nologin").format(sql.Identifier(name)))
