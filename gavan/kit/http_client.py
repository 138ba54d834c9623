"""The HTTP client behind ``outbound.py``, by httpx; loaded by the first call and nothing else."""

from __future__ import annotations

import logging
import os
import ssl
from functools import lru_cache
from types import TracebackType

import httpx

from gavan.kit.outbound import Answer, AnswerTooLarge, Call, PublicOnly, Unreachable

# Both would write every address into the log, with the tokens that some have in their query.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


def trust() -> ssl.SSLContext:
    """Return the certificates that are trusted: the system's, or those the environment names."""
    return _certificates(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@lru_cache(maxsize=4)
def _certificates(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    """Read them, which takes a fifth of a second: once for each place they are named in."""
    return httpx.create_ssl_context()


class _Guarded(httpx.AsyncBaseTransport):
    """A transport that connects where the rule says."""

    def __init__(self, rule: PublicOnly) -> None:
        self._rule = rule
        # The environment may name other root certificates, never a proxy: that is the client's.
        self._inner = httpx.AsyncHTTPTransport(verify=trust())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Connect to the looked-up address; the certificate is checked against the name."""
        host = request.url.host
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        address = await self._rule.address(host, port)
        if address is not None:
            request.extensions = {**request.extensions, "sni_hostname": host}
            request.url = request.url.copy_with(host=address)
        return await self._inner.handle_async_request(request)

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


class HttpClient:
    """Connections that are kept; under a rule, only to where it leads."""

    def __init__(self, rule: PublicOnly | None) -> None:
        self._client = httpx.AsyncClient(
            transport=_Guarded(rule) if rule else httpx.AsyncHTTPTransport(verify=trust()),
            trust_env=False,
            follow_redirects=False,
        )

    async def send(self, call: Call, most_bytes: int) -> Answer:
        """Return the answer; raise Unreachable or AnswerTooLarge."""
        # Counted as they come: what is packed could be of any size once it is unpacked.
        headers = {**call.headers, "accept-encoding": "identity"}
        try:
            request = httpx.Request(call.method, call.url, headers=headers, content=call.body)
            response = await self._client.send(request, stream=True)
            try:
                body = await _read(response, most_bytes)
            finally:
                await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(str(error) or type(error).__name__) from error
        answered = {name.lower(): value for name, value in response.headers.items()}
        return Answer(status=response.status_code, headers=answered, body=body)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()


async def _read(response: httpx.Response, most_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > most_bytes:
            raise AnswerTooLarge(most_bytes, response.status_code)
    return bytes(body)
