"""What the database itself can do: ``pgbench`` with the core's own SQL, settings and values.

In four trips (begin; settings; statement; commit) as drivers of applications talk, which is the
limit of the goals; and in one write, as the core talks.
"""

from __future__ import annotations

import io
import re
import subprocess
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from asgi_lifespan import LifespanManager

from bench.rest.dialects import POSTGREST
from bench.rest.load import LoadFailed, Round
from bench.rest.questions import KEY, QUESTIONS, Question
from bench.rest.servers import TOKEN, gavan_environ
from gavan.core.gateway.app import build
from gavan.core.settings import read_settings
from gavan.database.distribution import find_distribution
from gavan.database.embedded import Server
from gavan.database.pool import Pool
from gavan.database.session import Rows, Session, Statement, setup_statement
from tests.ports import free_port

SAMPLE_KEY = 424
"""Taken for the random key where it stands among the recorded values"""
CONNECTED_PER_S = 32
LONGEST_S = 15
NOTHING_YET = "transactions actually processed: 0"
LIMIT = "pgbench, 4 trips"
PIPELINE = "pgbench, 1 write"

Sent = Mapping[Question, tuple[Session, Statement]]


async def record(server: Server) -> Sent:
    """Return what the core sends to Postgres for each question, by serving it in this process."""
    settings = read_settings(gavan_environ(server, free_port()))
    sent: list[tuple[Session, Statement]] = []
    run = Pool.run

    async def recording_run(
        pool: Pool, session: Session, statement: Statement, **more: Any
    ) -> Rows:
        sent.append((session, statement))
        return await run(pool, session, statement, **more)

    Pool.run = recording_run  # type: ignore[method-assign,assignment]
    try:
        with redirect_stdout(io.StringIO()):  # where the access log of this app goes
            app = build(settings)
        async with (
            LifespanManager(app, startup_timeout=60),
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url=settings.external_url
            ) as client,
        ):
            recorded = {}
            for question in QUESTIONS:
                sent.clear()
                await _ask(client, question)
                (recorded[question],) = sent
    finally:
        Pool.run = run  # type: ignore[method-assign]
    return recorded


async def _ask(client: httpx.AsyncClient, question: Question) -> None:
    request = POSTGREST.requests[question]
    response = await client.request(
        request.method,
        "/rest/v1" + request.path.replace(KEY, str(SAMPLE_KEY)),
        headers={"Authorization": f"Bearer {TOKEN}", **dict(request.headers)},
        content=request.body,
    )
    response.raise_for_status()


@dataclass(frozen=True, slots=True)
class Limit:
    """Runs the recorded statements; its script lies in ``folder``."""

    server: Server
    folder: Path
    sent: Sent

    def measure(
        self, question: Question, connections: int, seconds: float, *, pipeline: bool = False
    ) -> Round:
        """Run one question's transaction with random keys; raise LoadFailed when pgbench fails."""
        session, statement = self.sent[question]
        lines, defines = transaction_of(question, session, statement, pipeline=pipeline)
        script = self.folder / "pgbench.sql"
        script.write_text("\n".join([*lines, ""]))
        # The time of pgbench includes the connecting, its rate does not.
        duration_s = max(1, round(seconds)) + connections // CONNECTED_PER_S
        while True:
            done = self._pgbench(script, defines, connections, duration_s)
            found = re.search(r"tps = ([\d.]+)", done.stdout)
            if done.returncode == 0 and found is not None:
                return Round(per_s=float(found[1]))
            if NOTHING_YET not in done.stdout or duration_s > LONGEST_S:
                output = (done.stdout + done.stderr)[-2000:]
                raise LoadFailed(f"pgbench, {question.name}:\n{output}")
            duration_s *= 2

    def _pgbench(
        self, script: Path, defines: Mapping[str, str], connections: int, duration_s: int
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                str(find_distribution().bin / "pgbench"),
                *("-n", "-M", "prepared", "-c", str(connections), "-j", "1"),
                *("-T", str(duration_s), "-f", str(script)),
                *(part for name, value in defines.items() for part in ("-D", f"{name}={value}")),
                self.server.url("authenticator", socket=True).reveal(),
            ],
            capture_output=True,
            text=True,
        )


def transaction_of(
    question: Question, session: Session, statement: Statement, *, pipeline: bool
) -> tuple[list[str], dict[str, str]]:
    """Return the lines of a pgbench script and the values of its variables."""
    defines: dict[str, str] = {}
    texts = []
    for prefix, part in (("s", setup_statement(session)), ("p", statement)):
        text = part.text
        for number in range(len(part.params), 0, -1):
            value = part.params[number - 1]
            if value is None:
                shown = "null"
            elif prefix == "p" and value == str(SAMPLE_KEY).encode():
                shown = ":key"
            else:
                defines[f"{prefix}{number}"] = value.decode()
                shown = f":{prefix}{number}"
            text = text.replace(f"${number}", shown)
        texts.append(f"{text};")
    around = ("\\startpipeline", "\\endpipeline") if pipeline else ("begin;", "commit;")
    return [f"\\set key random(1, {question.keys})", around[0], *texts, around[1]], defines
