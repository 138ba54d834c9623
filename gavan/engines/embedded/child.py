"""Start one process in a session of its own, read its pipe, learn of its end.

The only place of this engine that starts processes of the stack. The supervisor is the child
subreaper: processes whose parents end become its children, so `Reaper` waits for any child.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping

from gavan.engines.embedded.model import Process

READ_BYTES = 256 * 1024
PR_SET_CHILD_SUBREAPER = 36

Take = Callable[[bytes], None]


class Child:
    """One life of a unit: its pid is also its process group and session."""

    def __init__(self, popen: subprocess.Popen[bytes], pipe: int) -> None:
        self._popen = popen
        self.pid = popen.pid
        self.started = time.monotonic()
        self.pipe = pipe
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.drained: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def lived_s(self) -> float:
        return time.monotonic() - self.started

    def end(self, code: int) -> None:
        """Take the exit status: negative for a signal."""
        self._popen.returncode = code
        if not self.ended.done():
            self.ended.set_result(code)

    def signal(self, number: int, *, group: bool = True) -> None:
        """Send a signal to the whole group, or to the process alone."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if group:
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)


class Reaper:
    """Collect every child that ends, known or adopted, and tell the known ones."""

    def __init__(self) -> None:
        self._children: dict[int, Child] = {}
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self.reap)
        become_subreaper()

    def watch(self, child: Child) -> None:
        self._children[child.pid] = child
        # It may have ended before anybody watched it.
        self.reap()

    def reap(self) -> None:
        """Collect all ended children; one signal may stand for many of them."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = self._children.pop(pid, None)
            if child is not None:
                child.end(os.waitstatus_to_exitcode(status))


def become_subreaper() -> None:
    """Make orphans of this process's descendants its own children (Linux; elsewhere nothing)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def spawn(process: Process, extra: Mapping[str, str], take: Take | None) -> Child:
    """Start a process with both its output streams in one pipe, whose chunks ``take`` gets.

    Raises OSError when the program or its folder is missing or not allowed.
    """
    reading, writing = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(reading, False)
    with contextlib.suppress(OSError):
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, READ_BYTES)
    uid, gid = process.user or (None, None)
    try:
        popen = subprocess.Popen(
            list(process.argv),
            cwd=process.cwd,
            env={**process.env, **extra},
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
            start_new_session=True,
            user=uid,
            group=gid,
            extra_groups=[] if uid is not None else None,
        )
    except OSError:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    child = Child(popen, reading)
    asyncio.get_running_loop().add_reader(reading, _read, child, take)
    return child


def _read(child: Child, take: Take | None) -> None:
    """Move one chunk out of the pipe; at the end of the stream close it."""
    try:
        chunk = os.read(child.pipe, READ_BYTES)
    except BlockingIOError:
        return
    except OSError:
        chunk = b""
    if chunk:
        if take is not None:
            take(chunk)
        return
    asyncio.get_running_loop().remove_reader(child.pipe)
    os.close(child.pipe)
    if not child.drained.done():
        child.drained.set_result(None)
