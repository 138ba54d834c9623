"""What a database was made with and cannot be changed: its encoding and its sort order.

Stands beside the load. A dump has them in the statement that creates the database; a new one is
made by the same words, under another name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg

from gavan.backups.archive import Archive
from gavan.database.bootstrap import create_database
from gavan.database.migration.history import Connection
from gavan.database.migration.split import split


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """``statement`` creates the database under its old name; empty: as this server makes them."""

    statement: str = ""

    @classmethod
    def of(cls, archive: Archive) -> Birth:
        """Return what a dump says; raise GavanError GV435 when it cannot be read."""
        text = archive.text_of_database(lambda entry: entry.kind == "DATABASE")
        found = (one.text for one in split(text) if _kind(one.own_tree()) == "CreatedbStmt")
        return cls(statement=next(found, ""))

    def create(self, connection: Connection, name: str, doubt: Callable[[str], None]) -> None:
        """Create the database ``name``; where this machine lacks the sort order, in its own."""
        if not self.statement:
            create_database(connection, name)
            return
        words, told = self._named(name)
        try:
            connection.execute(words.encode())
        except psycopg.errors.DuplicateDatabase:
            raise
        except psycopg.Error as error:
            create_database(connection, name)
            doubt(
                f"the database was made with {told}, which is not to be had here"
                f" ({str(error).splitlines()[0]}): it sorts as this server does"
            )

    def _named(self, name: str) -> tuple[str, str]:
        """Return the statement for another name, and what it asks for, in words."""
        from pglast.stream import RawStream  # noqa: PLC0415 - slow to load

        (statement,) = split(self.statement)
        tree = statement.own_tree()
        tree.dbname = name
        # Where files lie is another server's.
        tree.options = tuple(one for one in tree.options if one.defname != "tablespace")
        asked = (f"{one.defname} {one.arg.sval}" for one in tree.options if one.arg is not None)
        told = ", ".join(text for text in asked if not text.startswith("template "))
        return str(RawStream()(tree)), told


AS_HERE = Birth()


def _kind(tree: Any) -> str:
    return type(tree).__name__
