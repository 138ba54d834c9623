"""pytest plugin: the suite's addresses are written into its tests; the cores listen elsewhere."""

from __future__ import annotations

import json
import os

import httpx

ADDRESSES: dict[str, str] = json.loads(os.environ["SUITE_ADDRESSES"])


def _led(request: httpx.Request) -> None:
    address = str(request.url)
    for suite, core in ADDRESSES.items():
        if address.startswith(suite):
            request.url = httpx.URL(core + address.removeprefix(suite))
            request.headers["host"] = request.url.netloc.decode()


_send, _send_async = httpx.Client.send, httpx.AsyncClient.send


def send(self: httpx.Client, request: httpx.Request, **options: object) -> httpx.Response:
    _led(request)
    return _send(self, request, **options)  # type: ignore[arg-type]


async def send_async(
    self: httpx.AsyncClient, request: httpx.Request, **options: object
) -> httpx.Response:
    _led(request)
    return await _send_async(self, request, **options)  # type: ignore[arg-type]


httpx.Client.send = send  # type: ignore[method-assign]
httpx.AsyncClient.send = send_async  # type: ignore[method-assign]
