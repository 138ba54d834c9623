"""Postgres' own client programs (psql, pg_dump, pg_restore, ...): how they learn where to go.

Stands beside the distribution, which has them. A password has no place in argv, so all of a
connection travels by environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from gavan.database.distribution import find_distribution
from gavan.kit.secret import Secret

_NAMES = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "options": "PGOPTIONS",
}


def program(name: str) -> Path:
    """Return the bundled program; raise GavanError GV211 when the distribution is missing."""
    return find_distribution().bin / name


def libpq_environment(url: Secret, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return ``environ`` with the variables of libpq for ``url``, and no others of libpq."""
    facts = conninfo_to_dict(url.reveal())
    own = {_NAMES[name]: str(value) for name, value in facts.items() if name in _NAMES}
    kept = {name: value for name, value in environ.items() if not name.startswith("PG")}
    return {**kept, **own}
