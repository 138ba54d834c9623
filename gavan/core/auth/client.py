"""Who is asking, as far as an HTTP request tells."""

from __future__ import annotations

from starlette.requests import Request

from gavan.core.auth.asked import client_ip
from gavan.core.auth.model import Client


def client_of(request: Request) -> Client:
    """Return the address and the program of a request, as far as they are known."""
    return Client(ip=client_ip() or None, user_agent=request.headers.get("User-Agent"))
