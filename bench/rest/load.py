"""Load by ``wrk``: requests per second, latencies, and what a request costs the processor."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.machine import cpu_s
from bench.rest.questions import KEY, Question
from bench.rest.servers import TOKEN, Target

MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round: ``cpu_us`` of the server's processes, ``postgres_us`` of Postgres', per request.

    pgbench tells no percentiles and its own processor time is no server's: 0 there.
    """

    per_s: float
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    cpu_us: float = 0.0
    postgres_us: float = 0.0


class LoadFailed(Exception):
    """The generator failed, or the server answered with an error or not at all."""


@dataclass(frozen=True, slots=True)
class Generator:
    """Puts load on servers over one Postgres; its script lies in ``folder``."""

    folder: Path
    postgres: psutil.Process

    def measure(
        self, target: Target, question: Question, connections: int, seconds: float
    ) -> Round:
        """Ask one question with random keys for a while.

        Raises LoadFailed when any answer was not a success.
        """
        script = self.folder / "wrk.lua"
        script.write_text(script_of(target, question))
        before = cpu_s(target.process), cpu_s(self.postgres)
        done = subprocess.run(
            [
                *("wrk", "-t1", f"-c{connections}", f"-d{_duration(seconds)}", "--timeout", "30s"),
                *("--latency", "-s", str(script), target.url),
            ],
            capture_output=True,
            text=True,
        )
        after = cpu_s(target.process), cpu_s(self.postgres)
        if done.returncode:
            raise LoadFailed(f"{question.name} at {target.name}: {done.stderr}")
        try:
            return read_output(done.stdout, after[0] - before[0], after[1] - before[1])
        except LoadFailed as error:
            raise LoadFailed(f"{question.name} at {target.name}: {error}") from error


def _duration(seconds: float) -> str:
    # wrk knows whole seconds only.
    return f"{max(1, round(seconds))}s"


def script_of(target: Target, question: Question) -> str:
    """Return the Lua program that makes the requests."""
    request = target.dialect.requests[question]
    base = re.sub(r"^https?://[^/]+", "", target.url)
    headers = {"Authorization": f"Bearer {TOKEN}", **dict(request.headers)}
    body = "nil" if request.body is None else _with_key(request.body)
    return "\n".join(
        [
            "math.randomseed(os.time())",
            *(f"wrk.headers[{json.dumps(name)}] = {json.dumps(headers[name])}" for name in headers),
            "request = function()",
            f"  local key = math.random(1, {question.keys})",
            f"  return wrk.format({json.dumps(request.method)}, {_with_key(base + request.path)},"
            f" nil, {body})",
            "end",
            "",
        ]
    )


def _with_key(text: str) -> str:
    """Return a Lua expression for a text that may hold the key; JSON's strings are Lua's too."""
    return " .. key .. ".join(json.dumps(part) for part in text.split(KEY))


def read_output(text: str, server_s: float, postgres_s: float) -> Round:
    """Read what wrk printed; raise LoadFailed for errors in it."""
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    total = re.search(r"(\d+) requests in", text)
    half = re.search(r"\n\s+50%\s+([\d.]+)(us|ms|s)", text)
    most = re.search(r"\n\s+99%\s+([\d.]+)(us|ms|s)", text)
    if "Non-2xx" in text or "Socket errors" in text:
        raise LoadFailed(f"errors under load:\n{text}")
    if rate is None or total is None or half is None or most is None or not int(total[1]):
        raise LoadFailed(f"nothing was answered:\n{text}")
    count = int(total[1])
    return Round(
        per_s=float(rate[1]),
        p50_ms=float(half[1]) * MS[half[2]],
        p99_ms=float(most[1]) * MS[most[2]],
        cpu_us=server_s / count * 1e6,
        postgres_us=postgres_s / count * 1e6,
    )
