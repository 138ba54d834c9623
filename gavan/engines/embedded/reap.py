"""Clean up after a run that ended without its supervisor, and never touch a stranger.

Used by `up` before it starts anything and by the keeper of Postgres before each start.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from gavan.engines.embedded import guard
from gavan.engines.embedded.state import boot_id, read_state, remove_state

REAP_DEADLINE_S = 8.0


def reap_last_run(state_dir: Path) -> int:
    """End what is left of the run in the run file and return how many processes there were.

    Processes are found by the marker of that very run in their environment, never by the pids
    in the file, so a pid that belongs to somebody else by now is safe.
    """
    state = read_state(state_dir)
    if state is None:
        return 0
    count = 0
    if state.boot_id == boot_id():
        count = len(guard.find(state.marker, state.data_dir))
        guard.end_all(state.marker, state.data_dir, deadline_s=REAP_DEADLINE_S)
    Path(state.control).unlink(missing_ok=True)
    remove_state(state_dir)
    return count


def free_data_dir(data_dir: Path, sockets: Iterable[Path] = ()) -> None:
    """End a Postgres that was left alone in a data directory and remove its stale lock files.

    Postgres refuses to start while `postmaster.pid` names a living process, whoever that is: the
    file goes when no Postgres works in the directory any more.
    """
    directory = str(data_dir.resolve())
    started = time.monotonic()
    while left := [pid for pid in guard.processes() if guard.is_postgres_of(pid, directory)]:
        waited = time.monotonic() - started
        if waited > REAP_DEADLINE_S:
            break
        for pid in left:
            guard.send(pid, guard.QUIT if waited < REAP_DEADLINE_S / 2 else guard.KILL)
        time.sleep(guard.POLL_S)
    else:
        (data_dir / "postmaster.pid").unlink(missing_ok=True)
        for path in sockets:
            path.unlink(missing_ok=True)
            path.with_name(path.name + ".lock").unlink(missing_ok=True)
