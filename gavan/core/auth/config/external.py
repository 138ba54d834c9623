"""Which ways of signing in are offered, and the identity providers among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gavan.core.auth.config.environ import Environ
from gavan.kit.secret import Secret

PROVIDERS = (
    "apple",
    "azure",
    "bitbucket",
    "discord",
    "facebook",
    "snapchat",
    "figma",
    "fly",
    "github",
    "gitlab",
    "google",
    "keycloak",
    "kakao",
    "linkedin",
    "linkedin_oidc",
    "notion",
    "spotify",
    "slack",
    "slack_oidc",
    "workos",
    "twitch",
    "twitter",
    "vercel_marketplace",
    "x",
    "zoom",
)
ISSUERS = ("https://appleid.apple.com", "https://accounts.google.com")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderConfig:
    """One identity provider; ``url`` is the root of a self-hosted one."""

    name: str
    enabled: bool = False
    client_ids: tuple[str, ...] = ()
    secret: Secret | None = None
    url: str = ""
    api_url: str = ""
    redirect_uri: str = ""
    skips_nonce_check: bool = False
    email_optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalConfig:
    """Durations in seconds; ``providers`` are those that were told of, by name.

    ``private_hosts`` may be asked for custom providers although they are not public.
    ``custom_providers_most`` is 0 for no limit.
    """

    email_enabled: bool = True
    magic_link_enabled: bool = True
    authorized_addresses: tuple[str, ...] = ()
    phone_enabled: bool = False
    anonymous_enabled: bool = False
    providers: Mapping[str, ProviderConfig] = field(default_factory=dict)
    redirect_url: str = ""
    allowed_issuers: tuple[str, ...] = ISSUERS
    flow_state_lifetime_s: float = 300.0
    discovery_cache_s: float = 3600.0
    custom_providers_enabled: bool = True
    custom_providers_most: int = 0
    private_hosts: tuple[str, ...] = ()
    linking_domains: Mapping[str, str] = field(default_factory=dict)


def read_external(environ: Environ) -> ExternalConfig:
    """Return the section."""
    read = (_provider(environ, name) for name in PROVIDERS)
    return ExternalConfig(
        email_enabled=environ.flag("EXTERNAL_EMAIL_ENABLED", True),
        magic_link_enabled=environ.flag("EXTERNAL_EMAIL_MAGIC_LINK_ENABLED", True),
        authorized_addresses=environ.names("EXTERNAL_EMAIL_AUTHORIZED_ADDRESSES"),
        phone_enabled=environ.flag("EXTERNAL_PHONE_ENABLED", False),
        anonymous_enabled=environ.flag("EXTERNAL_ANONYMOUS_USERS_ENABLED", False),
        providers={provider.name: provider for provider in read if provider is not None},
        redirect_url=environ.text("EXTERNAL_REDIRECTURL"),
        allowed_issuers=environ.names("EXTERNAL_ALLOWED_ID_TOKEN_ISSUERS", ISSUERS),
        flow_state_lifetime_s=max(
            300.0, environ.duration_s("EXTERNAL_FLOW_STATE_EXPIRY_DURATION", 300.0)
        ),
        discovery_cache_s=environ.duration_s("EXTERNAL_OIDC_PROVIDER_CACHE_TTL", 3600.0),
        custom_providers_enabled=environ.flag("CUSTOM_OAUTH_ENABLED", True),
        custom_providers_most=environ.count("CUSTOM_OAUTH_MAX_PROVIDERS", 0),
        # A name of ours: an issuer within the network of the stack, and tests.
        private_hosts=environ.names("CUSTOM_OAUTH_PRIVATE_HOSTS"),
        linking_domains=environ.parsed("EXPERIMENTAL_PROVIDER_LINKING_DOMAINS", {}, _domains),
    )


def _provider(environ: Environ, name: str) -> ProviderConfig | None:
    prefix = f"EXTERNAL_{name.upper()}_"
    client_ids = environ.names(f"{prefix}CLIENT_ID")
    enabled = environ.flag(f"{prefix}ENABLED", False)
    if not enabled and not client_ids:
        return None
    return ProviderConfig(
        name=name,
        enabled=enabled,
        client_ids=client_ids,
        secret=environ.secret(f"{prefix}SECRET"),
        url=environ.text(f"{prefix}URL").rstrip("/"),
        api_url=environ.text(f"{prefix}API_URL").rstrip("/"),
        redirect_uri=environ.text(f"{prefix}REDIRECT_URI"),
        skips_nonce_check=environ.flag(f"{prefix}SKIP_NONCE_CHECK", False),
        email_optional=environ.flag(f"{prefix}EMAIL_OPTIONAL", False),
    )


def _domains(text: str) -> dict[str, str]:
    found = {}
    for pair in text.split(","):
        provider, equals, domain = (part.strip() for part in pair.partition("="))
        if not provider or not equals or not domain:
            raise ValueError("a list of provider=domain pairs is expected")
        found[provider] = domain
    return found
