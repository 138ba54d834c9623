"""Ask a unit whether it is ready: HTTP, TCP, a command, or Postgres's own greeting.

No client library stands here: a probe runs every few seconds in a process that must stay small.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Awaitable, Callable
from typing import assert_never
from urllib.parse import urljoin, urlsplit

from gavan.engines.embedded.model import Probe, ProbeKind

MAX_REDIRECTS = 5
HEAD_BYTES = 16 * 1024
PROTOCOL_3 = 196608

RunCommand = Callable[[str], Awaitable[int]]


async def ask(probe: Probe, run_command: RunCommand) -> str:
    """Return an empty text when the unit is ready, else why not; never takes longer than allowed.

    ``run_command`` runs a shell command with the unit's environment and returns its exit code.
    """
    try:
        async with asyncio.timeout(probe.timeout_s):
            return await _ask(probe, run_command)
    except TimeoutError:
        return f"no answer within {probe.timeout_s:g} s"
    except ConnectionRefusedError:
        return f"nothing listens on port {probe.port}" if probe.port else "nothing listens"
    except (OSError, ValueError) as error:
        return f"{type(error).__name__}: {error}"


async def _ask(probe: Probe, run_command: RunCommand) -> str:
    match probe.kind:
        case ProbeKind.HTTP:
            return await _http(probe)
        case ProbeKind.TCP:
            await _connect_and_leave(probe.port)
            return ""
        case ProbeKind.EXEC:
            code = await run_command(probe.target)
            return f"exit {code}" if code else ""
        case ProbeKind.POSTGRES:
            return await _postgres(probe.target)
        case _:
            assert_never(probe.kind)


async def _open(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the loopback; a server may listen on only one of its two addresses."""
    try:
        return await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return await asyncio.open_connection("::1", port)


async def _connect_and_leave(port: int) -> None:
    _, writer = await _open(port)
    await _close(writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _http(probe: Probe) -> str:
    """Ask with GET; 2xx and 3xx are ready, redirects are followed on this host only."""
    path = probe.target
    for _ in range(MAX_REDIRECTS + 1):
        status, location = await _get(probe.port, path)
        if status >= 400 or status < 200:
            return f"HTTP {status} at {path}"
        if status < 300 or not location:
            return ""
        here = f"http://127.0.0.1:{probe.port}{path}"
        target = urlsplit(urljoin(here, location))
        if target.port != probe.port or target.hostname not in ("127.0.0.1", "localhost", "::1"):
            return ""
        path = target.path + (f"?{target.query}" if target.query else "")
    return f"more than {MAX_REDIRECTS} redirects at {probe.target}"


async def _get(port: int, path: str) -> tuple[int, str]:
    reader, writer = await _open(port)
    try:
        request = f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"
        writer.write(request.encode())
        line = (await reader.readline()).split(None, 2)
        if len(line) < 2 or not line[0].startswith(b"HTTP/"):
            raise ValueError("the answer is not HTTP")
        size, location = 0, ""
        while (header := await reader.readline()).strip() and size < HEAD_BYTES:
            size += len(header)
            name, _, value = header.decode("latin-1").partition(":")
            if name.lower() == "location":
                location = value.strip()
        return int(line[1]), location
    finally:
        await _close(writer)


async def _postgres(socket_file: str) -> str:
    """Begin a connection as far as the request for a password: then Postgres takes connections.

    Before that it answers with an error, 57P03, "the database system is starting up".
    """
    reader, writer = await asyncio.open_unix_connection(socket_file)
    try:
        names = b"user\0postgres\0database\0postgres\0\0"
        writer.write(struct.pack("!ii", len(names) + 8, PROTOCOL_3) + names)
        kind = await reader.readexactly(1)
        if kind == b"R":
            return ""
        size = struct.unpack("!i", await reader.readexactly(4))[0]
        fields = (await reader.readexactly(size - 4)).split(b"\0")
        said = [field[1:].decode("utf-8", "replace") for field in fields if field[:1] == b"M"]
        return said[0] if said else "Postgres refused the connection"
    except asyncio.IncompleteReadError:
        return "Postgres closed the connection"
    finally:
        await _close(writer)
