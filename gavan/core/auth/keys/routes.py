"""What others need to check tokens of this stack: the public keys and where they are.

Stands beside the endpoints that sign. Clients and proxies may keep both answers for ten minutes,
which is why a new key is published before it signs (supabase/auth:internal/api/jwks.go).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gavan.core.auth.config.tokens import TokenConfig

CACHED = {"Cache-Control": "public, max-age=600"}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEdge:
    """The two documents of the section ``tokens``."""

    tokens: TokenConfig

    def routes(self) -> list[Route]:
        """Return the routes; nobody has to be known for them."""
        return [
            Route("/.well-known/jwks.json", self.jwks),
            Route("/.well-known/openid-configuration", self.discovery),
        ]

    async def jwks(self, _request: Request) -> Response:
        """Return the public keys: none while only a shared secret signs."""
        return JSONResponse({"keys": list(self.tokens.keys.public)}, headers=CACHED)

    async def discovery(self, _request: Request) -> Response:
        """Return the metadata of the issuer, with the endpoints of an OAuth server that is off."""
        return JSONResponse(_metadata(self.tokens.issuer), headers=CACHED)


def _metadata(issuer: str) -> dict[str, Any]:
    root = issuer.rstrip("/")
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{root}/oauth/authorize",
        "token_endpoint": f"{root}/oauth/token",
        "jwks_uri": f"{root}/.well-known/jwks.json",
        "userinfo_endpoint": f"{root}/oauth/userinfo",
        "scopes_supported": ["openid", "profile", "email", "phone", "offline_access"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "HS256", "ES256"],
        "token_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_post",
            "none",
        ],
        "claims_supported": [
            "sub",
            "aud",
            "iss",
            "exp",
            "iat",
            "auth_time",
            "nonce",
            "email",
            "email_verified",
            "phone_number",
            "phone_number_verified",
            "name",
            "picture",
            "preferred_username",
            "updated_at",
        ],
        "code_challenge_methods_supported": ["S256", "plain"],
    }
