"""One run of one tool on a new database: how long, how much processor time, how much memory."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psutil
import psycopg

from bench.migrate.files import FOLDER
from gavan.database.embedded import ADMIN, Server

HERE = Path(__file__).parent / "node_modules"
GAVAN, DBMATE, SUPABASE = "gavan migrate up", "dbmate up", "supabase db push"
LOOK_S = 0.02
_numbers = count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """``cpu_s`` is of the tool alone; ``peak_mb`` the resident memory of all its processes."""

    wall_s: float
    cpu_s: float
    peak_mb: float


class ToolFailed(Exception):
    """A tool did not do what was asked; its output says why."""


def command(tool: str, project: Path, url: str) -> Sequence[str]:
    """Return what applies the migrations of ``project`` to the database at ``url``."""
    plain = f"{url}?sslmode=disable"
    if tool == DBMATE:
        dbmate = shutil.which("dbmate", path=HERE / ".bin") or "dbmate"
        folder = str(project / FOLDER)
        return [dbmate, "--url", plain, "--migrations-dir", folder, "--no-dump-schema", "up"]
    if tool == SUPABASE:
        entry = str(HERE / "supabase" / "dist" / "supabase.js")
        return ["node", entry, "db", "push", "--yes", "--db-url", plain]
    return gavan("migrate", "up")


def gavan(*arguments: str) -> Sequence[str]:
    return [sys.executable, "-m", "gavan", *arguments]


def replay() -> Sequence[str]:
    """Return what `migrate verify` does on its shadow; the shadow is made here, like the others."""
    code = (
        "import os; from pathlib import Path; from gavan.kit.secret import Secret;"
        "from gavan.database.migration.verify import verify;"
        f"verify(Secret(os.environ['GAVAN_DB_URL']), Path('{FOLDER}'))"
    )
    return [sys.executable, "-c", code]


def database(server: Server) -> str:
    """Make a new database with the system schemas; return its URL."""
    name = f"bench_{next(_numbers)}"
    with psycopg.connect(server.url(ADMIN).reveal(), autocommit=True) as admin:
        admin.execute(f"create database {name} template postgres owner postgres".encode())
        admin.execute("checkpoint")
    return server.url("postgres", database=name).reveal()


def drop(server: Server, url: str) -> None:
    with psycopg.connect(server.url(ADMIN).reveal(), autocommit=True) as admin:
        admin.execute(f"drop database {url.rsplit('/', 1)[1]} with (force)".encode())


def run(argv: Sequence[str], project: Path, env: Mapping[str, str]) -> Run:
    """Run a tool to its end; raise ToolFailed when it fails."""
    environment = {
        **_without_bytecode_switch(), **env, "HOME": str(project), "NO_COLOR": "1",
        "SUPABASE_TELEMETRY_DISABLED": "1", "DO_NOT_TRACK": "1",
    }  # fmt: skip
    before, began = _children_s(), time.perf_counter()
    with (project / "output").open("w+") as output:
        process = subprocess.Popen(
            argv, cwd=project, env=environment, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        peak = _watch(process)
        code = process.wait()
        took = time.perf_counter() - began
        if code:
            output.seek(0)
            raise ToolFailed(f"{' '.join(argv[-4:])}: exit {code}: {output.read()[-2000:]}")
    return Run(wall_s=took, cpu_s=_children_s() - before, peak_mb=peak() / 1e6)


def _without_bytecode_switch() -> Mapping[str, str]:
    """Let a run keep its bytecode for the next: an installation has it, pip compiles."""
    return {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _watch(process: subprocess.Popen[bytes]) -> Callable[[], int]:
    """Watch the memory of a process and all that it starts until it ends; return the way to ask."""
    peak = 0

    def look() -> None:
        nonlocal peak
        while process.poll() is None:
            with suppress(psutil.NoSuchProcess):
                root = psutil.Process(process.pid)
                family = (root, *root.children(recursive=True))
                peak = max(peak, sum(one.memory_info().rss for one in family))
            time.sleep(LOOK_S)

    thread = threading.Thread(target=look)
    thread.start()

    def ask() -> int:
        thread.join()
        return peak

    return ask


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
