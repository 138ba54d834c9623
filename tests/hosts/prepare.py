"""``python -m tests.hosts.prepare``: make what the first tests would wait for, for all processes.

That is the Docker Engine, the images that others stand on, and the file system of servers: minutes
on a machine that has none of it. A machine that cannot have them says why; its tests skip.
"""

from __future__ import annotations

import os
import sys

from tests.hosts.conftest import machine, make_images

SERVER = "prepare"


def main() -> None:
    """Begin the engine and fill it; begin a server and end it."""
    if os.geteuid() != 0:
        return
    try:
        os.environ.update(machine("docker-up.sh"))
        machine("vps-up.sh", SERVER)
    except AssertionError as error:
        sys.stderr.write(f"no servers for tests: {error}\n")
        return
    machine("vps-down.sh", SERVER)
    make_images()


main()
