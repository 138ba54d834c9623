"""Free the lock of a run that nobody waits for any more, with all that the run still does.

Stands beside the lock. Freeing the lock alone would let a second run begin beside the first one,
so every connection of the process that holds it is ended.
"""

from __future__ import annotations

import time

from psycopg import errors as pg

from gavan.database.migration.lock import POLL_S, Connection, Holder, connect, read_holder
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret

DEADLINE_S = 10.0


def lock_holder(url: Secret) -> Holder | None:
    """Return who holds the lock of the database; None when it is free."""
    with connect(url, "status") as connection:
        return read_holder(connection)


def unlock(url: Secret, holder: Holder) -> list[int]:
    """End the connections of ``holder`` and its process; return the ended backends.

    What they had not committed is rolled back. Raises GavanError: GV335 when somebody else has the
    lock by now, when ``url`` is of a role that may not end them, or when they do not end in 10 s.
    """
    with connect(url, "unlock") as connection:
        now = read_holder(connection)
        if now is None:
            return []
        if now.pid != holder.pid:
            raise _refusal(f"it is held by another run by now: {now}", "look again")
        doomed = _backends(connection, holder)
        try:
            for pid in doomed:
                connection.execute("select pg_terminate_backend(%s)", (pid,))
        except pg.InsufficientPrivilege as error:
            hint = f"as {holder.user} or a superuser: select pg_terminate_backend({holder.pid});"
            raise _refusal(str(error).splitlines()[0], hint) from error
        _wait(connection, holder)
    return doomed


def _backends(connection: Connection, holder: Holder) -> list[int]:
    """Return the backends of the holder's process in this database."""
    rows = connection.execute(
        "select pid from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
        " and (pid = %(pid)s or (position('/' in %(name)s) > 0"
        "  and split_part(application_name, '/', 2) = split_part(%(name)s, '/', 2)))",
        {"pid": holder.pid, "name": holder.application},
    ).fetchall()
    return [int(row[0]) for row in rows]


def _wait(connection: Connection, holder: Holder) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while (now := read_holder(connection)) is not None and now.pid == holder.pid:
        if time.monotonic() > deadline:
            raise _refusal(f"backend {holder.pid} has not ended in {DEADLINE_S:g} s", "try again")
        time.sleep(POLL_S)


def _refusal(why: str, hint: str) -> GavanError:
    message = "the lock is still held; nothing was freed"
    return GavanError("GV335", message, details=why, hint=hint, exit_code=4)
