"""Who is reached where: inside through the proxy, outside by host names below the domain.

Stands above values.py. Inside, everything routed listens at the host ``proxy`` on the very port it
has on a laptop, so a caller does not know which of two slots answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gavan.engines.compose.values import VariableUrls, optional, required
from gavan.engines.images.dockerfiles import SITE_PORT
from gavan.stack.model import App, AppKind, Site, Stack

INSIDE = "proxy"
SLOTS = ("blue", "green")
CORE = "core"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slotted:
    """A part that runs in one of two slots; ``port`` is where a slot listens, ``inside`` where
    the proxy listens for callers of the stack."""

    name: str
    port: int
    inside: int | None

    def service(self, slot: str) -> str:
        return f"{self.name}-{slot}"


def slotted(stack: Stack) -> Iterator[Slotted]:
    """Yield the core, the apps that have a port and the sites; of Supabase's own images none."""
    if not stack.core.is_official:
        yield Slotted(name=CORE, port=stack.core.port, inside=stack.core.port)
    for app in stack.apps:
        if is_slotted(app):
            yield Slotted(name=app.name, port=app.port or 0, inside=app.port)
    for site in stack.sites:
        yield Slotted(name=site.name, port=SITE_PORT, inside=None)


def is_slotted(app: App) -> bool:
    return app.kind is AppKind.SERVICE and app.port is not None


def site_host(stack: Stack, site: Site) -> str:
    """Return the host of a site below the domain: what its route says, else ``app``."""
    if site.route is not None:
        return site.route.host
    return "app" if len(stack.sites) == 1 else site.name


def host_name(host: str) -> str:
    """Return a host below the domain, the domain itself for none."""
    return f"{host}.{required('DOMAIN')}" if host else required("DOMAIN")


def addresses(stack: Stack) -> dict[str, str]:
    """Return the value of every reference, as apps inside the stack use it."""
    found = {
        "profile": required("GAVAN_PROFILE"),
        "stack.name": stack.name,
        "core.url": inside_url(stack.core.port),
        "database.url": VariableUrls(
            database=stack.database.name,
            external=stack.database.external_url is not None,
            one_password=stack.core.is_official,
        )
        .url("postgres")
        .reveal(),
    }
    for app in stack.apps:
        if app.port is not None:
            host = INSIDE if is_slotted(app) else app.name
            found[f"apps.{app.name}.url"] = f"http://{host}:{app.port}"
    for site in stack.sites:
        found[f"sites.{site.name}.url"] = public_url(site_host(stack, site))
    return found


def inside_url(port: int) -> str:
    return f"http://{INSIDE}:{port}"


def public_url(host: str) -> str:
    """Return what a browser opens; scheme and port are those of the proxy where it runs."""
    return f"{optional('PUBLIC_SCHEME', 'https')}://{host_name(host)}{optional('PUBLIC_PORT')}"


def site_url(stack: Stack) -> str:
    """Return where links in mails lead: the first site, else the core."""
    host = site_host(stack, stack.sites[0]) if stack.sites else stack.core.host
    return public_url(host)
