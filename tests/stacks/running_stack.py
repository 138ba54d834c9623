"""A stack of the repository, copied to a short path with free ports and started by `gavan up`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.packages import npm_packages
from tests.ports import free_port
from tests.servers import wait_until

REPOSITORY = Path(__file__).parents[2]
PORTS = {"database": 54322, "core": 54321, "site": 5173}
BACKENDS = {"botmox": {"backend": 3000}}


@dataclass(frozen=True, slots=True)
class RunningStack:
    """A stack that is up; ports by what listens there."""

    root: Path
    ports: dict[str, int]

    @property
    def url(self) -> str:
        """The address of the site."""
        return f"http://localhost:{self.ports['site']}"

    def gavan(self, *argv: str, timeout_s: float = 180) -> str:
        """Run a verb in the folder of the stack and return what it prints; fail with its words."""
        result = subprocess.run(
            [sys.executable, "-m", "gavan", *argv],
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            env=clean_environment(),
        )
        assert result.returncode == 0, f"gavan {' '.join(argv)}\n{result.stdout}{result.stderr}"
        return result.stdout

    def is_ready(self) -> bool:
        return bool(self._status()["ready"])

    def pid_of(self, unit: str) -> int | None:
        """The process of a unit; None while it has none."""
        units = {each["name"]: each for each in self._status()["units"]}
        pid: int | None = units[unit]["pid"]
        return pid

    def _status(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.gavan("status", "--json"))["data"]
        return answer


def clean_environment() -> dict[str, str]:
    """Return the little that a person's shell has; the interpreter of the tests comes first."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "PATH": f"{Path(sys.executable).parent}:{kept.get('PATH', os.defpath)}"}


@contextmanager
def running_stack(name: str, more: str = "", dotenv: str = "") -> Iterator[RunningStack]:
    """Copy `stacks/NAME` as ``copied_stack`` does and bring it up; down and away at the end."""
    with copied_stack(name, more, dotenv) as stack:
        try:
            stack.gavan("up", *(["--create-user"] if os.geteuid() == 0 else []))
            yield stack
        finally:
            stack.gavan("down")


@contextmanager
def copied_stack(name: str, more: str = "", dotenv: str = "") -> Iterator[RunningStack]:
    """Copy `stacks/NAME` and give it free ports; away at the end.

    ``more`` is added to its stack file, ``dotenv`` is its `.env`.
    """
    base = Path(tempfile.mkdtemp(prefix="gv-"))
    base.chmod(0o755)  # Postgres runs as another user when the tests run as root
    root = base / name
    source = REPOSITORY / "stacks" / name
    packages = npm_packages(source / "web")
    made = shutil.ignore_patterns(".gavan", "dist", "node_modules")
    shutil.copytree(source, root, ignore=made)
    (root / "web/node_modules").symlink_to(packages)
    usual = PORTS | BACKENDS.get(name, {})
    stack = RunningStack(root, {thing: free_port() for thing in usual})
    file = root / "gavan.toml"
    text = file.read_text()
    for thing, port in usual.items():
        text, changed = re.subn(rf"\b{port}\b", str(stack.ports[thing]), text)
        assert changed == 1, f"port {port} of {thing} in {file}"
    file.write_text(text + more)
    (root / ".env").write_text(dotenv)
    try:
        yield stack
    finally:
        # What a dev server had begun to write may still come.
        wait_until(lambda: _is_removed(base))


def _is_removed(folder: Path) -> bool:
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()
