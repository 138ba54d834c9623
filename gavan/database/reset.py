"""Drop and create again the database of a stack.

Stands beside the bootstrap, which fills the new one; the caller has asked the person.
"""

from __future__ import annotations

import time
from typing import Any

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from gavan.database.bootstrap import create_database
from gavan.database.migration.lock import connect_bare
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret

DEADLINE_S = 20.0
POLL_S = 0.05


def recreate(admin_url: Secret) -> None:
    """Replace the database of ``admin_url`` by an empty one of the same name.

    New connections are refused first, so that a pool that reconnects cannot hold it; then the
    clients are disconnected and logical replication slots dropped. When it cannot be done within
    20 s the old database is opened again untouched and GavanError GV318 is raised; GV321 when there
    is no server to ask.
    """
    name = str(conninfo_to_dict(admin_url.reveal())["dbname"])
    elsewhere = make_conninfo(admin_url.reveal(), dbname="template1")
    with connect_bare(Secret(elsewhere), "reset") as admin:
        _allow_connections(admin, name, allowed=False)
        try:
            drop_database(admin, name)
        except BaseException:
            _allow_connections(admin, name, allowed=True)
            raise
        create_database(admin, name)


def drop_database(admin: psycopg.Connection[tuple[Any, ...]], name: str) -> None:
    """Drop a database with its connections and slots; raise GavanError GV318 after 20 s."""
    deadline = time.monotonic() + DEADLINE_S
    statement = sql.SQL("drop database {} with (force)").format(sql.Identifier(name))
    while True:
        try:
            _drop_slots(admin, name)
            admin.execute(statement)
        except errors.ObjectInUse as error:
            if time.monotonic() > deadline:
                raise GavanError(
                    "GV318",
                    f"the database {name} is still in use, nothing was changed",
                    details=str(error),
                    hint="gavan down, or stop what holds it, and try again",
                ) from error
            time.sleep(POLL_S)
        else:
            return


def _drop_slots(admin: psycopg.Connection[tuple[Any, ...]], name: str) -> None:
    admin.execute(
        "select pg_terminate_backend(active_pid) from pg_replication_slots"
        " where database = %s and active_pid is not null",
        (name,),
    )
    admin.execute(
        "select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = %s",
        (name,),
    )


def _allow_connections(
    admin: psycopg.Connection[tuple[Any, ...]], name: str, *, allowed: bool
) -> None:
    admin.execute(
        sql.SQL("alter database {} with allow_connections {}").format(
            sql.Identifier(name), sql.Literal(allowed)
        )
    )
