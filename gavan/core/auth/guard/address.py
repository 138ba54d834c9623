"""Whose address a request counts for, and under which host its links are seen; pure.

The header is believed only when the configuration names it, because only then does a proxy set it;
otherwise the address is that of the connection.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address, ip_network

from gavan.core.auth.asked import Asked

LONGEST = 64
PREFIX_BITS = 64
"""What one household of IPv6 has: a bucket per address would be none at all."""


def header_value(headers: Mapping[str, str], name: str) -> str:
    """Return the first part of a header with commas; empty when it is absent."""
    return headers.get(name, "").partition(",")[0].strip()[:LONGEST] if name else ""


def client_address(headers: Mapping[str, str], name: str, peer: str) -> str:
    """Return the address a session remembers; empty when neither header nor peer has one."""
    for text in (header_value(headers, name), peer):
        try:
            return str(ip_address(text))
        except ValueError:
            continue
    return ""


def bucket_key(headers: Mapping[str, str], name: str) -> str:
    """Return what requests are counted by; empty when they are not counted."""
    text = header_value(headers, name)
    try:
        ip = ip_address(text)
    except ValueError:
        return text
    if not isinstance(ip, IPv6Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ip_network((ip, PREFIX_BITS), strict=False))


def external_host(headers: Mapping[str, str], hosts: tuple[str, ...]) -> str:
    """Return the root of this service under a listed host; empty when the configured one counts.

    Args:
        hosts: names that links may carry; what a client claims beyond them is never used.
    """
    claimed = headers.get("x-forwarded-host") or headers.get("host", "").partition(":")[0]
    if claimed not in hosts:
        return ""
    is_http = claimed == "localhost" and headers.get("x-forwarded-proto", "http") == "http"
    return f"{'http' if is_http else 'https'}://{claimed}/auth/v1"


def asked_of(headers: Mapping[str, str], peer: str, header: str, hosts: tuple[str, ...]) -> Asked:
    """Return what the rest of the service may know of a request."""
    return Asked(
        ip=client_address(headers, header, peer), external_url=external_host(headers, hosts)
    )
