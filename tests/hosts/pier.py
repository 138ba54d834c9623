"""A small stack called pier, the server it is deployed to, and what must be true there afterwards.

Releases differ by the variables of one app, so that tests need few builds: LABEL is what the app
answers, MODE how it misbehaves.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gavan.deploy.onhost import history

GAVAN = str(Path(sys.executable).with_name("gavan"))
ROOT = "/opt/pier"
PATIENCE_S = 120
PROGRAM = """
import http.server, json, os, sys, time

mode, port = os.environ["MODE"], int(os.environ["PORT"])
if mode == "ends":
    sys.exit("no berth free")
if mode == "eats":
    time.sleep(0.2)
    hold = bytearray(512 << 20)
    hold[::4096] = b"x" * len(hold[::4096])
if mode == "slow":
    time.sleep(6)

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        well = mode != "ill" or self.path != "/health"
        told = {"label": os.environ["LABEL"], "release": os.environ["GAVAN_RELEASE"]}
        body = json.dumps(told).encode() if well else b"no crane"
        self.send_response(200 if well else 500)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass

there = port + 1 if mode == "elsewhere" else port
http.server.ThreadingHTTPServer(("0.0.0.0", there), Answer).serve_forever()
"""
STACK = """
[stack]
name = "pier"

[profiles.prod]
domain = "pier.test"
tls = "internal"

[apps.api]
dir = "api"
command = "python main.py"
port = 8000
health = {{ path = "/health", interval = "1s", start = "1s" }}
routes = [{{ host = "api", path = "/v1", strip = true }}]
secrets = ["TOKEN"]
memory = "64MiB"
stop_timeout = "2s"

[apps.api.env]
LABEL = "{label}"
MODE = "{mode}"

[deploy]
health_timeout = "{health_timeout}"
drain = "2s"
retain = 3
registry = "{registry}"

[deploy.hosts.vps]
address = "{address}"
host_key = "{key}"
"""
# Waits on the server until the newest release is in a step, then does something to its runner.
AT_STEP = """
import glob, json, os, signal, subprocess, sys, time
step, what, known = sys.argv[1], sys.argv[2], set(sys.argv[3:])
until = time.monotonic() + 90
while time.monotonic() < until:
    for path in set(glob.glob("/opt/pier/releases/*/state.json")) - known:
        try:
            state = json.load(open(path))
        except (OSError, ValueError):
            continue
        if state.get("step") == step and not state.get("outcome"):
            if what in ("kill", "stop"):
                number = signal.SIGKILL if what == "kill" else signal.SIGSTOP
                os.kill(state["pid"], number)
            else:
                subprocess.run(what, shell=True, check=True)
            sys.exit()
    time.sleep(0.001)
