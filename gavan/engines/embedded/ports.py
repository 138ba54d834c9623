"""Which ports a stack wants, who has them, which one is free instead.

Stands before the start of anything: a busy port is named with its owner, never fought over.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from gavan.engines.embedded.paths import run_dir
from gavan.kit.errors import GavanError
from gavan.stack.model import Stack

LOOPBACKS = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
HIGHEST = 65535
OUTGOING_S = 2.0
POLL_S = 0.1


def wanted_ports(stack: Stack) -> dict[str, int]:
    """Return stack file key -> port for everything that will listen."""
    ports = {"core.port": stack.core.port}
    if stack.database.external_url is None:
        ports = {"database.port": stack.database.port, **ports}
    ports |= {f"apps.{app.name}.port": app.port for app in stack.apps if app.port is not None}
    ports |= {f"sites.{site.name}.dev_port": site.port for site in stack.sites}
    return ports


def is_free(port: int) -> bool:
    """Say whether the port can be listened on, on both loopback addresses that exist."""
    for family, address in LOOPBACKS:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As servers do: a port whose last connections are still fading away is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except PermissionError:
                return False
            except OSError as error:
                if error.errno != 99:  # EADDRNOTAVAIL: the machine has no IPv6
                    return False
    return True


def busy_ports(ports: Mapping[str, int]) -> dict[str, int]:
    """Return those of the wanted ports that somebody else has.

    The default ports lie in the range that the system takes for outgoing connections; such a one
    is often short, so a port on which nobody answers gets a moment to become free.
    """
    until = time.monotonic() + OUTGOING_S
    while busy := {key: port for key, port in ports.items() if not is_free(port)}:
        if any(answers(port) for port in busy.values()) or time.monotonic() > until:
            break
        time.sleep(POLL_S)
    return busy


def answers(port: int) -> bool:
    """Say whether somebody listens on the port."""
    for family, address in LOOPBACKS:
        with socket.socket(family, socket.SOCK_STREAM) as probe, suppress(OSError):
            probe.settimeout(1.0)
            probe.connect((address, port))
            return True
    return False


def refuse_busy(busy: Mapping[str, int]) -> None:
    """Raise GavanError GV220, exit 4, that names the owner of every busy port."""
    if not busy:
        return
    owners = [f"{key} {port}: {owner(port)}" for key, port in busy.items()]
    raise GavanError(
        "GV220",
        f"port {', '.join(map(str, busy.values()))} is taken",
        details="\n".join(owners),
        hint="stop that process, change the port in gavan.toml, or: gavan up --auto-ports",
        exit_code=4,
    )


def owner(port: int) -> str:
    """Return who listens on a port, as `postgres (pid 812, user ann)`."""
    import psutil  # noqa: PLC0415 - only for a message that is seldom needed

    with suppress(psutil.Error):
        users = [
            (item.status != psutil.CONN_LISTEN, item.pid)
            for item in psutil.net_connections("tcp")
            if item.pid and item.laddr[1:2] == (port,)
        ]
        # A listener is named before a process that only has an outgoing connection there.
        for is_outgoing, pid in sorted(users):
            process = psutil.Process(pid)
            how = ", an outgoing connection" if is_outgoing else ""
            return f"{process.name()} (pid {pid}, user {process.username()}{how})"
    return "a process that cannot be seen"


def other_ports(busy: Mapping[str, int], wanted: Mapping[str, int]) -> dict[str, int]:
    """Return for every busy port the next free one that nobody else of the stack wants."""
    taken = set(wanted.values())
    found: dict[str, int] = {}
    for key, port in busy.items():
        candidate = port + 1
        while candidate in taken or not is_free(candidate):
            candidate += 1
            if candidate > HIGHEST:
                raise GavanError("GV220", f"no free port above {port}", exit_code=4)
        found[key] = candidate
        taken.add(candidate)
    return found


def ports_file(state_dir: Path) -> Path:
    return run_dir(state_dir) / "ports.json"


def record_ports(state_dir: Path, ports: Mapping[str, int]) -> None:
    """Remember the ports chosen instead of the file's; forget them when there are none."""
    path = ports_file(state_dir)
    if ports:
        path.write_text(json.dumps(dict(ports)))
    else:
        path.unlink(missing_ok=True)


def recorded_ports(state_dir: Path) -> dict[str, int]:
    """Return the ports that the last `up --auto-ports` chose."""
    try:
        return {
            str(key): int(port)
            for key, port in json.loads(ports_file(state_dir).read_text()).items()
        }
    except (OSError, ValueError, AttributeError):
        return {}


def as_overrides(ports: Mapping[str, int]) -> tuple[str, ...]:
    """Return ports in the form of `--set`."""
    return tuple(f"{key}={port}" for key, port in ports.items())
