"""Memory of stacks/botmox as a whole, deployed to a server of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.hosts.jetty import GAVAN, Server, server

STACK = Path(__file__).parents[2] / "stacks" / "botmox"
UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def memory_of_botmox(root: Path, name: str) -> dict[str, float]:
    """Deploy botmox and return the MiB of each of its containers, as docker counts them."""
    with server(name) as there:
        _deploy(root / "botmox", there)
        lines = there.on_host("docker stats --no-stream --format '{{json .}}'").splitlines()
    found = {}
    for line in lines:
        one = json.loads(line)
        part = one["Name"].removeprefix("botmox-prod-").removesuffix("-1")
        found[part] = _bytes(one["MemUsage"].partition(" ")[0]) / 2**20
    return found


def _bytes(text: str) -> float:
    unit = text.lstrip("0123456789.")
    return float(text.removesuffix(unit)) * UNITS[unit]


def _deploy(root: Path, there: Server) -> None:
    left = shutil.ignore_patterns(".gavan", "node_modules", "dist")
    shutil.copytree(STACK, root, ignore=left)
    file = root / "gavan.toml"
    text = file.read_text().replace("[profiles.prod]\n", '[profiles.prod]\ntls = "internal"\n')
    # Straight over SSH: no registry knows these images.
    file.write_text(re.sub(r"^registry = .*\n", "", text, flags=re.MULTILINE))
    (root / ".gitignore").write_text(".gavan/\n")
    place = {"VPS_HOST": there.address, "VPS_HOST_KEY": there.host_key, "DOMAIN": "botmox.test"}
    who = ("-c", "user.name=b", "-c", "user.email=b@example.com")
    for words in (
        ["git", "init", "-qb", "main"],
        ["git", "add", "."],
        ["git", *who, "commit", "-qm", "bench"],
        [GAVAN, "-p", "prod", "build"],
        [GAVAN, "--yes", "hosts", "bootstrap", "--as", "root"],
        [GAVAN, "--yes", "deploy", "--skip-outside", "no name server knows it"],
    ):
        done = subprocess.run(words, cwd=root, env={**os.environ, **place}, capture_output=True,
                              text=True, check=False)  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
