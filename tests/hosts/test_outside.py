"""A release on a real server that is asked from outside as well, and who hears how it ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gavan.deploy.onhost import history
from gavan.deploy.onhost.smoke import Way, ask
from tests.hosts.conftest import machine
from tests.local_http import LocalServer, Reply, local_server

GAVAN = str(Path(sys.executable).with_name("gavan"))
NAME = "hojetty"
pytestmark = pytest.mark.timeout(600)
PATIENCE_S = 120
PROGRAM = """
import http.server, os

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = os.environ["LABEL"].encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Answer).serve_forever()
"""
STACK = """\
[stack]
name = "jetty"

[profiles.prod]
domain = "jetty.test"
tls = "internal"

[apps.api]
dir = "api"
command = "python main.py"
port = 8000
health = {{ path = "/health", interval = "1s", start = "1s" }}
routes = [{{ host = "api", path = "/v1", strip = true }}]
memory = "64MiB"
env = {{ LABEL = "{label}" }}

[sites.web]
dir = "web"
output = "public"

[deploy]
drain = "2s"

[deploy.hooks]
pre_deploy = "cp gavan.toml .gavan/before"
on_failure = "cp gavan.toml .gavan/failed"

[[deploy.smoke]]
name = "roles"
sql = "select count(*) > 3 from pg_roles"

[[deploy.smoke]]
name = "script"
exec = "test -f gavan.toml"

[deploy.hosts.web]
address = "{address}"

[notify.team]
type = "webhook"
target = "secret://HOOK_URL"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Jetty:
    """The stack in a repository, its server, and who is told how releases ended."""

    root: Path
    address: str
    log_file: Path
    told: LocalServer

    def gavan(self, *words: str, code: int = 0, stdin: str = "") -> dict[str, Any]:
        done = subprocess.run([GAVAN, "--json", "--yes", *words], cwd=self.root, input=stdin,
                              capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return dict(json.loads(done.stdout))

    def release(self, label: str, code: int = 0) -> dict[str, Any]:
        """Commit, build and deploy a release that answers ``label``."""
        text = STACK.format(label=label, address=self.address)
        (self.root / "gavan.toml").write_text(text)
        for words in (("add", "."), ("commit", "-qm", label)):
            who = ("-c", "user.name=t", "-c", "user.email=t@example.com")
            subprocess.run(["git", *who, *words], cwd=self.root, check=True)
        self.gavan("-p", "prod", "build")
        return self.gavan("deploy", code=code)

    def label(self) -> str:
        question = {"host": "api.jetty.test", "port": 443, "tls": True, "path": "/v1/"}
        return ask(question, Way(self.address, False))[1]

    def heard(self, number: int) -> list[dict[str, Any]]:
        """Return what was told, once it is so much; the server tells it after the end."""
        until = time.monotonic() + PATIENCE_S
        while len(self.told.heard) < number:
            assert time.monotonic() < until, "nobody was told"
            time.sleep(0.2)
        return [json.loads(one.body) for one in self.told.heard]

    def on_host(self, command: str) -> None:
        subprocess.run(["ssh", f"root@{self.address}", command], check=True, timeout=60)


@pytest.fixture(scope="module")
def jetty(
    tmp_path_factory: pytest.TempPathFactory, docker_engine: dict[str, str]
) -> Iterator[Jetty]:
    """A stack with its server prepared and nothing deployed yet."""
    del docker_engine
    place = machine("vps-up.sh", NAME)
    lan = Path(place["TESTHOST_SSH_CONFIG"]).parent
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{lan / 'bin'}:{before}"
    root = tmp_path_factory.mktemp("jetty")
    address = place[f"TESTHOST_{NAME.upper()}_IP"]
    disk = lan.parent / "nodes" / NAME / "upper"
    (root / "api").mkdir()
    (root / "api" / "requirements.txt").touch()
    (root / "api" / "main.py").write_text(PROGRAM)
    (root / "web" / "public").mkdir(parents=True)
    (root / "web" / "public" / "index.html").write_text('<html><script src="/a.js"></script>')
    (root / "web" / "public" / "a.js").write_text("1")
    (root / ".gitignore").write_text(".gavan/\n")
    (root / ".gavan").mkdir()
    (root / "gavan.toml").write_text(STACK.format(label="none", address=address))
    subprocess.run(["git", "init", "-qb", "main"], cwd=root, check=True)
    try:
        with local_server(lambda _: Reply(), place["TESTHOST_GW"]) as told:
            made = Jetty(root=root, address=address, told=told,
                         log_file=disk / "opt/jetty/releases.jsonl")  # fmt: skip
            made.gavan("hosts", "bootstrap")
            made.gavan("hosts", "set", "HOOK_URL", stdin=f"{told.url}/news")
            yield made
    finally:
        os.environ["PATH"] = before
        machine("vps-down.sh", NAME)


def test_a_release_is_asked_on_its_server_inside_and_from_here(jetty: Jetty) -> None:
    jetty.release("first")
    line = history.read(jetty.log_file)[-1]
    asked = {(one["from"], one["name"]) for one in line["smoke"]}
    ways = {"core", "web", "web-deep", "api"}
    assert asked == {
        *(("host", name) for name in (*ways, "realtime")),
        *(("inside", name) for name in ("database", "roles", "storage")),
        *(("outside", name) for name in (*ways, "script")),
    }
    assert all(one["ok"] for one in line["smoke"])
    assert (jetty.root / ".gavan" / "before").exists()
    assert not (jetty.root / ".gavan" / "failed").exists()
    (news,) = jetty.heard(1)
    assert (news["event"], news["about"]) == ("deploy.released", line["id"])


def test_what_answers_on_its_server_alone_is_taken_back(jetty: Jetty) -> None:
    """Trap 46: only the way from outside is broken."""
    jetty.on_host("nft insert rule inet gavan forward ct original proto-dst 443 drop")
    try:
        error = jetty.release("second", code=8)["error"]
    finally:
        jetty.on_host("nft -f /etc/gavan/firewall.nft")
    assert error["code"] == "GV575"
    line = history.read(jetty.log_file)[-1]
    assert (line["result"], line["tag"]) == ("rolled_back", jetty.heard(2)[1]["title"].split()[1])
    assert line["reason"].startswith("only from outside it does not answer as it should: ")
    wrong = {(one["from"], one["name"]) for one in line["smoke"] if not one["ok"]}
    assert wrong == {("outside", name) for name in ("core", "web", "web-deep", "api")}
    assert jetty.label() == "first"
    assert (jetty.root / ".gavan" / "failed").exists()
    assert jetty.heard(2)[1]["event"] == "deploy.rolled_back"
