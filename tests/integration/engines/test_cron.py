"""The cron unit as a process: kinds of jobs, overlap, timeout, retries, one line per run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from gavan.engines.embedded.cronfile import encode_jobs
from gavan.stack.model import Cron, Overlap
from tests.conftest import Database
from tests.servers import wait_until

CronUnit = Callable[..., "Lines"]


def job(name: str, **more: Any) -> Cron:
    base: dict[str, Any] = {
        "schedule": "@every 100ms", "tz": "UTC", "sql": None, "command": None, "http": None,
        "timeout_s": 10.0, "overlap": Overlap.SKIP, "retries": 0, "catch_up": False,
        "profiles": (),
    }  # fmt: skip
    return Cron(name=name, **{**base, **more})


class Lines:
    """What a cron process has printed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def of(self, name: str, state: str) -> list[dict[str, Any]]:
        whole = [
            text for text in self._path.read_text().splitlines(keepends=True) if text[-1:] == "\n"
        ]
        runs = [json.loads(text) for text in whole]
        return [run for run in runs if (run["job"], run["state"]) == (name, state)]

    def wait(self, name: str, state: str, count: int = 1) -> list[dict[str, Any]]:
        wait_until(lambda: len(self.of(name, state)) >= count)
        return self.of(name, state)


@pytest.fixture
def cron(tmp_path: Path) -> Iterator[CronUnit]:
    """Start the cron unit with some jobs."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*jobs: Cron, url: str = "") -> Lines:
        path = tmp_path / "runs"
        env = {
            "PATH": os.environ["PATH"],
            "GAVAN_CRON": encode_jobs(jobs),
            "GAVAN_CRON_DB_URL": url,
            "GAVAN_CRON_STATE": str(tmp_path / "cron.json"),
        }
        with path.open("wb") as stream:
            argv = [sys.executable, "-m", "gavan.engines.embedded.cron"]
            started.append(subprocess.Popen(argv, env=env, stdout=stream, cwd=tmp_path))
        return Lines(path)

    yield start
    for process in started:
        process.terminate()
        process.wait(60)


def test_a_statement_runs_as_often_as_it_is_due(cron: CronUnit, database: Database) -> None:
    with database.connect("postgres") as connection:
        connection.execute("create table ticks (at timestamptz default now())")
        lines = cron(
            job("tick", sql="insert into ticks default values"), url=database.url("postgres")
        )
        runs = lines.wait("tick", "ok", 3)
        rows = connection.execute("select count(*) from ticks").fetchone()
    assert runs[0]["rows"] == 1
    assert rows is not None
    assert rows[0] >= 3


def test_a_failing_statement_is_told_and_the_job_goes_on(
    cron: CronUnit, database: Database
) -> None:
    lines = cron(job("bad", sql="select 1/0"), url=database.url("postgres"))
    runs = lines.wait("bad", "failed", 2)
    assert "division by zero" in runs[0]["error"]


def test_a_command_reports_its_output_and_its_exit_code(cron: CronUnit) -> None:
    lines = cron(job("good", command="echo hi"), job("bad", command="echo no; exit 3"))
    assert lines.wait("good", "ok")[0]["output"] == "hi"
    assert lines.wait("bad", "failed")[0]["error"] == "exit 3: no"


def test_a_request_is_a_post(cron: CronUnit) -> None:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.send_response(204 if self.path == "/good" else 500)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}"
        lines = cron(job("good", http=f"{base}/good"), job("bad", http=f"{base}/bad"))
        assert lines.wait("good", "ok")[0]["status"] == 204
        assert lines.wait("bad", "failed")[0]["error"] == "HTTP 500"
        server.shutdown()
    assert "/good" in asked


def test_a_run_that_takes_too_long_is_ended(cron: CronUnit) -> None:
    lines = cron(job("slow", command="exec sleep 600", timeout_s=0.2))
    assert lines.wait("slow", "timeout")[0]["error"] == "longer than 0.2 s"


def test_retries_follow_a_failure(cron: CronUnit) -> None:
    command = "test -e again && exit 0; touch again; exit 1"
    lines = cron(job("flaky", command=command, retries=1, schedule="@every 200ms"))
    assert lines.wait("flaky", "failed")[0]["attempt"] == 1
    assert lines.wait("flaky", "ok")[0]["attempt"] == 2


@pytest.mark.parametrize(
    ("overlap", "state"), [(Overlap.SKIP, "skipped"), (Overlap.KILL, "killed")]
)
def test_a_run_that_has_not_ended_is_waited_for_or_ended(
    cron: CronUnit, overlap: Overlap, state: str
) -> None:
    lines = cron(job("long", command="exec sleep 600", overlap=overlap))
    lines.wait("long", state, 2)


def test_queued_runs_come_one_after_another(cron: CronUnit, tmp_path: Path) -> None:
    command = "mkdir busy || { echo overlap; exit 9; }; sleep 0.3; rmdir busy"
    lines = cron(job("queue", command=command, overlap=Overlap.QUEUE))
    lines.wait("queue", "ok", 3)
    assert lines.of("queue", "failed") == []
