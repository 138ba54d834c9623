"""Calls to the outside: no redirects, no proxies from the environment, bounded answers.

Addresses that users or providers name are called through ``PublicOnly``. The client behind this is
loaded by the first call: most stacks never make one, and it is heavy.
"""

from __future__ import annotations

import asyncio
import importlib
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from typing import Protocol

Resolve = Callable[[str, int], Awaitable[list[str]]]
_CLIENT = "gavan.kit.http_client"


class Unreachable(Exception):
    """The host could not be asked, or may not be."""


class AnswerTooLarge(Exception):
    """The body went over the limit; ``status`` was there before it."""

    def __init__(self, most_bytes: int, status: int) -> None:
        super().__init__(f"more than {most_bytes} bytes")
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer of bounded size; header names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host, as the system knows them."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """Return whether an address belongs to the public internet, also inside another notation."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is not None:
            return is_public(str(inner))
        # NAT64 (RFC 6052) leads into the network behind the gateway.
        if ip.packed.startswith(bytes.fromhex("0064ff9b")):
            return False
        if ip.is_site_local:
            return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved)


class PublicOnly:
    """The rule that only public addresses are called, and the ``exempt`` hosts.

    A host is looked up once, every address it has must be public, and the connection is made to
    that very address: a name that answers otherwise a moment later gains nothing (DNS rebinding).
    """

    def __init__(self, exempt: Collection[str] = (), look_up: Resolve = resolve) -> None:
        self._exempt = frozenset(exempt)
        self._look_up = look_up

    async def address(self, host: str, port: int) -> str | None:
        """Return the address to connect to, None for an exempt host; raise Unreachable."""
        if host in self._exempt:
            return None
        try:
            addresses = await self._look_up(host, port)
        except OSError as error:
            raise Unreachable(f"{host} is not known") from error
        if not addresses or not all(is_public(address) for address in addresses):
            raise Unreachable(f"{host} is not a public address")
        return addresses[0]


class Client(Protocol):
    """What gavan.kit.http_client offers."""

    async def send(self, call: Call, most_bytes: int) -> Answer: ...

    async def close(self) -> None: ...


class Outbound:
    """One client, made for the first call; every call has a limit in time and size."""

    def __init__(self, rule: PublicOnly | None = None) -> None:
        """Without a rule any host may be called: for addresses of the configuration."""
        self._rule = rule
        self._client: Client | None = None

    async def send(self, call: Call, *, timeout_s: float, most_bytes: int) -> Answer:
        """Return the answer, whatever its status.

        Raises:
            Unreachable: the host cannot be reached, or may not be.
            TimeoutError: the whole answer was not there in time.
            AnswerTooLarge: it has more bytes than ``most_bytes``.
        """
        client = self._client or await self._open()
        async with asyncio.timeout(timeout_s):
            return await client.send(call, most_bytes)

    async def _open(self) -> Client:
        client = await asyncio.to_thread(self._make)
        if self._client is None:  # another first call may have been quicker
            self._client = client
        return self._client

    def _make(self) -> Client:
        client: Client = importlib.import_module(_CLIENT).HttpClient(self._rule)
        return client

    async def close(self) -> None:
        """Close every connection."""
        if self._client is not None:
            await self._client.close()
            self._client = None
