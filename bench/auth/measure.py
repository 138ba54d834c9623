"""Sign-ins, refreshes and checks of tokens per second, beside the hash alone.

The hash is the limit of a sign-in: no server can check passwords faster than bcrypt does on all
cores. Every session that is refreshed was put there beforehand, each for one refresh.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
import timeit
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import bcrypt
import httpx
import psutil
import psycopg

from bench.machine import cpu_s, running
from bench.rest.load import LoadFailed, Round, read_output
from bench.rest.servers import SYSTEM_PATH, gavan_environ
from gavan.core.auth.config.passwords import BCRYPT_COST
from gavan.database.embedded import ADMIN, Server
from gavan.kit.jwt import Verifier
from gavan.kit.keyset import make_jwk, read_key_set, shared_set
from gavan.kit.secret import Secret
from tests.ports import free_port
from tests.servers import wait_until

EMAIL, PASSWORD = "bench@example.com", "correct horse"
CONNECTIONS = 16
START_S = 60
SESSIONS = 60_000
"""More than can be refreshed in all rounds together"""
HASH, SIGN_IN, REFRESH, USER = "the hash alone", "sign-in", "refresh", "GET /user"
SCRIPTS = {
    SIGN_IN: """
wrk.headers["Content-Type"] = "application/json"
local body = {body}
request = function() return wrk.format("POST", "/auth/v1/token?grant_type=password", nil, body) end
""",
    REFRESH: """
wrk.headers["Content-Type"] = "application/json"
local turn = {first}
request = function()
  turn = turn + 1
  local body = string.format('{{"refresh_token":"%012d"}}', turn)
  return wrk.format("POST", "/auth/v1/token?grant_type=refresh_token", nil, body)
end
""",
    USER: """
wrk.headers["Authorization"] = {bearer}
request = function() return wrk.format("GET", "/auth/v1/user") end
""",
}
CLAIMS = {
    "iss": "http://127.0.0.1:54321/auth/v1",
    "sub": "6f9619ff-8b86-d011-b42d-00cf4fc964ff",
    "aud": "authenticated",
    "exp": 4102444800,
    "email": EMAIL,
    "app_metadata": {"provider": "email", "providers": ["email"]},
    "user_metadata": {"name": "Bench"},
    "role": "authenticated",
    "aal": "aal1",
    "session_id": "0d0a4f7c-3f0b-4c8e-9a3e-5d0a7a0b7a11",
}
REPEATS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What the check of one token costs, in microseconds: the first time and when it is known."""

    algorithm: str
    first_us: float
    known_us: float


@dataclass(frozen=True, slots=True)
class Served:
    """A running core with somebody who can sign in."""

    url: str
    process: psutil.Process
    postgres: psutil.Process
    token: str


def hash_rate(seconds: float) -> Round:
    """Return how many passwords all cores together can check."""
    stored = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(BCRYPT_COST))
    until = time.perf_counter() + seconds

    def check() -> list[float]:
        took = []
        while (began := time.perf_counter()) < until:
            bcrypt.checkpw(PASSWORD.encode(), stored)
            took.append(time.perf_counter() - began)
        return took

    cores = os.cpu_count() or 1
    before, process = time.perf_counter(), psutil.Process()
    spent = cpu_s(process)
    with ThreadPoolExecutor(cores) as pool:
        times = [
            one for made in [pool.submit(check) for _ in range(cores)] for one in made.result()
        ]
    elapsed, spent = time.perf_counter() - before, cpu_s(process) - spent
    return Round(
        per_s=len(times) / elapsed,
        p50_ms=statistics.median(times) * 1e3,
        p99_ms=statistics.quantiles(times, n=100)[-1] * 1e3,
        cpu_us=spent / len(times) * 1e6,
    )


