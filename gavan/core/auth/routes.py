"""What the auth service says of itself, and the endpoints it does not offer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gavan.core.auth.config.auth import AuthConfig
from gavan.core.auth.config.external import PROVIDERS
from gavan.core.auth.disabled import DISABLED, Feature
from gavan.core.auth.door import Door
from gavan.kit.version import VERSION

Endpoint = Callable[[Request], Awaitable[Response]]

# Upstream knows these, but its settings do not show them.
UNSHOWN = frozenset({"vercel_marketplace", "x"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """The endpoints that belong to no room."""

    config: AuthConfig
    door: Door

    def routes(self) -> list[Route]:
        """Return the routes; the disabled ones have to stand behind those of every room."""
        methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        made = [Route("/health", self.health), Route("/settings", self.settings)]
        return made + [
            Route(path, self._disabled(feature), methods=methods)
            for path, feature in DISABLED.items()
        ]

    async def health(self, _request: Request) -> Response:
        """Say that the service runs."""
        return JSONResponse(
            {"version": f"v2.0.0-gavan.{VERSION}", "name": "GoTrue", "description": "Gavan auth"}
        )

    async def settings(self, _request: Request) -> Response:
        """Say what is offered; all keys, always."""
        return JSONResponse(offers(self.config))

    def _disabled(self, feature: Feature) -> Endpoint:
        async def answer(request: Request) -> Response:
            if feature.who == "user":
                await self.door.caller(request)
            elif feature.who == "admin":
                await self.door.admin(request)
            raise feature.refusal()

        return answer


def offers(config: AuthConfig) -> dict[str, Any]:
    """Return the public settings; pure."""
    external = config.external
    providers = {
        name: name in external.providers and external.providers[name].enabled
        for name in PROVIDERS
        if name not in UNSHOWN
    }
    return {
        "external": providers
        | {
            "anonymous_users": external.anonymous_enabled,
            "email": external.email_enabled,
            "phone": external.phone_enabled,
        },
        "disable_signup": config.is_signup_disabled,
        "mailer_autoconfirm": config.mail.autoconfirm,
        "phone_autoconfirm": config.sms.autoconfirm,
        "sms_provider": config.sms.provider,
        "saml_enabled": False,
        "saml_private_key_next_configured": False,
        "passkeys_enabled": config.mfa.passkeys_enabled,
    }
