"""Who may come in, and what a request says about itself: shared by all edges of the service."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from gavan.core.auth.caller import check_admin, find_caller, verified
from gavan.core.auth.client import client_of
from gavan.core.auth.config.auth import AuthConfig
from gavan.core.auth.flows.audit import admin_actor
from gavan.core.auth.flows.redirects import Redirects
from gavan.core.auth.flows.room import Asked
from gavan.core.auth.model import Caller, Row
from gavan.core.auth.store import Store
from gavan.kit.jwt import Claims, Verifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Checks bearers; verified claims go into the request's scope, for the access log."""

    config: AuthConfig
    store: Store
    verifier: Verifier
    redirects: Redirects

    async def caller(self, request: Request) -> Caller:
        """Return the user of the bearer; raise AuthError when there is none any more."""
        return await find_caller(self._claims(request), self.store)

    async def admin(self, request: Request) -> Row:
        """Return whom the audit log names; raise AuthError unless an administrator's key came."""
        claims = self._claims(request)
        await check_admin(claims, self.store)
        return admin_actor(claims.role or "")

    def audience(self, request: Request) -> str:
        """Return for whom an account is: the header's, the user token's or the usual one."""
        asked = request.headers.get("X-JWT-AUD")
        if asked:
            return asked
        claims: Claims | None = request.scope.get("gavan.claims")
        known = claims.raw.get("aud") if claims else None
        is_user = claims is not None and claims.role not in self.config.tokens.admin_roles
        return (
            known if is_user and isinstance(known, str) and known else self.config.tokens.audience
        )

    def asked(self, request: Request) -> Asked:
        """Return what a flow has to know of a request."""
        return Asked(
            audience=self.audience(request),
            client=client_of(request),
            redirect_to=self.redirects.target(request),
        )

    def _claims(self, request: Request) -> Claims:
        claims = verified(request.scope.get("gavan.token"), self.verifier)
        request.scope["gavan.claims"] = claims
        return claims
