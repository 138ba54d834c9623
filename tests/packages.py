"""Packages that tests install beside themselves, once for all processes that run tests."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

INSTALL_TIMEOUT_S = 150


def node_binary() -> str:
    """Return the node binary; fail the test with what to install when there is none."""
    binary = shutil.which("node")
    assert binary, "these tests need Node 20: sudo apt-get install nodejs npm"
    return binary


@contextmanager
def alone(file: Path) -> Iterator[None]:
    """Keep other processes that come with the same file out of the block; it stays as it is."""
    with file.open("rb") as locked:
        fcntl.flock(locked, fcntl.LOCK_EX)
        yield


def install_once(manifest: Path, folder: Path, install: Callable[[], None]) -> None:
    """Call ``install`` unless ``folder`` holds what ``manifest`` asks for now.

    Processes that need the same folder wait for the one that fills it.
    """
    stamp, wanted = folder / ".installed", manifest.read_bytes()
    with alone(manifest):
        if not stamp.exists() or stamp.read_bytes() != wanted:
            install()
            stamp.write_bytes(wanted)


def npm_packages(root: Path, finish: Callable[[Path], None] | None = None) -> Path:
    """Return the node_modules of ``root``, installed from its lock file or its package.json.

    ``finish`` is called with it after an installation.
    """
    npm = shutil.which("npm")
    assert npm, "these tests need npm: sudo apt-get install npm"
    modules = root / "node_modules"
    lock = root / "package-lock.json"
    how = ["ci"] if lock.exists() else ["install", "--no-package-lock"]
    command = [npm, *how, "--no-audit", "--no-fund", "--silent", "--no-progress"]

    def install() -> None:
        subprocess.run(command, cwd=root, check=True, timeout=INSTALL_TIMEOUT_S)
        if finish is not None:
            finish(modules)

    install_once(lock if lock.exists() else root / "package.json", modules, install)
    return modules
