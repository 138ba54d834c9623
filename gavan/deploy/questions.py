"""What a release is asked before it counts as good: its own parts, and [deploy] smoke.

Stands beside plan.py; pure. Most is asked twice: by the server itself, and from outside by whoever
deploys; see onhost/asking.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from gavan.engines.compose.addresses import is_slotted, site_host
from gavan.stack.model import App, Site, Smoke, Stack

Question = dict[str, Any]
WITHIN_S = 20.0
LAST_GOOD = 399
_DEEP = "gavan-smoke/deep"
"""A path that no file has: a front end with spa answers it with its page."""
_SOCKET = "/realtime/v1/websocket?vsn=1.0.0"


def on_the_way(stack: Stack) -> list[Question]:
    """Return what is asked through the proxy."""
    return [*_own(stack), *(_further(stack, one) for one in stack.deploy.smoke
                            if one.url or one.tcp)]  # fmt: skip


def without_keys(asked: list[Question]) -> list[Question]:
    """Return those of them that whoever deploys can ask too: keys do not leave the server."""
    return [one for one in asked if "key_of" not in one]


def inside(stack: Stack) -> Question:
    """Return what is asked from a container of the stack: statements, and the storage."""
    sql = [{"name": one.name, "sql": one.sql, "contains": one.contains, "within": one.within_s}
           for one in stack.deploy.smoke if one.sql]  # fmt: skip
    database = {"name": "database", "sql": "select 1", "contains": "1", "within": WITHIN_S}
    # Supabase's own images have no slot to be asked at; the proxy leads to them from outside.
    storage = "storage" in stack.core.services and not stack.core.is_official
    return {"sql": [database, *sql], "storage": storage, "within": WITHIN_S}


def commands(stack: Stack) -> list[Smoke]:
    """Return the questions that are commands of the machine that deploys."""
    return [one for one in stack.deploy.smoke if one.command]


def is_public(stack: Stack) -> bool:
    """Say whether DNS and certificates of the world lead to the stack."""
    return stack.profile.tls == "acme"


def _own(stack: Stack) -> Iterator[Question]:
    yield _question(stack, "core", stack.core.host, "/auth/v1/health", least=200, most=499)
    if "realtime" in stack.core.services and not stack.core.is_official:
        about = _question(stack, "realtime", stack.core.host, _SOCKET, least=101, most=101)
        yield {**about, "kind": "websocket", "key_of": "ANON_KEY"}
    for site in stack.sites:
        yield from _site(stack, site)
    for app in stack.apps:
        if is_slotted(app) and app.routes:
            yield _app(stack, app)


def _site(stack: Stack, site: Site) -> Iterator[Question]:
    host, path = site_host(stack, site), site.route.path if site.route else "/"
    yield {**_question(stack, site.name, host, path, least=200, most=LAST_GOOD), "page": True}
    if site.spa:
        deep = f"{path.rstrip('/')}/{_DEEP}"
        yield _question(stack, f"{site.name}-deep", host, deep, least=200, most=200)


def _app(stack: Stack, app: App) -> Question:
    """Return the question for the health of an app where a route leads to it, else for anything."""
    health = app.health.path if app.health else None
    for route in app.routes:
        below = route.path.rstrip("/")
        if health and route.strip:
            return _question(stack, app.name, route.host, below + health, least=200, most=299)
        if health and (health == below or health.startswith(f"{below}/")):
            return _question(stack, app.name, route.host, health, least=200, most=299)
    route = app.routes[0]
    return _question(stack, app.name, route.host, route.path, least=200, most=499)


def _question(stack: Stack, name: str, host: str, path: str, *, least: int, most: int) -> Question:
    profile = stack.profile
    tls = profile.tls != "off"
    return {
        "name": name,
        "kind": "http",
        "host": f"{host}.{profile.domain}" if host else profile.domain,
        "path": path,
        "tls": tls,
        "port": profile.https_port if tls else profile.http_port,
        "least": least,
        "most": most,
    }


def _further(stack: Stack, one: Smoke) -> Question:
    if one.tcp:
        host, _, port = one.tcp.rpartition(":")
        return {"name": one.name, "kind": "tcp", "host": host, "port": int(port),
                "within": one.within_s, "foreign": not _is_ours(stack, host)}  # fmt: skip
    url = urlsplit(one.url or "")
    tls = url.scheme in ("https", "wss")
    return {
        "name": one.name,
        "kind": "websocket" if url.scheme in ("ws", "wss") else "http",
        "host": url.hostname or "",
        "path": f"{url.path or '/'}{'?' if url.query else ''}{url.query}",
        "tls": tls,
        "port": url.port or (443 if tls else 80),
        "least": one.status or 200,
        "most": one.status or LAST_GOOD,
        "contains": one.contains,
        "within": one.within_s,
        "foreign": not _is_ours(stack, url.hostname or ""),
    }


def _is_ours(stack: Stack, host: str) -> bool:
    domain = stack.profile.domain
    return host == domain or host.endswith(f".{domain}")
