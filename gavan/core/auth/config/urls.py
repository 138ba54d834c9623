"""Where links lead: the site, the auth service itself, and who else may be led to."""

from __future__ import annotations

from dataclasses import dataclass

from gavan.core.auth.config.environ import Environ
from gavan.core.auth.flows.globs import compile_glob
from gavan.core.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlConfig:
    """``external_url`` is the root of the auth service as the world sees it, without a slash.

    ``allow_list`` are globs; flows/redirects.py applies them.
    """

    site_url: str
    external_url: str
    allow_list: tuple[str, ...] = ()


def read_urls(environ: Environ, settings: Settings) -> UrlConfig:
    """Return the section."""
    return UrlConfig(
        site_url=environ.text("SITE_URL", settings.site_url),
        external_url=f"{settings.external_url.rstrip('/')}/auth/v1",
        allow_list=environ.parsed("URI_ALLOW_LIST", (), _globs),
    )


def _globs(text: str) -> tuple[str, ...]:
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    for glob in found:
        compile_glob(glob)
    return found
