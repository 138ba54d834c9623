"""Rows of a few tables from a backup into the database that runs, all of them or none.

Stands beside the swap, for when one table was damaged and the rest must stay as it is. The rows of
today are kept in schema ``gavan``, which no API shows; every foreign key is proved first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql

from gavan.backups.archive import Archive, Entry, failed
from gavan.backups.load import pour, shape_of
from gavan.backups.loader import Loader, functions_as_owners, loader
from gavan.backups.model import title
from gavan.backups.swap import NAME_BYTES
from gavan.database.migration.history import Connection
from gavan.database.migration.lock import connect_bare
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret

KEPT_SCHEMA = "gavan"
KEPT = "before_"
LOCK_TIMEOUT = "30s"


_NAME = r'"(?:[^"]|"")+"|[^".]+'
_QUOTED = re.compile(rf"({_NAME})(?:(\.)({_NAME}))?")


def _unquoted(name: str) -> str:
    is_quoted = len(name) > 2 and name[0] == name[-1] == '"'
    return name[1:-1].replace('""', '"') if is_quoted else name


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    schema: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Table:
        """Return the table of ``schema.table``, or of ``table`` in schema public.

        A name may stand in double quotes, as in SQL; without them it is taken as it is written.
        """
        quoted = _QUOTED.fullmatch(text)
        schema, dot, name = quoted.groups() if quoted else text.partition(".")
        return cls(
            schema=_unquoted(schema) if dot else "public", name=_unquoted(name if dot else schema)
        )

    @property
    def title(self) -> str:
        return title(self.schema, self.name)

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """``rows`` are there now instead of ``before``, which are in the table ``kept``."""

    table: str
    rows: int
    before: int
    kept: str


def load_tables(url: Secret, archive: Archive, tables: Sequence[Table]) -> None:
    """Fill an empty database with the shape of all tables and the rows of some.

    Raises GavanError: GV443 for a table that the backup does not have, GV435 when pg_restore fails.
    """
    # Without the rights of roles, which may be gone: nobody works in this database.
    options = ("--exit-on-error", "--no-owner", "--no-privileges", "--no-tablespaces")
    entries = archive.entries()
    shape, _ = shape_of(entries)
    attached = [entry for entry in shape if entry.kind == "TABLE ATTACH"]
    with loader(url) as role:
        with functions_as_owners(role, whoever=True):
            _pour(role, archive, [e for e in shape if e not in attached], *options)
            role.own_tables()
            _pour(role, archive, attached, *options)
        with connect_bare(url, "restore") as connection:
            wanted = {leaf for table in tables for leaf in _leaves(connection, table)}
        rows = [e for e in entries if e.kind == "TABLE DATA" and e.title in wanted]
        _pour(role, archive, rows, *options)


def _pour(role: Loader, archive: Archive, entries: Sequence[Entry], *options: str) -> None:
    said = pour(role, archive, entries, *options)
    if said.code != 0:
        raise failed(said)


def replace_rows(
    admin: Secret, side: Secret, tables: Sequence[Table], at: datetime
) -> list[Replaced]:
    """Replace the rows of ``tables`` in the database of ``admin`` by those of ``side``.

    One transaction, without triggers. Raises GavanError: GV443 for a table that is not there or has
    other columns now, GV444 when a foreign key would point nowhere; nothing has changed then.
    """
    with loader(admin) as role:
        role.may_create([KEPT_SCHEMA])
        role.may_set("session_replication_role")
        return _replace_all(role.url, side, tables, at)


def _replace_all(
    live_url: Secret, side: Secret, tables: Sequence[Table], at: datetime
) -> list[Replaced]:
    with connect_bare(live_url, "restore") as live, connect_bare(side, "restore") as backup:
        columns = {table.title: _common_columns(live, backup, table) for table in tables}
        with live.transaction():
            live.execute(f"set local lock_timeout = '{LOCK_TIMEOUT}'".encode())
            live.execute("set local session_replication_role = replica")
            _lock(live, tables)
            done = [_replace(live, backup, t, columns[t.title], at) for t in tables]
            for table in tables:
                _prove_keys(live, table)
                _advance_sequences(live, table)
    return done


def kept_tables(connection: Connection) -> list[str]:
    """Return the tables that hold rows of before, oldest first."""
    rows = connection.execute(
        "select relname::text from pg_class where relkind = 'r' and starts_with(relname, %s)"
        " and relnamespace = to_regnamespace(%s) order by 1",
        (KEPT, KEPT_SCHEMA),
    ).fetchall()
    return [str(name) for (name,) in rows]


def drop_kept(connection: Connection, names: Sequence[str]) -> None:
    """Drop tables that hold rows of before."""
    for name in names:
        connection.execute(sql.SQL("drop table {}").format(sql.Identifier(KEPT_SCHEMA, name)))


def _leaves(connection: Connection, table: Table) -> list[str]:
    """Return the tables whose rows are those of ``table``: itself, or all its partitions."""
    rows = connection.execute(
        "select n.nspname::text, c.relname::text from pg_partition_tree(to_regclass(%s)) as t"
        " join pg_class as c on c.oid = t.relid join pg_namespace as n on n.oid = c.relnamespace"
        " where t.isleaf",
        (table.identifier.as_string(connection),),
    ).fetchall()
    if rows:
        return [title(schema, name) for schema, name in rows]
    found = connection.execute(
        "select 1 from pg_class where oid = to_regclass(%s) and relkind = 'r'",
        (table.identifier.as_string(connection),),
    ).fetchone()
    if found is None:
        raise _missing(table, "in the backup")
    return [table.title]


def _common_columns(live: Connection, backup: Connection, table: Table) -> sql.Composed:
    """Return the columns that hold values, which must be the same on both sides."""
    now, then = _columns(live, table), _columns(backup, table)
    if not now:
        raise _missing(table, "in the database")
    if sorted(now) != sorted(then):
        other = sorted({*now} ^ {*then})
        raise GavanError(
            "GV443",
            f"the columns of {table.title} are not those of the backup",
            details=", ".join(f"{name} {kind}" for name, kind in other),
            hint="restore it beside and move the rows by hand: gavan backup restore ID --to NAME",
        )
    return sql.SQL(", ").join(sql.Identifier(name) for name, _ in now)


def _columns(connection: Connection, table: Table) -> list[tuple[str, str]]:
    rows = connection.execute(
        "select attname::text, format_type(atttypid, atttypmod) from pg_attribute"
        " where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped"
        " and attgenerated = '' order by attnum",
        (table.identifier.as_string(connection),),
    ).fetchall()
    return [(str(name), str(kind)) for name, kind in rows]


def _lock(live: Connection, tables: Sequence[Table]) -> None:
    names = sql.SQL(", ").join(table.identifier for table in tables)
    try:
        live.execute(sql.SQL("lock table {} in access exclusive mode").format(names))
    except psycopg.errors.LockNotAvailable as error:
        raise GavanError(
            "GV434",
            "a table is in use, nothing was changed",
            details=str(error).strip(),
            hint='see who holds it: gavan db query "select * from pg_stat_activity"',
            exit_code=4,
        ) from error


def _replace(
    live: Connection, backup: Connection, table: Table, columns: sql.Composed, at: datetime
) -> Replaced:
    name = f"{KEPT}{at:%Y%m%d%H%M%S}_{table.schema}_{table.name}".encode()[:NAME_BYTES]
    kept = Table(schema=KEPT_SCHEMA, name=name.decode(errors="ignore"))
    live.execute(
        sql.SQL("create table {} as select * from {}").format(kept.identifier, table.identifier)
    )
    before = live.execute(sql.SQL("delete from {}").format(table.identifier)).rowcount
    # As text: in binary form a composite or an array carries the numbers of its types.
    reading = sql.SQL("copy (select {} from {}) to stdout").format(columns, table.identifier)
    writing = sql.SQL("copy {} ({}) from stdin").format(table.identifier, columns)
    with backup.cursor() as source, live.cursor() as target:
        with source.copy(reading) as rows, target.copy(writing) as into:
            for block in rows:
                into.write(block)
        written = target.rowcount
    return Replaced(table=table.title, rows=written, before=before, kept=kept.title)


def _prove_keys(live: Connection, table: Table) -> None:
    """Look for rows of, or for, this table whose foreign key points nowhere; raise GV444."""
    keys = live.execute(
        "select conname::text, conrelid::regclass::text, confrelid::regclass::text,"
        " (select array_agg(quote_ident(attname) order by o) from unnest(conkey) with ordinality"
        "  as k (n, o) join pg_attribute on attrelid = conrelid and attnum = k.n),"
        " (select array_agg(quote_ident(attname) order by o) from unnest(confkey) with ordinality"
        "  as k (n, o) join pg_attribute on attrelid = confrelid and attnum = k.n)"
        " from pg_constraint where contype = 'f' and conparentid = 0"
        " and to_regclass(%s) in (conrelid, confrelid)",
        (table.identifier.as_string(live),),
    ).fetchall()
    for name, source, target, own, others in keys:
        present = " and ".join(f"s.{column} is not null" for column in own)
        equal = " and ".join(f"s.{a} = t.{b}" for a, b in zip(own, others, strict=True))
        # All of it are names that the server has quoted.
        asked = (
            f"select count(*) from {source} as s where {present}"  # noqa: S608
            f" and not exists (select from {target} as t where {equal})"
        )
        row = live.execute(asked.encode()).fetchone()
        if row and row[0]:
            raise GavanError(
                "GV444",
                f"{row[0]} rows of {source} would point to nothing in {target} ({name})",
                details="nothing was changed",
                hint=f"restore both: --only {source} --only {target}",
            )


def _advance_sequences(live: Connection, table: Table) -> None:
    """Let the sequences of the table go on behind the greatest value that is there now."""
    columns = live.execute(
        "select attname::text, pg_get_serial_sequence(%s, attname) from pg_attribute"
        " where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped",
        (table.identifier.as_string(live), table.identifier.as_string(live)),
    ).fetchall()
    for column, sequence in columns:
        if sequence is not None:
            live.execute(
                sql.SQL(
                    "select setval({sequence}, greatest((select max({column}) from {table}),"
                    " (select last_value from pg_sequences where"
                    " format('%I.%I', schemaname, sequencename) = {sequence}), 1))"
                ).format(
                    sequence=sql.Literal(sequence),
                    column=sql.Identifier(column),
                    table=table.identifier,
                )
            )


def _missing(table: Table, where: str) -> GavanError:
    return GavanError(
        "GV443", f"there is no table {table.title} {where}", hint="gavan backup show ID names all"
    )