@contextmanager
def serving(server: Server, folder: Path) -> Iterator[Served]:
    """Serve auth as a stack runs it, with one user and their prepared sessions."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environ = {
        **gavan_environ(server, port),
        "PATH": SYSTEM_PATH,
        "GAVAN_CORE_SERVICES": "auth",
        "GOTRUE_MAILER_AUTOCONFIRM": "true",
    }
    log = folder / "gavan.log"
    with running([sys.executable, "-m", "gavan.core"], environ, log) as process:
        try:
            wait_until(lambda: _is_ready(url) or not process.is_running(), START_S)
            token = _sign_up(url)
        except BaseException:
            sys.stderr.write(log.read_text(errors="replace")[-1500:])
            raise
        _prepare_sessions(server)
        yield Served(url, process, psutil.Process(_postmaster(server)), token)


def ask(served: Served, what: str, seconds: int, folder: Path, *, first: int = 0) -> Round:
    """Put load on one endpoint; raise LoadFailed when any answer was not a success.

    Args:
        first: how many of the prepared sessions were refreshed already.
    """
    script = folder / "wrk.lua"
    login = json.dumps({"email": EMAIL, "password": PASSWORD})
    values = {
        "body": json.dumps(login),
        "bearer": json.dumps(f"Bearer {served.token}"),
        "first": first,
    }
    script.write_text(SCRIPTS[what].format(**values))
    before = cpu_s(served.process), cpu_s(served.postgres)
    done = subprocess.run(
        [
            *("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "30s", "--latency"),
            *("-s", str(script), served.url),
        ],
        capture_output=True,
        text=True,
    )
    after = cpu_s(served.process), cpu_s(served.postgres)
    if done.returncode:
        raise LoadFailed(f"{what}: {done.stderr}")
    return read_output(done.stdout, after[0] - before[0], after[1] - before[1])


def checks() -> list[Check]:
    """Return what checking a token costs the process, for the algorithms that stacks sign with."""
    secret = Secret("super-secret-jwt-token-with-at-least-32-characters-long")
    sets = [shared_set(secret)]
    for algorithm in ("ES256", "RS256"):
        item = make_jwk(algorithm) | {"key_ops": ["sign", "verify"]}
        sets.append(read_key_set(Secret(json.dumps([item])), legacy=secret))
    found = []
    for keys in sets:
        verifier = Verifier(keys.verifying)
        fresh = [keys.sign({**CLAIMS, "turn": turn}) for turn in range(200)]
        began = time.perf_counter()
        for token in fresh:
            verifier.verify(token)
        first_us = (time.perf_counter() - began) / len(fresh) * 1e6
        known = fresh[-1]
        timer = timeit.Timer(lambda: verifier.verify(known))  # noqa: B023 - used at once
        turns = 100_000
        known_us = min(timer.repeat(REPEATS, turns)) / turns * 1e6
        found.append(Check(algorithm=keys.algorithm, first_us=first_us, known_us=known_us))
    return found


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready", timeout=2).is_success
    except httpx.HTTPError:
        return False


def _sign_up(url: str) -> str:
    answer = httpx.post(f"{url}/auth/v1/signup", json={"email": EMAIL, "password": PASSWORD})
    answer.raise_for_status()
    return str(answer.json()["access_token"])


def _prepare_sessions(server: Server) -> None:
    with psycopg.connect(server.url(ADMIN).reveal(), autocommit=True) as connection:
        connection.execute(
            "with made as ("
            " insert into auth.sessions (id, user_id, created_at, updated_at, aal)"
            " select gen_random_uuid(), id, now(), now(), 'aal1'"
            " from auth.users, generate_series(1, %s) returning id, user_id"
            ") insert into auth.refresh_tokens"
            " (instance_id, token, user_id, revoked, created_at, updated_at, session_id)"
            " select '00000000-0000-0000-0000-000000000000',"
            "  lpad(row_number() over ()::text, 12, '0'), user_id, false, now(), now(), id"
            " from made",
            (SESSIONS,),
        )
        connection.execute("analyze auth.sessions, auth.refresh_tokens")


def _postmaster(server: Server) -> int:
    return int((server.data_dir / "postmaster.pid").read_text().splitlines()[0])
