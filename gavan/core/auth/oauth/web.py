"""JSON documents of identity providers, and the rule where they may be asked for.

Stands between the providers and ``outbound.py``. The addresses of the built-in providers come from
whoever runs the stack. Those of custom providers come from an API, so they must be https and
public: otherwise the service would read for others what only it can reach (supabase/auth:
internal/utilities/url_validator.go).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson

from gavan.kit.outbound import (
    AnswerTooLarge,
    Call,
    Outbound,
    Unreachable,
    is_public,
    resolve,
)
from gavan.kit.version import VERSION

TIMEOUT_S = 8.0
"""Less than a request to this service may take, so that the caller hears why."""
LARGEST_BYTES = 1024 * 1024
HEADERS = {"accept": "application/json", "user-agent": f"Gavan-Auth/{VERSION}"}


class WebError(Exception):
    """A provider could not be asked, may not be asked, or did not answer as it should."""


@dataclass(frozen=True, slots=True)
class Document:
    """A status and the JSON that came with it, None for what is no JSON."""

    status: int
    content: Any

    @property
    def is_good(self) -> bool:
        """Whether the provider did what it was asked."""
        return 200 <= self.status < 300


class Web:
    """Documents by address.

    Args:
        outbound: what connects; with ``private_hosts``, over ``PublicOnly`` with the same.
        private_hosts: None leads anywhere; otherwise only to public addresses over https, and to
            these names, public or not.
    """

    def __init__(self, outbound: Outbound, private_hosts: Collection[str] | None = None) -> None:
        self._outbound = outbound
        self._private_hosts = private_hosts

    async def get(self, url: str, *, bearer: str = "") -> Any:
        """Return a document; raise WebError unless the answer is good."""
        headers = {**HEADERS, "authorization": f"Bearer {bearer}"} if bearer else HEADERS
        self._address(url)
        answer = await self._send(Call(method="GET", url=url, headers=headers))
        if not answer.is_good:
            raise WebError(f"{_shown(url)} answered {answer.status}")
        return answer.content

    async def post(
        self, url: str, fields: Mapping[str, str], *, headers: Mapping[str, str]
    ) -> Document:
        """Send a form and return the answer, good or not."""
        self._address(url)
        form = {"content-type": "application/x-www-form-urlencoded"}
        body = urlencode(fields).encode()
        return await self._send(
            Call(method="POST", url=url, headers={**HEADERS, **form, **headers}, body=body)
        )

    async def check(self, url: str) -> None:
        """Raise WebError unless an address may be asked now."""
        host, port = self._address(url)
        if self._private_hosts is None or host in self._private_hosts:
            return
        try:
            addresses = await resolve(host, port)
        except OSError as error:
            raise WebError("Unable to resolve hostname") from error
        if not addresses or not all(is_public(address) for address in addresses):
            raise WebError("URL cannot point to private or local network addresses")

    async def _send(self, call: Call) -> Document:
        try:
            answer = await self._outbound.send(call, timeout_s=TIMEOUT_S, most_bytes=LARGEST_BYTES)
        except (Unreachable, TimeoutError, AnswerTooLarge) as error:
            reason = str(error) or "no answer in time"
            raise WebError(f"{_shown(call.url)} could not be asked: {reason}") from error
        try:
            return Document(answer.status, orjson.loads(answer.body))
        except orjson.JSONDecodeError:
            return Document(answer.status, None)

    def _address(self, url: str) -> tuple[str, int]:
        """Return host and port; raise WebError for an address that may not be asked."""
        try:
            parsed = urlsplit(url)
            host, port = parsed.hostname or "", parsed.port
        except ValueError as error:
            raise WebError("Invalid URL format") from error
        if self._private_hosts is not None and parsed.scheme != "https":
            raise WebError("URL must use HTTPS")
        if parsed.scheme not in {"http", "https"} or not host:
            raise WebError("URL must have a valid hostname")
        return host, port or (443 if parsed.scheme == "https" else 80)


def _shown(url: str) -> str:
    # A query may hold what is nobody's business.
    return url.partition("?")[0]
