"""What access tokens say and what signs them."""

from __future__ import annotations

from dataclasses import dataclass

from gavan.core.auth.config.environ import Environ
from gavan.core.settings import Settings
from gavan.kit.keyset import KeySet
from gavan.kit.secret import Secret

ADMIN_ROLES = frozenset({"service_role", "supabase_admin"})
LIFETIME_S = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenConfig:
    """Durations in seconds.

    ``pepper`` goes into the hashes of one-time codes; with another one, what is under way is void.
    """

    keys: KeySet
    issuer: str
    pepper: Secret
    audience: str = "authenticated"
    lifetime_s: int = LIFETIME_S
    admin_roles: frozenset[str] = ADMIN_ROLES


def read_tokens(environ: Environ, settings: Settings, external_url: str) -> TokenConfig:
    """Return the section; ``external_url`` is the root of the auth service."""
    return TokenConfig(
        keys=settings.keys,
        issuer=environ.text("JWT_ISSUER", external_url),
        pepper=settings.service_role_key,
        audience=environ.text("JWT_AUD", "authenticated"),
        lifetime_s=environ.count("JWT_EXP", LIFETIME_S) or LIFETIME_S,
        admin_roles=frozenset(environ.names("JWT_ADMIN_ROLES")) or ADMIN_ROLES,
    )
