"""This stack as authenticators know it: for second factors and for passkeys."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from gavan.core.auth.config.auth import AuthConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class RelyingSite:
    """``id`` is a domain that credentials are bound to, ``origins`` are pages that may ask."""

    id: str
    name: str
    origins: list[str]


def relying_site(config: AuthConfig) -> RelyingSite:
    """Return the configured names, without them the site's own host and origin."""
    site = urlsplit(config.urls.site_url)
    return RelyingSite(
        id=config.mfa.rp_id or site.hostname or "",
        name=config.mfa.rp_name or site.netloc,
        origins=list(config.mfa.rp_origins) or [f"{site.scheme}://{site.netloc}"],
    )
