"""Load on the servers, by wrk, curl and sending.py, and on the disk without any server."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psutil

from bench.machine import cpu_s
from bench.rest.load import LoadFailed, Round, read_output
from bench.storage.sending import senders
from bench.storage.servers import Target

CONNECTIONS = 8
DISK = "copy and fsync"
LARGE = 64 * 1024 * 1024
"""From here on one object at a time is timed, by curl"""
COPY_BYTES = 1024 * 1024
_numbers = count()


@dataclass(frozen=True, slots=True)
class Load:
    """Files that come and go for a while each; scripts lie in ``folder``."""

    folder: Path
    seconds: int

    def download(self, target: Target, file: Path) -> Round:
        """Read one file again and again; raise LoadFailed for any failure."""
        url = target.get.format(name=file.name)
        if file.stat().st_size >= LARGE:
            return self._once(target, ["curl", "-sSf", "-o", "/dev/null", url])
        return self._wrk(target, url, "request = function() return wrk.format('GET') end")

    def upload(self, target: Target, file: Path) -> Round:
        """Store a file under ever new names; raise LoadFailed for any failure."""
        if target.put is None:
            raise ValueError(f"{target.name} takes nothing")
        run = next(_numbers)
        if file.stat().st_size >= LARGE:
            method, url = target.put
            headers = [f"-H{name}: {value}" for name, value in target.headers.items()]
            sent = ["-X", method, *headers, "-T", str(file), url.format(name=f"large-{run}")]
            return self._once(target, ["curl", "-sSf", "-o", "/dev/null", *sent])
        with senders(target, file, f"r{run}", CONNECTIONS) as them:
            before = cpu_s(target.process)
            per_s, done = _repeat([one.send for one in them], self.seconds)
            spent = cpu_s(target.process) - before
            took_s = sorted(took for one in them for took in one.took_s)
        return Round(
            per_s=per_s,
            p50_ms=took_s[done // 2] * 1000,
            p99_ms=took_s[done * 99 // 100] * 1000,
            cpu_us=spent / done * 1e6,
        )

    def copy(self, file: Path, into: Path) -> Round:
        """Write the same bytes to new files and sync each: what an upload cannot beat."""
        run = next(_numbers)
        into.mkdir(parents=True, exist_ok=True)
        numbers = count()
        guard = threading.Lock()

        def one() -> None:
            with guard:
                number = next(numbers)
            _copy(file, into / f"{run}-{number}")

        if file.stat().st_size >= LARGE:
            began, spent = time.perf_counter(), cpu_s(psutil.Process())
            one()
            took = time.perf_counter() - began
            return Round(per_s=1 / took, cpu_us=(cpu_s(psutil.Process()) - spent) * 1e6)
        spent = cpu_s(psutil.Process())
        per_s, done = _repeat([one] * CONNECTIONS, self.seconds)
        return Round(per_s=per_s, cpu_us=(cpu_s(psutil.Process()) - spent) / done * 1e6)

    def _wrk(self, target: Target, url: str, script: str) -> Round:
        file = self.folder / "wrk.lua"
        file.write_text(script)
        before = cpu_s(target.process)
        done = subprocess.run(
            [
                *("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{self.seconds}s", "--timeout", "30s"),
                *("--latency", "-s", str(file), url),
            ],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise LoadFailed(f"{target.name}: {done.stderr}")
        return read_output(done.stdout, cpu_s(target.process) - before, 0.0)

    def _once(self, target: Target, argv: list[str]) -> Round:
        before, began = cpu_s(target.process), time.perf_counter()
        done = subprocess.run(argv, capture_output=True, text=True)
        took = time.perf_counter() - began
        if done.returncode:
            raise LoadFailed(f"{target.name}: {done.stderr}")
        return Round(per_s=1 / took, cpu_us=(cpu_s(target.process) - before) * 1e6)


def _repeat(work: Sequence[Callable[[], None]], seconds: float) -> tuple[float, int]:
    """Do each again and again, all at once; return how often in a second, and in all."""
    until = time.perf_counter() + seconds

    def run(one: Callable[[], None]) -> int:
        done = 0
        while time.perf_counter() < until:
            one()
            done += 1
        return done

    began = time.perf_counter()
    with ThreadPoolExecutor(len(work)) as pool:
        total = sum(pool.map(run, work))
    return total / (time.perf_counter() - began), total


def _copy(source: Path, target: Path) -> None:
    with source.open("rb", buffering=0) as read, target.open("xb", buffering=0) as write:
        while data := read.read(COPY_BYTES):
            write.write(data)
        os.fsync(write.fileno())
