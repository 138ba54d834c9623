"""A small stack called jetty on a server of its own, made to be released under load.

Its app answers and holds websockets; the core serves a table, objects and realtime. A release
differs by LABEL, which the app tells, and by the memory of the core, so that both change slots.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.hosts.conftest import machine

GAVAN = str(Path(sys.executable).with_name("gavan"))
HOST = "api.jetty.test"
DRAIN_S = 10
PLAIN_PORT = 9443
PROGRAM = """
import json, os
import uvicorn

async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": os.environ["LABEL"]})
    elif scope["type"] == "http":
        size, more = 0, True
        while more:
            message = await receive()
            size, more = size + len(message.get("body", b"")), message.get("more_body", False)
        body = json.dumps({"label": os.environ["LABEL"], "bytes": size}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

uvicorn.run(app, host="0.0.0.0", port=int(os.environ["PORT"]), log_level="warning",
            access_log=False, lifespan="off", ws="websockets-sansio")
"""
STACK = """
[stack]
name = "jetty"

[profiles.prod]
domain = "jetty.test"
tls = "internal"

[core]
memory = "{memory}MiB"

[core.storage]
file_size_limit = "2GiB"

[core.storage.buckets.hold]

[apps.api]
dir = "api"
command = "python main.py"
port = 8000
health = {{ path = "/", interval = "1s", start = "30s" }}
routes = [{{ host = "api", path = "/v1", strip = true }}]
memory = "128MiB"
stop_timeout = "10s"

[apps.api.env]
LABEL = "{label}"

[deploy]
health_timeout = "3m"
drain = "{drain}s"

[deploy.hosts.vps]
address = "{address}"
host_key = "{key}"
"""
TABLE = """
create table public.berth (name text primary key);
create table public.arrival (id bigint primary key);
insert into public.berth values ('east');
alter table public.berth enable row level security;
alter table public.arrival enable row level security;
create policy seen on public.berth for select to anon using (true);
grant select on public.berth to anon;
grant select, insert on public.arrival to service_role;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server reached over SSH by its address; its host key as ``[deploy.hosts]`` wants it."""

    address: str
    host_key: str

    def on_host(self, command: str) -> str:
        """Run a command of the shell there and return what it printed."""
        return subprocess.run(["ssh", f"root@{self.address}", command], check=True,
                              capture_output=True, text=True).stdout  # fmt: skip


@contextmanager
def server(name: str) -> Iterator[Server]:
    """Start a server, and take it away after the block; meanwhile ``ssh`` knows it."""
    place = machine("vps-up.sh", name)
    ssh_programs = str(Path(place["TESTHOST_SSH_CONFIG"]).with_name("bin"))
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{ssh_programs}:{before}"
    try:
        address = place[f"TESTHOST_{name.upper()}_IP"]
        rows = Path(place["TESTHOST_KNOWN_HOSTS"]).read_text().splitlines()
        key = next(row.partition(" ")[2] for row in rows if row.startswith(f"{address} "))
        yield Server(address=address, host_key=key)
    finally:
        os.environ["PATH"] = before
        machine("vps-down.sh", name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Jetty:
    """The stack in a repository, and the server that it is deployed to."""

    root: Path
    server: Server

    @property
    def address(self) -> str:
        return self.server.address

    def on_host(self, command: str) -> str:
        return self.server.on_host(command)

    def commit(self, label: str, memory_mib: int) -> None:
        """Commit a release and build its images."""
        text = STACK.format(label=label, memory=memory_mib, drain=DRAIN_S, address=self.address,
                            key=self.server.host_key)  # fmt: skip
        (self.root / "gavan.toml").write_text(text)
        self._git("add", ".")
        self._git("commit", "-qm", label)
        self.must("-p", "prod", "build")

    def _git(self, *words: str) -> None:
        who = ("-c", "user.name=t", "-c", "user.email=t@example.com")
        subprocess.run(["git", *who, *words], cwd=self.root, check=True, capture_output=True)

    def words(self, *more: str) -> list[str]:
        """Return the words of a command of gavan; it runs in ``root``."""
        return [GAVAN, "--json", "--yes", *more]

    def must(self, *words: str) -> dict[str, Any]:
        """Run a command that must succeed and return its data."""
        done = subprocess.run(self.words(*words), cwd=self.root, capture_output=True, text=True,
                              check=False)  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        found: dict[str, Any] = json.loads(done.stdout)["data"]
        return found

    def key(self, name: str) -> str:
        """Return a key of the stack from the file that only the server has."""
        return self.on_host(f"sed -n 's/^{name}=//p' /opt/jetty/.env.prod").strip().strip("'")

    def began(self, release: str, step: str) -> float:
        """Return when a step of a release began, 0 when it never did; the clock is ours."""
        file = f"/opt/jetty/releases/{release}/events.ndjson"
        lines = self.on_host(f"cat {file} 2>/dev/null || true").splitlines()
        found = [
            one for one in map(json.loads, lines) if (one["step"], one["state"]) == (step, "start")
        ]
        return float(found[0]["ts"]) if found else 0.0

    def running(self) -> set[str]:
        """Return the services that run."""
        said = self.on_host("docker ps --format '{{.Names}}'").split()
        return {name.removeprefix("jetty-prod-").removesuffix("-1") for name in said}


@contextmanager
def jetty_on_a_server(root: Path, name: str = "jetty") -> Iterator[Jetty]:
    """Start a server, deploy the first release (label ``one``), and take all of it away after.

    PLAIN_PORT is open there, for what runs beside the stack.
    """
    with server(name) as there:
        yield _first_release(Jetty(root=root, server=there))


def _first_release(jetty: Jetty) -> Jetty:
    (jetty.root / "api").mkdir()
    (jetty.root / "api" / "requirements.txt").write_text("uvicorn>=0.45,<1\nwebsockets>=15,<18\n")
    (jetty.root / "api" / "main.py").write_text(PROGRAM)
    (jetty.root / ".gitignore").write_text(".gavan/\n")
    migrations = jetty.root / "supabase" / "migrations"
    migrations.mkdir(parents=True)
    (migrations / "001_berth.sql").write_text(TABLE)
    subprocess.run(["git", "init", "-qb", "main"], cwd=jetty.root, check=True)
    jetty.commit("one", 512)
    jetty.must("hosts", "bootstrap", "--as", "root", "--open", str(PLAIN_PORT))
    jetty.must("deploy")
    return jetty
