"""A stack of nothing but a name and free ports, driven by the real command line."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

from gavan.engines.embedded import guard
from gavan.engines.embedded.client import connect
from gavan.engines.embedded.paths import control_socket
from gavan.engines.embedded.state import read_state
from tests.ports import free_port


class LiveStack:
    """One stack file in a folder; ``more`` is added to it, ``user`` runs it instead of us."""

    def __init__(self, root: Path, more: str = "", user: str | None = None) -> None:
        self.root = root
        self.user = user
        root.mkdir(parents=True, exist_ok=True)
        self.ports = free_port(), free_port()
        (root / "gavan.toml").write_text(
            f'[stack]\nname = "faults"\n[database]\nport = {self.ports[0]}\n'
            f"[core]\nport = {self.ports[1]}\n{more}"
        )

    def start(self, *argv: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "gavan", *argv], cwd=self.root, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **self._somebody(),
        )  # fmt: skip

    def _somebody(self) -> dict[str, Any]:
        if self.user is None:
            return {}
        names = ("PATH", "LANG", "LC_ALL", "SSL_CERT_FILE")
        env = {name: os.environ[name] for name in names if name in os.environ}
        return {
            "user": self.user, "group": pwd.getpwnam(self.user).pw_gid, "extra_groups": [],
            "env": {**env, "HOME": str(self.root)},
        }  # fmt: skip

    def gavan(self, *argv: str, code: int = 0) -> dict[str, Any]:
        process = self.start(*argv, "--json")
        out, err = process.communicate(timeout=120)
        assert process.returncode == code, out + err
        return dict(json.loads(out.splitlines()[-1]))

    def up(self, *argv: str, code: int = 0) -> dict[str, Any]:
        more = ["--create-user"] if self.user is None else []
        return self.gavan("up", *more, *argv, code=code)

    def units(self) -> dict[str, dict[str, Any]]:
        """Ask the supervisor as `gavan status` does, without starting a Python for each look."""
        client = connect(control_socket(self.root / ".gavan"))
        if client is None:
            return {}
        with client:
            return {unit["name"]: unit for unit in client.ask("status")["units"]}

    def pid(self, unit: str) -> int:
        return int(self.units()[unit]["pid"])

    def url(self) -> str:
        return str(self.gavan("status", "-o", "env")["data"]["DB_URL"])

    def living(self) -> dict[int, bool]:
        state = read_state(self.root / ".gavan")
        return guard.find(state.marker, state.data_dir) if state else {}
