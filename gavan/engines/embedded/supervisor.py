"""Entry of the supervisor: `python -m gavan.engines.embedded.supervisor -f FILE -p PROFILE`.

Reads the plan as one JSON line from standard input (it holds secrets, so it never lies in argv or
a file) and runs it. File and profile in argv are for people who read `ps`.
"""

from __future__ import annotations

import json
import os
import sys


def main() -> None:
    # asyncio loads ssl when it can, 4 MB that a process without TLS never uses.
    sys.modules["ssl"] = None  # type: ignore[assignment] # the documented way to forbid an import
    import asyncio  # noqa: PLC0415 - after the line above, not before

    from gavan.engines.embedded.model import load_plan  # noqa: PLC0415
    from gavan.engines.embedded.run import supervise  # noqa: PLC0415

    lock = int(sys.argv[sys.argv.index("--lock") + 1]) if "--lock" in sys.argv else -1
    if lock >= 0:
        os.set_inheritable(lock, False)
    plan = load_plan(json.loads(read_line()))
    os.chdir(os.path.dirname(plan.file) or "/")  # noqa: PTH120
    asyncio.run(supervise(plan, lock))


def read_line() -> bytes:
    """Return the first line of standard input, reading no byte of what follows it."""
    held = b""
    while not held.endswith(b"\n"):
        chunk = os.read(0, 65536)
        if not chunk:
            break
        held += chunk
    return held


if __name__ == "__main__":
    main()
