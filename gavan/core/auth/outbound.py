"""Calls to the outside by httpx: no redirects, no proxies from the environment, bounded answers.

Addresses that users or providers name go through ``PublicOnly``: the host is looked up once, every
address it has must be public, and the connection is made to that very address, so that a name that
answers otherwise a moment later gains nothing (DNS rebinding).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from types import TracebackType

import httpx

Resolve = Callable[[str, int], Awaitable[list[str]]]


class ForbiddenAddress(httpx.ConnectError):
    """The host is not one that may be called from here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer of bounded size."""

    status: int
    headers: httpx.Headers
    body: bytes


class AnswerTooLarge(Exception):
    """The body went over the limit."""


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
    return ip.is_global and not ip.is_multicast


class PublicOnly(httpx.AsyncBaseTransport):
    """A transport that reaches public addresses and the ``exempt`` hosts only."""

    def __init__(self, exempt: Collection[str] = (), look_up: Resolve = resolve) -> None:
        self._exempt = frozenset(exempt)
        self._look_up = look_up
        # The environment may name other root certificates, never a proxy: that is the client's.
        self._inner = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Connect to the looked-up address; the certificate is checked against the name."""
        host = request.url.host
        if host not in self._exempt:
            port = request.url.port or (443 if request.url.scheme == "https" else 80)
            request.extensions = {**request.extensions, "sni_hostname": host}
            request.url = request.url.copy_with(host=await self._public(host, port))
        return await self._inner.handle_async_request(request)

    async def _public(self, host: str, port: int) -> str:
        try:
            addresses = await self._look_up(host, port)
        except OSError as error:
            raise httpx.ConnectError(f"{host} is not known") from error
        if not addresses or not all(is_public(address) for address in addresses):
            raise ForbiddenAddress(f"{host} is not a public address")
        return addresses[0]

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._inner.aclose()


class Outbound:
    """One client, opened at the first call; every call has a limit in time and size."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """Without a transport any host may be called: for addresses of the configuration."""
        self._transport = transport
        self._client: httpx.AsyncClient | None = None

    async def send(self, request: httpx.Request, *, timeout_s: float, most_bytes: int) -> Answer:
        """Return the answer, whatever its status.

        Raises:
            httpx.HTTPError: the host cannot be reached.
            TimeoutError: the whole answer was not there in time.
            AnswerTooLarge: it has more bytes than ``most_bytes``.
        """
        if self._client is None:
            self._client = httpx.AsyncClient(
                transport=self._transport or httpx.AsyncHTTPTransport(),
                trust_env=False,
                follow_redirects=False,
            )
        # Counted as they come: what is packed could be of any size once it is unpacked.
        request.headers["accept-encoding"] = "identity"
        async with asyncio.timeout(timeout_s):
            response = await self._client.send(request, stream=True)
            try:
                body = bytearray()
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > most_bytes:
                        raise AnswerTooLarge(f"more than {most_bytes} bytes")
            finally:
                await response.aclose()
        return Answer(status=response.status_code, headers=response.headers, body=bytes(body))

    async def close(self) -> None:
        """Close every connection."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None
