"""The HTTP edge of the auth service: read, call, answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gavan.core.auth.admin import Admin
from gavan.core.auth.admin_routes import AdminEdge
from gavan.core.auth.body import Body, read_body
from gavan.core.auth.caller import check_admin, find_caller, verified
from gavan.core.auth.client import client_of
from gavan.core.auth.config.auth import AuthConfig
from gavan.core.auth.disabled import DISABLED, grant_refusal, refusal
from gavan.core.auth.doors import Doors
from gavan.core.auth.errors import AuthError
from gavan.core.auth.keys.routes import KeyEdge
from gavan.core.auth.mfa.challenges import Challenges
from gavan.core.auth.mfa.factors import Factors
from gavan.core.auth.mfa.routes import MfaEdge
from gavan.core.auth.model import Caller
from gavan.core.auth.passkeys.passkeys import Passkeys
from gavan.core.auth.passkeys.routes import PasskeyEdge
from gavan.core.auth.sessions import Login, Sessions
from gavan.core.auth.store import Store
from gavan.core.auth.users import Signup, UserChange, Users
from gavan.kit.jwt import Verifier
from gavan.kit.version import VERSION

Endpoint = Callable[[Request], Awaitable[Response]]

# Every name a client may look for; nothing but e-mail is offered yet.
PROVIDERS = (
    "anonymous_users",
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
    "email",
    "phone",
    "zoom",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """What the endpoints call."""

    config: AuthConfig
    store: Store
    verifier: Verifier
    sessions: Sessions
    users: Users
    admin: Admin
    doors: Doors

    def routes(self) -> list[Route]:
        """Return every route of the service, the disabled ones included."""
        made = [
            Route("/health", self.health),
            Route("/settings", self.settings),
            Route("/signup", self.sign_up, methods=["POST"]),
            Route("/token", self.token, methods=["POST"]),
            Route("/user", self.show_user, methods=["GET"]),
            Route("/user", self.update_user, methods=["PUT"]),
            Route("/logout", self.log_out, methods=["POST"]),
        ]
        methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        made += KeyEdge(tokens=self.config.tokens).routes()
        made += AdminEdge(admin=self.admin, store=self.store, verifier=self.verifier).routes()
        made += self.mfa_edge().routes()
        made += self.passkey_edge().routes()
        for path in DISABLED:
            made.append(Route(path, self._disabled(path), methods=methods))
        return made

    def mfa_edge(self) -> MfaEdge:
        """Return the endpoints of second factors."""
        return MfaEdge(
            factors=Factors(self.config, self.store),
            challenges=Challenges(self.config, self.store, self.sessions, self.doors),
            caller=self.caller,
            check_admin=self.check_admin,
        )

    def passkey_edge(self) -> PasskeyEdge:
        """Return the endpoints of passkeys."""
        return PasskeyEdge(
            passkeys=Passkeys(self.config, self.store, self.sessions),
            is_enabled=self.config.mfa.passkeys_enabled,
            caller=self.caller,
            check_admin=self.check_admin,
        )

    async def health(self, _request: Request) -> Response:
        """Say that the service runs."""
        return JSONResponse(
            {"version": f"v2.0.0-gavan.{VERSION}", "name": "GoTrue", "description": "Gavan auth"}
        )

    async def settings(self, _request: Request) -> Response:
        """Say what is offered; all keys, always."""
        return JSONResponse(
            {
                "external": {name: name == "email" for name in PROVIDERS},
                "disable_signup": self.config.is_signup_disabled,
                "mailer_autoconfirm": True,
                "phone_autoconfirm": False,
                "sms_provider": "",
                "saml_enabled": False,
                "saml_private_key_next_configured": False,
                "passkeys_enabled": self.config.mfa.passkeys_enabled,
            }
        )

    async def sign_up(self, request: Request) -> Response:
        """Make a user and sign them in."""
        if self.config.is_signup_disabled:
            raise AuthError(422, "signup_disabled", "Signups not allowed for this instance")
        body = await read_body(request)
        signup = Signup(
            email=body.text("email"),
            phone=body.text("phone"),
            password=body.text("password"),
            data=body.mapping("data") or {},
            code_challenge=body.text("code_challenge"),
            code_challenge_method=body.text("code_challenge_method"),
            audience=self._audience(request),
        )
        return _signed_in(await self.users.sign_up(signup, client_of(request)))

    async def token(self, request: Request) -> Response:
        """Sign in by password, or refresh."""
        body = await read_body(request)
        client = client_of(request)
        grant = request.query_params.get("grant_type", "")
        if grant == "password":
            return _signed_in(await self.sessions.log_in(self._login(request, body), client))
        if grant == "refresh_token":
            token = body.text("refresh_token")
            return _signed_in(await self.sessions.refresh(token, client))
        raise grant_refusal(grant, body.text("auth_code"), body.text("code_verifier"))

    async def show_user(self, request: Request) -> Response:
        """Return the caller."""
        caller = await self.caller(request)
        return JSONResponse(await self.users.show(caller.user["id"]))

    async def update_user(self, request: Request) -> Response:
        """Change the caller."""
        caller = await self.caller(request)
        body = await read_body(request)
        wanted = UserChange(
            email=body.text("email"),
            phone=body.text("phone"),
            password=body.optional_text("password"),
            data=body.mapping("data"),
            app_metadata=body.mapping("app_metadata"),
        )
        return JSONResponse(await self.users.update(caller, wanted))

    async def log_out(self, request: Request) -> Response:
        """End sessions of the caller."""
        caller = await self.caller(request)
        await self.sessions.log_out(caller, request.query_params.get("scope") or "global")
        return Response(status_code=204)

    async def caller(self, request: Request) -> Caller:
        """Return the user of the bearer; the claims go into the scope for the access log."""
        claims = verified(request.scope.get("gavan.token"), self.verifier)
        request.scope["gavan.claims"] = claims
        return await find_caller(claims, self.store)

    async def check_admin(self, request: Request) -> None:
        """Raise AuthError unless the bearer is an administrator's."""
        claims = verified(request.scope.get("gavan.token"), self.verifier)
        request.scope["gavan.claims"] = claims
        await check_admin(claims, self.store)

    def _disabled(self, path: str) -> Endpoint:
        async def answer(request: Request) -> Response:
            needs_user, error = refusal(path)
            if needs_user:
                await self.caller(request)
            raise error

        return answer

    def _login(self, request: Request, body: Body) -> Login:
        return Login(
            email=body.text("email"),
            phone=body.text("phone"),
            password=body.text("password"),
            audience=self._audience(request),
        )

    def _audience(self, request: Request) -> str:
        return request.headers.get("X-JWT-AUD") or self.config.tokens.audience


def _signed_in(body: dict[str, Any]) -> Response:
    return JSONResponse(
        body, headers={"sb-auth-user-id": body["user"]["id"], "Cache-Control": "no-store"}
    )
