"""A shadow: an empty database of the same server, made for one look and dropped after it.

Stands on the bootstrap; ``verify`` replays migrations there. Its name is random and its maker holds
a lock for it, so that what a killed run left is found and dropped by the next one.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from gavan.database.bootstrap import bootstrap
from gavan.database.migration.lock import connect_bare
from gavan.database.reset import drop_database
from gavan.kit.secret import Secret

LOCK = 0x6761_7602  # with the hash of the name: "somebody works on this shadow"
_NAME = re.compile(r"gavan_shadow_[0-9a-f]{12}")
_MAINTENANCE = "postgres"


@contextmanager
def shadow_database(
    admin: Secret, owner: Secret, passwords: Mapping[str, Secret]
) -> Iterator[Secret]:
    """Yield the URL, as ``owner``, of a new database with the system schemas and nothing else.

    ``admin`` is a superuser's URL of any database of the server, ``passwords`` are for roles that
    it does not have yet: those of others stay as they are. Raises GavanError GV320 and GV321 as the
    bootstrap does.
    """
    name = f"gavan_shadow_{secrets.token_hex(6)}"
    with connect_bare(
        Secret(make_conninfo(admin.reveal(), dbname=_MAINTENANCE)), "shadow"
    ) as keeper:
        _drop_forgotten(keeper)
        keeper.execute("select pg_advisory_lock(%s, hashtext(%s))", (LOCK, name))
        try:
            fresh = _of_missing_roles(keeper, passwords)
            bootstrap(Secret(make_conninfo(admin.reveal(), dbname=name)), fresh)
            yield Secret(make_conninfo(owner.reveal(), dbname=name))
        finally:
            if _exists(keeper, name):
                drop_database(keeper, name)


def _drop_forgotten(keeper: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Drop shadows whose maker is gone: nobody holds their lock."""
    rows = keeper.execute(
        "select datname from pg_database where starts_with(datname, 'gavan_shadow_')"
    ).fetchall()
    for name in [str(row[0]) for row in rows if _NAME.fullmatch(str(row[0]))]:
        taken = keeper.execute(
            "select pg_try_advisory_lock(%s, hashtext(%s))", (LOCK, name)
        ).fetchone()
        # Another run may have dropped it between the list and the lock.
        if taken and taken[0] and _exists(keeper, name):
            drop_database(keeper, name)


def _of_missing_roles(
    keeper: psycopg.Connection[tuple[Any, ...]], passwords: Mapping[str, Secret]
) -> Mapping[str, Secret]:
    """Return the passwords of roles that the server does not have: roles are of all databases."""
    rows = keeper.execute(
        "select rolname::text from pg_roles where rolname = any(%s)", ([*passwords],)
    ).fetchall()
    known = {str(row[0]) for row in rows}
    return {role: password for role, password in passwords.items() if role not in known}


def _exists(keeper: psycopg.Connection[tuple[Any, ...]], name: str) -> bool:
    row = keeper.execute("select 1 from pg_database where datname = %s", (name,)).fetchone()
    return row is not None
