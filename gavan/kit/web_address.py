"""What an address of the web looks like; apart from outbound.py, which is heavy to load."""

from __future__ import annotations

from urllib.parse import urlsplit

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1", "host.docker.internal"})
"""Names of this machine: what goes there does not cross a network."""


def is_web_address(url: str) -> bool:
    """Return whether something could be called by http or https."""
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets, or a port that is no number
        return False
