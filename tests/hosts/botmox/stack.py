"""Botmox in a repository of its own, its server, and how both are asked."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.hosts.test_rehearsal import GAVAN

SOURCE = Path(__file__).parents[3] / "stacks" / "botmox"
MADE = shutil.ignore_patterns(".gavan", "node_modules", "dist")
REGISTRY_PASSWORD = "the password of the registry"
WHO = ("-c", "user.name=t", "-c", "user.email=t@example.com")
PORTS = """
[profiles.prod-sim]
http_port = {http}
https_port = {https}

[ci]
provider = ["github", "gitlab"]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """An image registry that one user may use."""

    host: str
    port: int
    user: str = "grace"
    password: str = "the password of the registry"

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def status(self, *, known: bool = False) -> int | None:
        """Return how it answers a stranger, or its user; None while it does not."""
        auth = (self.user, self.password) if known else None
        try:
            return httpx.get(f"http://{self.address}/v2/", auth=auth).status_code
        except httpx.TransportError:
            return None

    def tags(self, name: str) -> set[str]:
        """Return the tags of an image."""
        url = f"http://{self.address}/v2/{name}/tags/list"
        answer = httpx.get(url, auth=(self.user, self.password))
        return set(answer.raise_for_status().json()["tags"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """The files of the stack under git, on the branch that is released."""

    root: Path

    @classmethod
    def make(cls, root: Path, name: str, registry: str, ports: Mapping[str, int]) -> Repository:
        """Copy botmox under another name, on free ports, with this registry; commit it."""
        shutil.copytree(SOURCE, root, ignore=MADE)
        file = root / "gavan.toml"
        text = file.read_text().replace('name = "botmox"', f'name = "{name}"')
        text = re.sub(r'registry = ".*"', f'registry = "{registry}"', text)
        # No authority of the world gives a certificate for a name that only tests know.
        text = text.replace("[profiles.prod]\n", '[profiles.prod]\ntls = "internal"\n')
        # What is due every night is due every minute, so that the clock can be seen at work.
        text = text.replace('schedule = "30 3 * * *"', 'schedule = "* * * * *"')
        file.write_text(text + PORTS.format(**ports))
        (root / ".gitignore").write_text(".gavan/\nnode_modules/\ndist/\n")
        found = cls(root=root)
        found.git("init", "-qb", "main")
        found.gavan("-p", "prod-sim", "generate", "--force")
        found.gavan("ci", "generate")
        found.commit("begin")
        return found

    def git(self, *words: str) -> str:
        return subprocess.run(["git", *WHO, *words], cwd=self.root, check=True,
                              capture_output=True, text=True).stdout.strip()  # fmt: skip

    def commit(self, message: str) -> str:
        """Commit everything; return the tag of the images of the commit."""
        self.git("add", "-A")
        self.git("commit", "-qm", message)
        return self.tag

    @property
    def tag(self) -> str:
        return "sha-" + self.git("rev-parse", "HEAD")[:7]

    def attempt(
        self, *words: str, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run([GAVAN, *words], cwd=self.root, env={**os.environ, **(env or {})},
                              capture_output=True, text=True, check=False)  # fmt: skip

    def gavan(self, *words: str, env: Mapping[str, str] | None = None) -> str:
        """Run a verb and return what it prints; fail with its words."""
        done = self.attempt(*words, env=env)
        assert done.returncode == 0, f"gavan {' '.join(words)}\n{done.stdout}{done.stderr[-6000:]}"
        return done.stdout


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A machine with the stack on it, reached by SSH as its user and by browsers as people.

    ``pins`` are the variables that the stack file reads for it.
    """

    address: str
    host_key: str
    private_key: str
    domain: str = "bmx.test"
    path: str = "/opt/bot-mox"
    user: str = "deploy"

    @property
    def pins(self) -> dict[str, str]:
        return {"VPS_HOST": self.address, "VPS_USER": self.user, "VPS_DEPLOY_PATH": self.path,
                "VPS_HOST_KEY": self.host_key}  # fmt: skip

    @property
    def env(self) -> dict[str, str]:
        return {**self.pins, "DOMAIN": self.domain}

    def run(self, command: str) -> str:
        """Run a command there as root and return what it prints."""
        words = ["ssh", f"root@{self.address}", command]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def url(self, host: str, path: str = "/") -> str:
        return f"https://{host}.{self.domain}{path}"

    def get(self, host: str, path: str) -> httpx.Response:
        """Ask through the proxy from outside; the certificate is of an authority of our own."""
        name = f"{host}.{self.domain}"
        with httpx.Client(verify=False, timeout=20) as client:
            request = client.build_request("GET", f"https://{self.address}{path}",
                                           headers={"Host": name})  # fmt: skip
            request.extensions = {**request.extensions, "sni_hostname": name}
            return client.send(request)

    def memory(self) -> dict[str, float]:
        """Return the MiB that each container takes."""
        text = self.run("docker stats --no-stream --format '{{json .}}'")
        rows: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
        return {row["Name"]: _mebibytes(row["MemUsage"].split(" / ")[0]) for row in rows}


def _mebibytes(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)([KMG]i)?B", text).groups()  # type: ignore[union-attr]
    return float(number) * {None: 2**-20, "Ki": 2**-10, "Mi": 1.0, "Gi": 2.0**10}[unit]
