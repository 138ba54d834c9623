"""The runner as an archive, sent to a host, started there and followed from here.

Stands above ssh.py. What follows may be cut off at any moment: it is taken up again at the line
that was read last, and the runner goes on without it.
"""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import time
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gavan
from gavan.deploy.ssh import LONG_S, LOST, Ssh
from gavan.kit.errors import GavanError

NAME = "runner.pyz"
PYTHON = ("env", "PYTHONDONTWRITEBYTECODE=1", "PYTHONUTF8=1", "python3")
FILES = ("__init__.py", "kit/__init__.py", "kit/cause.py", "deploy/__init__.py")
AGAIN_S = 120.0
_MAIN = "import sys\nfrom gavan.deploy.onhost.__main__ import main\nsys.exit(main(sys.argv[1:]))\n"
_UNPACK = 'set -e; umask 022; mkdir -p "$1"; mkdir "$1/$2"; tar -x -C "$1/$2"'
_RENAME = 'set -e; mkdir -p "$1"; cat > "$1/.$2.partial"; mv "$1/.$2.partial" "$1/$2"'


def archive() -> bytes:
    """Return the runner: its own package and the few files of gavan that it imports."""
    package = Path(gavan.__file__).parent
    own = sorted((package / "deploy" / "onhost").glob("*.py"))
    paths = [*(package / name for name in FILES), *own]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("__main__.py", _MAIN)
        for path in paths:
            file.write(path, f"gavan/{path.relative_to(package)}")
    return buffer.getvalue()


def look(ssh: Ssh) -> dict[str, Any]:
    """Return what serves on the host, its unfinished releases, its lock and its log."""
    root = ssh.host.path
    ssh.run("sh", "-c", _RENAME, "sh", root, NAME, stdin=archive())
    said = ssh.run(*PYTHON, f"{root}/{NAME}", "look", root)
    found: dict[str, Any] = json.loads(said)
    return found


def upload(ssh: Ssh, release: str, files: Mapping[str, str]) -> None:
    """Lay a release out in its folder, which is new: the runner and the texts by their paths."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        _add(tar, NAME, archive())
        for name, text in files.items():
            _add(tar, name, text.encode())
    there = f"{ssh.host.path}/releases"
    ssh.run("sh", "-c", _UNPACK, "sh", there, release, stdin=buffer.getvalue())


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime = len(content), int(time.time())
    tar.addfile(entry, io.BytesIO(content))


def _folder(ssh: Ssh, release: str) -> str:
    return f"{ssh.host.path}/releases/{release}"


def plan_of(ssh: Ssh, release: str) -> dict[str, Any]:
    """Return the plan of a release that is on the server."""
    found: dict[str, Any] = json.loads(ssh.run("cat", f"{_folder(ssh, release)}/plan.json"))
    return found


def begin(ssh: Ssh, release: str, wait_lock_s: float) -> None:
    """Start the runner of a release; one that runs already is left alone."""
    file = f"{_folder(ssh, release)}/{NAME}"
    ssh.run(*PYTHON, file, "start", ssh.host.path, release, str(wait_lock_s))


def unlock(ssh: Ssh, release: str) -> str:
    """End the run of a release and give its lock back; return why that was not done, if so."""
    root = ssh.host.path
    said = ssh.run(*PYTHON, f"{root}/{NAME}", "unlock", root, release)
    return str(json.loads(said)["wrong"])


def job(ssh: Ssh, release: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of gavan in the image of a release, beside what serves."""
    root = ssh.host.path
    return ssh.attempt(*PYTHON, f"{root}/{NAME}", "job", root, release, "0", *words,
                       deadline_s=LONG_S)  # fmt: skip


def events_so_far(ssh: Ssh, release: str) -> int:
    """Return how many events a release has told: those of an earlier run of it."""
    file = f"{_folder(ssh, release)}/events.ndjson"
    return int(ssh.run("sh", "-c", 'cat "$1" 2>/dev/null | wc -l', "sh", file))


def follow(ssh: Ssh, release: str, number: int) -> Iterator[dict[str, Any]]:
    """Yield the events of a release from the line ``number`` on, the end being the last one.

    Raises:
        GavanError: GV531 when the host stays out of reach; the release goes on there.
    """
    until = time.monotonic() + AGAIN_S
    while True:
        file = f"{_folder(ssh, release)}/{NAME}"
        words = [*PYTHON, file, "follow", ssh.host.path, release, str(number)]
        for event in _lines(ssh, words):
            number += 1
            until = time.monotonic() + AGAIN_S
            yield event
            if event["step"] == "end":
                return
        if time.monotonic() > until:
            error = ssh.unreachable("the connection was lost; the release goes on without us")
            error.hint = "gavan deploy --resume"
            raise error
        time.sleep(1.0)


def _lines(ssh: Ssh, words: list[str]) -> Iterator[dict[str, Any]]:
    with subprocess.Popen(ssh.argv(words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as process:  # fmt: skip
        try:
            for line in process.stdout or ():
                # A connection that is cut leaves half a line; shells say something before.
                if line.startswith(b"{") and line.endswith(b"\n"):
                    yield json.loads(line)
        finally:
            process.terminate()
    if process.returncode not in (0, LOST, -15):
        raise GavanError("GV532", f"the runner cannot be followed on {ssh.host.name}")


def send_images(ssh: Ssh, names: list[str], docker: str) -> None:
    """Send images that are here: `docker save` into `docker load` of the host."""
    with subprocess.Popen([docker, "save", *names], stdout=subprocess.PIPE) as save:
        try:
            load = subprocess.run(ssh.argv(["docker", "load", "--quiet"]), stdin=save.stdout,
                                  capture_output=True, check=False, timeout=LONG_S)  # fmt: skip
        except subprocess.TimeoutExpired as late:
            save.terminate()
            raise ssh.unreachable(f"the images were not there within {LONG_S:g} s") from late
    if load.returncode == LOST:
        raise ssh.unreachable(load.stderr.decode(errors="replace"))
    if load.returncode != 0 or save.returncode != 0:
        raise ssh.failure(("docker load",), load.stderr.decode(errors="replace"))
