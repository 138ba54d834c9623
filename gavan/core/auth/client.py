"""Who is asking, as far as an HTTP request tells."""

from __future__ import annotations

from ipaddress import ip_address

from starlette.requests import Request

from gavan.core.auth.model import Client


def client_of(request: Request) -> Client:
    """Return the address and the program of a request, as far as they are known."""
    host = request.client.host if request.client else ""
    try:
        ip = str(ip_address(host))
    except ValueError:
        ip = None
    return Client(ip=ip, user_agent=request.headers.get("User-Agent"))
