"""The Postgres of a stack as the program of a container: ``python -m gavan.database.container``.

Stands above the embedded server: the same programs, files and settings as on a laptop, told by
variables, reached by the other containers. It becomes Postgres, so signals and the exit code are
its own.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import psycopg

from gavan.database.configuration import memory_settings
from gavan.database.data_folder import take_next
from gavan.database.embedded import (
    ADMIN,
    Server,
    ServerSpec,
    describe_server,
    loopback_url,
    prepare_server,
)
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret

HOME = Path("/var/lib/gavan")
PORT = 5432


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentPasswords:
    """Passwords of the roles; the variables have the names of the fields, in capitals."""

    postgres_password: Secret
    authenticator_password: Secret
    auth_admin_password: Secret
    admin_password: Secret
    storage_admin_password: Secret
    realtime_admin_password: Secret


def read_passwords(environ: Mapping[str, str]) -> EnvironmentPasswords:
    """Return the passwords; raise GavanError GV150 that names every variable that is missing."""
    names = {field.name: field.name.upper() for field in fields(EnvironmentPasswords)}
    missing = [variable for variable in names.values() if not environ.get(variable)]
    if missing:
        raise GavanError(
            "GV150", f"Postgres needs {', '.join(missing)} in its environment", exit_code=2,
            hint="write them to the file of variables that the engine was given",
        )  # fmt: skip
    return EnvironmentPasswords(**{name: Secret(environ[names[name]]) for name in names})


def read_spec(environ: Mapping[str, str], home: Path = HOME) -> ServerSpec:
    """Return the server that the variables ask for.

    ``GAVAN_POSTGRES_MEMORY`` in bytes, ``GAVAN_POSTGRES_SETTINGS`` a JSON object of settings,
    ``GAVAN_POSTGRES_CONNECTIONS``, ``GAVAN_POSTGRES_DATABASE``.
    """
    memory = int(environ.get("GAVAN_POSTGRES_MEMORY", "0"))
    settings = {"listen_addresses": "*", **(memory_settings(memory) if memory else {})}
    settings |= json.loads(environ.get("GAVAN_POSTGRES_SETTINGS", "{}"))
    return ServerSpec(
        name="container",
        root=home,
        state_dir=home,
        port=PORT,
        database=environ.get("GAVAN_POSTGRES_DATABASE", "postgres"),
        max_connections=int(environ.get("GAVAN_POSTGRES_CONNECTIONS", "60")),
        settings=settings,
    )


def is_ready(environ: Mapping[str, str]) -> bool:
    """Say whether the server answers a query; what the health check of the container asks."""
    password, name = environ["ADMIN_PASSWORD"], environ.get("GAVAN_POSTGRES_DATABASE", "postgres")
    url = loopback_url(ADMIN, Secret(password), port=PORT, database=name)
    try:
        with psycopg.connect(url.reveal(), connect_timeout=3) as connection:
            return connection.execute("select 1").fetchone() == (1,)
    except psycopg.Error:
        return False


def server_here(environ: Mapping[str, str]) -> Server | None:
    """Return the server whose data are mounted here, changing nothing; None where none are."""
    if "GAVAN_POSTGRES_DATABASE" not in environ:
        return None
    return describe_server(read_spec(environ), read_passwords(environ))


def main() -> int:
    """Prepare the data directory and become Postgres; return the exit code if that failed."""
    if sys.argv[1:] == ["ready"]:
        return 0 if is_ready(os.environ) else 1
    try:
        former = take_next(HOME / "data")
        if former is not None:
            sys.stderr.write(f"the recovered data are in place, the former ones are {former}\n")
        server = prepare_server(
            read_spec(os.environ), read_passwords(os.environ), create_user=False
        )
    except GavanError as error:
        details = f"\n  {error.details}" if error.details else ""
        hint = f"\n  hint: {error.hint}" if error.hint else ""
        sys.stderr.write(f"{error.code} {error.message}{details}{hint}\n")
        return error.exit_code
    # What was left of a container that was killed: its pid means another process here.
    for left in (server.data_dir / "postmaster.pid", *server.socket_dir.glob(".s.PGSQL.*")):
        left.unlink(missing_ok=True)
    return os.execve(server.argv[0], server.argv, dict(server.env))  # noqa: S606 - to be process 1


if __name__ == "__main__":
    sys.exit(main())
