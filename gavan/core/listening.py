"""Where the core listens and how many connections it can hold.

Stands under the HTTP server: what is about sockets and open files, nothing about HTTP.
"""

from __future__ import annotations

import resource
import socket
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gavan.kit.errors import GavanError

# Connections to Postgres, log, libraries and whatever else opens a file.
RESERVED_FILES = 128
ANY_HOST = "*"
"""Every address of the machine, of IPv4 and IPv6"""


@dataclass(frozen=True, slots=True)
class UnixSocket:
    """A socket in the file system; ``mode`` says who may connect."""

    path: Path
    mode: int = 0o660


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A port of a host, or a socket in the file system instead."""

    host: str = ""
    port: int = 0
    unix: UnixSocket | None = None


def room_for_connections() -> int:
    """Raise the limit of open files as far as allowed; return how many clients that leaves."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        with suppress(ValueError, OSError):  # some systems allow less than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(soft - RESERVED_FILES, soft // 2)


def bind(address: Address) -> socket.socket:
    """Return the bound socket; raise GavanError GV703 when it cannot be bound."""
    try:
        return _bind_port(address) if address.unix is None else _bind_unix(address.unix)
    except OSError as error:
        where = f"{address.host}:{address.port}" if address.unix is None else address.unix.path
        raise GavanError(
            "GV703", f"cannot listen on {where}", details=str(error), exit_code=2
        ) from error


def _bind_port(address: Address) -> socket.socket:
    if address.host == ANY_HOST:
        return _bind_everywhere(address.port)
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    return socket.create_server((address.host, address.port), family=found[0][0])


def _bind_everywhere(port: int) -> socket.socket:
    # One socket for both families. asyncio's own servers take IPv6 alone when told of "::".
    if socket.has_dualstack_ipv6():
        with suppress(OSError):  # a container may have no IPv6 address at all
            return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("0.0.0.0", port))  # noqa: S104


def _bind_unix(wanted: UnixSocket) -> socket.socket:
    # A socket left behind by a process that was killed is replaced, any other file is not.
    if wanted.path.exists() and stat.S_ISSOCK(wanted.path.stat().st_mode):
        wanted.path.unlink()
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.bind(str(wanted.path))
        wanted.path.chmod(wanted.mode)  # before anybody can connect: it does not listen yet
    except OSError:
        made.close()
        raise
    return made
