"""Time from ``gavan up`` to ready, cold and warm, and the memory of the idle stack.

Run by ``make bench-start``. Without ``--stack`` it is a stack of nothing but a name: Postgres and
the core with all its services.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

from bench.machine import facts
from tests.ports import free_port

GAVAN = str(Path(sys.executable).parent / "gavan")
SETTLE_S = 10
GOALS = {"cold start": 8.0, "warm start": 2.5, "idle memory": 220.0}


def main() -> int:
    """Measure and print; return 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stack", type=Path, help="a stack's folder; it is copied, not touched")
    options = parser.parse_args()
    print(facts())
    parent = Path(tempfile.mkdtemp(prefix="gs-"))
    parent.chmod(0o755)
    root = parent / "stack"
    try:
        _lay(root, options.stack)
        cold, warm, memory = [], [], []
        for _ in range(options.rounds):
            shutil.rmtree(root / ".gavan", ignore_errors=True)
            cold.append(_up(root))
            _down(root)
            warm.append(_up(root))
            time.sleep(SETTLE_S)
            memory.append(_memory(root))
            _down(root)
    finally:
        shutil.rmtree(parent, ignore_errors=True)
    _show("cold start", statistics.median(cold), "s")
    _show("warm start", statistics.median(warm), "s")
    total = statistics.median(sum(part.values()) for part in memory)
    _show("idle memory", total, "MB")
    for name, size_mb in sorted(memory[-1].items(), key=lambda item: -item[1]):
        print(f"    {size_mb:>7.1f} MB  {name}")
    return 0


def _show(name: str, value: float, unit: str) -> None:
    print(f"{name:<12} {value:>7.1f} {unit:<2}  goal {GOALS[name]:g}")


def _lay(root: Path, stack: Path | None) -> None:
    if stack is not None:
        shutil.copytree(stack, root, symlinks=True, ignore=lambda _folder, _names: {".gavan"})
        return
    root.mkdir()
    (root / "gavan.toml").write_text(
        f'[stack]\nname = "bench"\n\n[database]\nport = {free_port()}\n\n'
        f"[core]\nport = {free_port()}\n"
    )


def _environ(root: Path) -> dict[str, str]:
    # Engines hand PATH on to everything they start: its first entry marks our processes.
    return {**os.environ, "PATH": f"{root}:{os.environ['PATH']}"}


def _up(root: Path) -> float:
    began = time.perf_counter()
    _run(root, "up")
    return time.perf_counter() - began


def _down(root: Path) -> None:
    _run(root, "down")


def _run(root: Path, verb: str) -> None:
    done = subprocess.run(
        [GAVAN, verb], cwd=root, env=_environ(root), capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"gavan {verb} failed ({done.returncode}):\n{done.stdout}{done.stderr}")


def _memory(root: Path) -> dict[str, float]:
    """Return megabytes (PSS) by kind of process; shared pages are counted once."""
    family: set[psutil.Process] = set()
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.environ().get("PATH", "").startswith(f"{root}:"):
                # Postgres writes its titles over its environment: children are found by descent.
                family |= {process, *process.children(recursive=True)}
    found: dict[str, float] = {}
    for process in family:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            name = _kind(process)
            found[name] = found.get(name, 0.0) + process.memory_full_info().pss / 1e6
    return found


def _kind(process: psutil.Process) -> str:
    if process.name() == "postgres":
        return "postgres, all processes"
    return " ".join(process.cmdline()[1:4]) or process.name()


if __name__ == "__main__":
    sys.exit(main())
