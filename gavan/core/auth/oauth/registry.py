"""From the name in a request to a provider that can be used, or to the reason why not."""

from __future__ import annotations

from gavan.core.auth.config.auth import AuthConfig
from gavan.core.auth.config.external import ProviderConfig
from gavan.core.auth.model import Row
from gavan.core.auth.oauth.builtin import BUILTIN, Setting
from gavan.core.auth.oauth.custom import PREFIX, CustomSetting, custom
from gavan.core.auth.oauth.oidc import Issuers
from gavan.core.auth.oauth.provider import Provider, Registration
from gavan.core.auth.oauth.queries import queries
from gavan.core.auth.oauth.web import Web, WebError
from gavan.core.auth.store import Store
from gavan.kit.outbound import Outbound, PublicOnly


class Registry:
    """The providers of one stack, with the clients that ask them.

    ``own`` asks the addresses of the configuration, ``foreign`` those of custom providers.
    """

    def __init__(self, config: AuthConfig, store: Store, outbound: Outbound) -> None:
        external = config.external
        self._config = config
        self._store = store
        self._guarded = Outbound(PublicOnly(external.private_hosts))
        self.own = Web(outbound)
        self.foreign = Web(self._guarded, external.private_hosts)
        self.issuers = Issuers(external.discovery_cache_s)

    async def close(self) -> None:
        """Close every connection to custom providers."""
        await self._guarded.close()

    async def find(self, name: str, scopes: str = "") -> Provider:
        """Return a provider.

        Args:
            name: as in the request, in letters of any size.
            scopes: asked for beyond the provider's own; with commas, for custom ones with blanks.

        Raises:
            WebError: it is unknown, switched off, not wholly configured or cannot be asked.
        """
        name = name.lower()
        if name.startswith(PREFIX):
            row = await self.custom_row(name)
            return await custom(row, self.custom_setting(tuple(scopes.split())))
        make = BUILTIN.get(name)
        if make is None:
            raise WebError(f"Provider {name} could not be found")
        config = self._config.external.providers.get(name)
        if config is None or not config.enabled:
            raise WebError("provider is not enabled")
        asked = tuple(part.strip() for part in scopes.split(",") if part.strip())
        registration = self._registration(config, asked)
        return await make(
            Setting(config=config, registration=registration, web=self.own, issuers=self.issuers)
        )

    async def custom_row(self, identifier: str) -> Row:
        """Return the row of a custom provider that is switched on; raise WebError otherwise."""
        if not self._config.external.custom_providers_enabled:
            raise WebError("custom OAuth providers are disabled")
        async with self._store.transaction() as connection:
            row = await queries.one(connection, "custom_provider", identifier=identifier)
        if row is None:
            raise WebError(f"custom provider {identifier} not found")
        if not row["enabled"]:
            raise WebError(f"custom provider {identifier} is disabled")
        return row

    def custom_setting(self, scopes: tuple[str, ...] = ()) -> CustomSetting:
        """Return what custom providers are made with."""
        return CustomSetting(
            redirect_uri=self._callback(),
            scopes=scopes,
            web=self.foreign,
            issuers=self.issuers,
        )

    def _registration(self, config: ProviderConfig, scopes: tuple[str, ...]) -> Registration:
        if not config.client_ids:
            raise WebError("missing OAuth client ID")
        if config.secret is None:
            raise WebError("missing OAuth secret")
        return Registration(
            client_id=config.client_ids[0],
            secret=config.secret,
            redirect_uri=config.redirect_uri or self._callback(),
            scopes=scopes,
        )

    def _callback(self) -> str:
        return f"{self._config.urls.external_url}/callback"
