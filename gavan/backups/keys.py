"""Foreign keys to tables of a superuser, which the loader may not refer to.

Stands beside the load. The superuser makes such a key without looking at a row, and the loader
proves it: casts and operators of users, which run while rows are compared, run as the loader.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from gavan.backups.archive import Archive, Entry, list_file
from gavan.backups.loader import Loader
from gavan.database.migration.lock import connect_bare
from gavan.database.migration.split import split

KIND = "FK CONSTRAINT"
_Name = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A foreign key that is not made yet; ``proof`` is whether its rows are to be looked at."""

    entry: Entry
    table: _Name
    target: _Name
    name: str
    text: str
    proof: bool

    def make(self, loader: Loader) -> None:
        """Make it; raise psycopg.Error where a row points to nothing."""
        with connect_bare(loader.admin, "restore") as connection:
            connection.execute(f"{self.text}{' not valid' if self.proof else ''}".encode())
        if not self.proof:
            return
        with connect_bare(loader.url, "restore") as connection:
            connection.execute(
                sql.SQL("alter table {} validate constraint {}").format(
                    sql.Identifier(*self.table), sql.Identifier(self.name)
                )
            )


def keys_to_the_strong(
    loader: Loader, archive: Archive, entries: Sequence[Entry]
) -> tuple[list[Entry], list[Key]]:
    """Return the entries that the loader may restore, and the keys that it may only prove.

    Raises GavanError GV435 when the dump cannot be read.
    """
    written = [entry for entry in entries if entry.kind == KIND]
    if not written:
        return list(entries), []
    with list_file(written) as name:
        text = archive.text("--use-list", name, "--file", "-")
    strong = _tables_of_the_strong(loader)
    keys = [one for one in _read(text, written) if one.target in strong]
    theirs = {one.entry.id for one in keys}
    return [entry for entry in entries if entry.id not in theirs], keys


def make_all(loader: Loader, keys: Sequence[Key]) -> list[str]:
    """Make keys; return what Postgres refused."""
    refused = []
    for key in keys:
        try:
            key.make(loader)
        except psycopg.Error as error:
            refused.append(str(error).strip())
    return refused


def _read(text: str, entries: Sequence[Entry]) -> Iterator[Key]:
    """Yield the keys of a text that has one statement for each entry, in their order."""
    found = [
        (tree, one.text)
        for one in split(text)
        if not one.is_comment and type(tree := one.tree()).__name__ == "AlterTableStmt"
    ]
    for entry, (tree, statement) in zip(entries, found, strict=True):
        key: Any = tree.cmds[0].def_
        yield Key(
            entry=entry,
            table=(tree.relation.schemaname, tree.relation.relname),
            target=(key.pktable.schemaname, key.pktable.relname),
            name=key.conname,
            text=statement.rstrip().rstrip(";"),
            proof=bool(key.initially_valid) and key.is_enforced is not False,
        )


def _tables_of_the_strong(loader: Loader) -> set[_Name]:
    with connect_bare(loader.admin, "restore") as connection:
        rows = connection.execute(
            "select n.nspname::text, c.relname::text, pg_get_userbyid(c.relowner)::text"
            " from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"
            " where c.relkind in ('r', 'p')"
        ).fetchall()
    return {(schema, name) for schema, name, owner in rows if owner in loader.strong}