sys.exit("no release came to " + step)
"""

Done = subprocess.CompletedProcess[str]


@dataclass(kw_only=True)
class Pier:
    """The stack in a repository, and its server; ``disk`` is where this machine sees its files."""

    root: Path
    address: str
    key: str
    disk: Path
    ctl: Path
    name: str
    registry: str = ""
    tag: str = ""
    labels: int = 0

    def write(self, label: str, mode: str = "well", health_timeout: str = "60s") -> None:
        """Write the stack file of a release that answers ``label``."""
        text = STACK.format(address=self.address, key=self.key, registry=self.registry,
                            label=label, mode=mode, health_timeout=health_timeout)  # fmt: skip
        (self.root / "gavan.toml").write_text(text)

    def fresh(self, mode: str = "well", health_timeout: str = "60s") -> str:
        """Write the stack file of a release like no other, and return what it answers."""
        self.labels += 1
        label = f"{mode}{self.labels}"
        self.write(label, mode, health_timeout)
        return label

    def migration(self, name: str, text: str) -> Path:
        path = self.root / "supabase" / "migrations" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def commit(self, text: str) -> str:
        """Commit everything and return the tag of its images."""
        self.git("add", ".")
        self.git("commit", "-qm", text)
        return "sha-" + self.git("rev-parse", "HEAD")[:7]

    def git(self, *words: str) -> str:
        who = ("-c", "user.name=t", "-c", "user.email=t@example.com")
        return subprocess.run(["git", *who, *words], cwd=self.root, check=True,
                              capture_output=True, text=True).stdout.strip()  # fmt: skip

    def gavan(self, *words: str, stdin: str = "") -> Done:
        return subprocess.run([GAVAN, "--json", *words], cwd=self.root, input=stdin,
                              capture_output=True, text=True, check=False)  # fmt: skip

    def said(self, *words: str) -> str:
        """Return what a verb prints for people."""
        done = subprocess.run([GAVAN, *words], cwd=self.root, capture_output=True, text=True,
                              check=False, stdin=subprocess.DEVNULL)  # fmt: skip
        return done.stdout + done.stderr

    def must(self, *words: str, stdin: str = "") -> None:
        """Run a verb that must succeed."""
        done = self.gavan(*words, stdin=stdin)
        assert done.returncode == 0, done.stdout + done.stderr

    def prepare(self) -> None:
        """Prepare the server, with a value for the secret that is nobody's to make."""
        assert self.gavan("--yes", "hosts", "bootstrap").returncode == 3
        self.must("hosts", "set", "TOKEN", stdin="very private\n")

    def bring(self, image: str) -> None:
        """Send an image to the server over SSH."""
        words = f"docker save {image} | ssh root@{self.address} docker load -q"
        subprocess.run(words, shell=True, check=True, capture_output=True)

    def use(self, registry: str) -> None:
        """Have releases come through a folder of their own in a registry, ``host:port``."""
        self.registry = f"{registry}/{uuid.uuid4().hex[:8]}"

    def publish(self) -> None:
        """Build the commit and send it to the registry."""
        self.must("-p", "prod", "build")
        self.must("-p", "prod", "push")

    def deploy(self, *words: str) -> Done:
        return self.gavan("--yes", "deploy", *words)

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Start a deploy and return at once; who waits for it reads its JSON from stdout."""
        return subprocess.Popen([GAVAN, "--json", "--yes", "deploy", *words], cwd=self.root,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                stdin=subprocess.DEVNULL, text=True)  # fmt: skip

    def at_step(self, step: str, what: str) -> subprocess.Popen[str]:
        """Have the server do something in a step of the next release: ``kill`` or ``stop`` its
        runner, or run a command."""
        known = [f"{ROOT}/releases/{path.name}/state.json" for path in self.releases_there()]
        words = ["python3", "-", step, f"'{what}'", *known]
        watch = subprocess.Popen(["ssh", f"root@{self.address}", *words], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 text=True)  # fmt: skip
        assert watch.stdin is not None
        watch.stdin.write(AT_STEP)
        watch.stdin.close()
        watch.stdin = None
        return watch

    def releases_there(self) -> list[Path]:
        return sorted((self.disk / "opt/pier/releases").glob("*"))

    def told_at_the_end(self) -> dict[str, Any]:
        """Return what the newest release told at its end: code, message, details."""
        lines = (self.releases_there()[-1] / "events.ndjson").read_text().splitlines()
        return dict(json.loads(lines[-1])["data"])

    def lock(self) -> dict[str, Any]:
        """Return who holds the lock, read from the disk of the server."""
        try:
            return dict(json.loads((self.disk / "opt/pier/lock/owner.json").read_text()))
        except (FileNotFoundError, json.JSONDecodeError):
            return {}

    def log(self) -> list[dict[str, Any]]:
        return history.read(self.disk / "opt/pier/releases.jsonl")

    def go_on(self) -> None:
        """Let a runner go on that was stopped."""
        self.on_host(f"kill -CONT {self.lock()['pid']}")

    def on_host(self, command: str) -> str:
        done = subprocess.run(["ssh", f"root@{self.address}", command], check=False,
                              capture_output=True, text=True)  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def registry_down(self) -> Iterator[None]:
        """Have nothing answer where the server looks for the registry."""
        port = self.registry.partition("/")[0].rpartition(":")[2]
        rule = f"OUTPUT -p tcp --dport {port} -j REJECT --reject-with tcp-reset"
        self.on_host(f"iptables -I {rule}")
        try:
            yield
        finally:
            self.on_host(f"iptables -D {rule}")

    def happens(self, what: str) -> None:
        """Do to the server what host-ctl.sh can: cut, heal, reboot, ..."""
        subprocess.run([str(self.ctl), what, self.name], check=True, capture_output=True)

    def ask(self) -> dict[str, str]:
        """Ask the app through the proxy from outside; return what it says."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        raw = socket.create_connection((self.address, 443), 20)
        with context.wrap_socket(raw, server_hostname="api.pier.test") as sock:
            sock.sendall(b"GET /v1/ HTTP/1.1\r\nHost: api.pier.test\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: sock.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200"), answer
        found: dict[str, str] = json.loads(answer.rpartition(b"\r\n")[2])
        return found

    def label(self) -> str:
        return self.ask()["label"]

    def serving(self) -> list[str]:
        """Return the slots of the app that run."""
        said = self.on_host("docker ps --filter name=pier-prod-api --format '{{.Names}}'")
        return [name.removeprefix("pier-prod-api-").removesuffix("-1") for name in said.split()]


def ended(process: subprocess.Popen[str]) -> Done:
    """Wait for a process and return it as if it had been run."""
    out, _ = process.communicate(timeout=PATIENCE_S)
    return subprocess.CompletedProcess(process.args, process.returncode, out, "")


def error_of(done: Done) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)["error"]
    return found


def wait_until(condition: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until, what
        time.sleep(0.1)


def settled(pier: Pier, label: str, result: str) -> dict[str, Any]:
    """Prove that one release serves, that nothing is held or left over, and return its line.

    ``label`` is what must answer, ``result`` how the last line of the log must end.
    """
    wait_until(lambda: not pier.lock(), "the lock is given back")
    assert pier.label() == label
    slots = pier.serving()
    assert len(slots) == 1, f"one slot runs: {slots}"
    active = (pier.disk / "opt/pier/slots/api").read_text()
    assert active.startswith(f"api-{slots[0]}:")
    lines = pier.log()
    assert history.broken(lines) == ""
    assert lines[-1]["result"] == result, lines[-1]
    again = pier.deploy("--resume")
    assert (again.returncode, error_of(again)["code"]) == (3, "GV537"), again.stdout
    return lines[-1]


def environment_of(place: dict[str, str]) -> str:
    """Return a PATH whose ssh knows the servers of the tests."""
    programs = Path(place["TESTHOST_SSH_CONFIG"]).with_name("bin")
    return f"{programs}:{os.environ['PATH']}"
