"""End every process of one run when its supervisor is gone; runs as a tiny process of its own.

Stands outside the package on purpose: started by path with `python -I -S`, it imports nothing but
`os`, `sys` and `time`, so that it costs little memory and cannot fail with the supervisor. The
same search serves `reap.py`, which cleans up after a run whose guard is gone too.
"""

from __future__ import annotations

import os
import sys
import time

# Numbers, not `signal`: that module alone doubles what the guard imports.
QUIT = 3
KILL = 9
POSTGRES_GRACE_S = 1.2
DEADLINE_S = 1.9
POLL_S = 0.03
CLEAN_STOP = b"q"


def read_bytes(path: str) -> bytes:
    """Return a small file of /proc, or nothing when the process is gone or not ours."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        chunks = []
        while chunk := os.read(descriptor, 65536):
            chunks.append(chunk)
        return b"".join(chunks)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def processes() -> dict[int, tuple[int, str, int]]:
    """Return pid -> (parent pid, state letter, start time in clock ticks after boot)."""
    found = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib is what this process does without
        if not name.isdigit():
            continue
        # The command name may hold spaces and brackets: fields are counted after the last one.
        fields = read_bytes(f"/proc/{name}/stat").rpartition(b")")[2].split()
        if len(fields) > 19:
            found[int(name)] = (int(fields[1]), fields[0].decode(), int(fields[19]))
    return found


def is_marked(pid: int, marker: bytes) -> bool:
    """Say whether a process was started with this environment entry."""
    return marker in read_bytes(f"/proc/{pid}/environ").split(b"\0")


def is_postgres_of(pid: int, data_dir: str) -> bool:
    """Say whether a process is a Postgres that works in this data directory.

    Backends write their title over the environment they were started with, so that the marker
    is gone from them; what stays is the working directory.
    """
    try:
        return (
            os.readlink(f"/proc/{pid}/cwd") == data_dir  # noqa: PTH115
            and os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "postgres"  # noqa: PTH115,PTH119
        )
    except OSError:
        return False


def find(marker: str, data_dir: str, spared: frozenset[int] = frozenset()) -> dict[int, bool]:
    """Return the living processes of a run as pid -> is it Postgres.

    A process belongs to the run by its environment, by being Postgres in the data directory, or
    by descent from one that does. ``spared`` and the caller itself never belong.
    """
    everyone = processes()
    entry = marker.encode()
    keep = spared | {os.getpid(), 1}
    mine: dict[int, bool] = {}
    for pid, (_, state, _) in everyone.items():
        if pid in keep or state == "Z":
            continue
        if data_dir and is_postgres_of(pid, data_dir):
            mine[pid] = True
        elif is_marked(pid, entry):
            mine[pid] = False
    grew = True
    while grew:
        grew = False
        for pid, (parent, state, _) in everyone.items():
            if parent in mine and pid not in mine and pid not in keep and state != "Z":
                mine[pid] = mine[parent]
                grew = True
    return mine


def send(pid: int, number: int) -> None:
    """Send a signal; a process that has just ended is no error."""
    try:
        os.kill(pid, number)
    except OSError:
        return


def end_all(
    marker: str,
    data_dir: str,
    spared: frozenset[int] = frozenset(),
    deadline_s: float = DEADLINE_S,
) -> int:
    """End every process of a run and return how many were left at the deadline.

    Postgres gets QUIT, the immediate shutdown that its recovery is made for, and KILL only when
    it does not answer; everything else gets KILL. The search repeats, because a process may fork
    while it is being ended.
    """
    started = time.monotonic()
    asked: set[int] = set()
    while True:
        found = find(marker, data_dir, spared)
        waited = time.monotonic() - started
        if not found or waited > deadline_s:
            return len(found)
        for pid, is_postgres in found.items():
            if not is_postgres or waited > POSTGRES_GRACE_S:
                send(pid, KILL)
            elif pid not in asked:
                asked.add(pid)
                send(pid, QUIT)
        time.sleep(POLL_S)


def main() -> None:
    """Wait on standard input: `q` is a clean stop, end of file means the supervisor was killed."""
    marker, data_dir = sys.argv[1], sys.argv[2]
    while True:
        said = os.read(0, 64)
        if said.startswith(CLEAN_STOP):
            return
        if not said:
            end_all(marker, data_dir)
            return


if __name__ == "__main__":
    main()
