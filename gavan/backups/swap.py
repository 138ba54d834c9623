"""Put a new database in the place of the old one, while clients hold the old one.

Stands under the restore. Both renames are one transaction of Postgres, so whoever is killed at any
moment leaves either the old database under its name or the new one, never none.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from gavan.database.migration.history import Connection
from gavan.database.migration.lock import connect_bare
from gavan.database.reset import drop_database
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret

MAINTENANCE = "template1"
BEFORE = "_before_"
NAME_BYTES = 63
DEADLINE_S = 30.0
POLL_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Swapped:
    """``kept`` is the name of the old database now, None where there was none.

    ``slots`` are the replication slots that stayed with it; their readers have to make new ones.
    ``subscriptions`` stayed with it too, and go on filling it.
    """

    kept: str | None
    slots: list[str]
    subscriptions: list[str]


def maintenance(admin: Secret) -> Secret:
    """Return the URL of the database from which others are renamed and dropped."""
    return Secret(make_conninfo(admin.reveal(), dbname=MAINTENANCE))


def name_before(database: str, at: datetime) -> str:
    """Return the name under which a database is kept that was replaced at ``at`` (UTC)."""
    return shortened(database, f"{BEFORE}{at:%Y%m%d%H%M%S}")


def shortened(database: str, suffix: str) -> str:
    """Return a name of at most 63 bytes that ends in ``suffix``, which is ASCII."""
    head = database.encode()[: NAME_BYTES - len(suffix)].decode(errors="ignore")
    return head + suffix


def swap(admin: Secret, fresh: str, kept: str) -> Swapped:
    """Give the name of the database of ``admin`` to ``fresh``; the old one is ``kept`` then.

    Clients of the old one are disconnected and find the new one when they come again; until the
    transaction ends they wait. Raises GavanError GV434, with nothing changed, when the old one is
    not free within 30 s.
    """
    current = str(conninfo_to_dict(admin.reveal())["dbname"])
    with connect_bare(maintenance(admin), "swap") as connection:
        is_there = exists(connection, current)
        with _disconnecting(admin, current):
            _rename(connection, current if is_there else None, fresh=fresh, kept=kept, name=current)
        return Swapped(
            kept=kept if is_there else None,
            slots=_leave_slots(connection, kept) if is_there else [],
            subscriptions=_subscriptions(connection, kept) if is_there else [],
        )


def rename(admin: Secret, old: str, new: str) -> None:
    """Rename a database that nobody uses; raise GavanError GV434 when somebody does."""
    with connect_bare(maintenance(admin), "swap") as connection:
        _rename(connection, None, fresh=old, kept="", name=new)


def kept_databases(admin: Secret) -> list[str]:
    """Return the databases that former restores replaced, oldest first."""
    current = str(conninfo_to_dict(admin.reveal())["dbname"])
    with connect_bare(maintenance(admin), "swap") as connection:
        rows = connection.execute("select datname from pg_database").fetchall()
    names = [str(name) for (name,) in rows]
    return sorted(name for name in names if _is_before(name, current))


def discard(admin: Secret, names: list[str]) -> None:
    """Drop databases with all that holds them; raise GavanError GV318 when one cannot be."""
    with connect_bare(maintenance(admin), "discard") as connection:
        for name in names:
            drop_database(connection, name)


def exists(connection: Connection, name: str) -> bool:
    """Tell whether there is a database of this name."""
    row = connection.execute("select 1 from pg_database where datname = %s", (name,)).fetchone()
    return row is not None


def _is_before(name: str, current: str) -> bool:
    head, _, stamp = name.rpartition(BEFORE)
    return stamp.isdigit() and name == shortened(current, f"{BEFORE}{stamp}") and bool(head)


def _rename(
    connection: Connection, current: str | None, *, fresh: str, kept: str, name: str
) -> None:
    """Rename in one transaction, again while somebody is still in one of the databases.

    The first rename locks the database: who wants to connect waits, and who is connected is waited
    for by the server, up to 5 s (postgres: src/backend/commands/dbcommands.c).
    """
    statement = sql.SQL("alter database {} rename to {}")
    until = time.monotonic() + DEADLINE_S
    while True:
        try:
            with connection.transaction():
                if current is not None:
                    connection.execute(statement.format(*map(sql.Identifier, (current, kept))))
                connection.execute(statement.format(*map(sql.Identifier, (fresh, name))))
        except errors.ObjectInUse as error:
            if time.monotonic() > until:
                raise GavanError(
                    "GV434",
                    f"the database {name} is still in use, nothing was changed",
                    details=str(error),
                    hint='see who holds it: gavan db query "select * from pg_stat_activity",'
                    " and pg_prepared_xacts",
                    exit_code=4,
                ) from error
        else:
            return


@contextmanager
def _disconnecting(admin: Secret, name: str) -> Iterator[None]:
    """Disconnect everybody from a database, whoever comes again, until the block ends."""
    over = threading.Event()
    with connect_bare(maintenance(admin), "swap-disconnect") as connection:
        thread = threading.Thread(target=_disconnect, args=(connection, name, over))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def _disconnect(connection: Connection, name: str, over: threading.Event) -> None:
    while not over.is_set():
        try:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,)
            )
        except psycopg.Error:
            return  # the server went away; the rename says so
        over.wait(POLL_S)


def _leave_slots(connection: Connection, kept: str) -> list[str]:
    """Drop the slots of the realtime service, which makes new ones, and return the others.

    A slot belongs to the database and not to its name: on the old one it would hold WAL for ever.
    """
    connection.execute(
        "select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = %s"
        " and starts_with(slot_name::text, 'supabase_realtime_') and active_pid is null",
        (kept,),
    )
    rows = connection.execute(
        "select slot_name from pg_replication_slots where database = %s order by 1", (kept,)
    ).fetchall()
    return [str(name) for (name,) in rows]


def _subscriptions(connection: Connection, database: str) -> list[str]:
    rows = connection.execute(
        "select subname::text from pg_subscription where subenabled and subdbid ="
        " (select oid from pg_database where datname = %s) order by 1",
        (database,),
    ).fetchall()
    return [str(name) for (name,) in rows]
