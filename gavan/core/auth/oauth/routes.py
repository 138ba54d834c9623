"""The HTTP edge of sign-in by an identity provider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from gavan.core.auth.body import BODY_BYTES, Body, read_body
from gavan.core.auth.door import Door
from gavan.core.auth.errors import AuthError, OAuthError, validation_failed
from gavan.core.auth.flows.flow_state import Challenge
from gavan.core.auth.flows.room import Room
from gavan.core.auth.oauth.authorize import Authorizations, Wish
from gavan.core.auth.oauth.callback import FOUND, Callbacks
from gavan.core.auth.oauth.custom_admin import CustomProviders
from gavan.core.auth.oauth.custom_input import read_input
from gavan.core.auth.oauth.entry import Entries
from gavan.core.auth.oauth.id_token import INVALID, IdToken, IdTokens
from gavan.core.auth.oauth.identities import Identities
from gavan.core.auth.oauth.registry import Registry
from gavan.core.auth.path import path_id

NO_STORE = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthEdge:
    """What the endpoints call."""

    door: Door
    authorizations: Authorizations
    callbacks: Callbacks
    id_tokens: IdTokens
    identities: Identities
    custom_providers: CustomProviders

    def routes(self) -> list[Route]:
        """Return the routes."""
        custom = "/admin/custom-providers"
        return [
            Route("/authorize", self.authorize, methods=["GET"]),
            Route("/callback", self.callback, methods=["GET", "POST"]),
            Route("/user/identities/authorize", self.authorize_link, methods=["GET"]),
            Route("/user/identities/{identity_id}", self.unlink, methods=["DELETE"]),
            Route(custom, self.list_custom, methods=["GET"]),
            Route(custom, self.create_custom, methods=["POST"]),
            Route(f"{custom}/{{identifier}}", self.show_custom, methods=["GET"]),
            Route(f"{custom}/{{identifier}}", self.change_custom, methods=["PUT"]),
            Route(f"{custom}/{{identifier}}", self.delete_custom, methods=["DELETE"]),
        ]

    async def authorize(self, request: Request) -> Response:
        """Lead to a provider."""
        address = await self.authorizations.begin(_wish(request), self.door.asked(request))
        return RedirectResponse(address, FOUND, headers=NO_STORE)

    async def authorize_link(self, request: Request) -> Response:
        """Lead the caller to a provider whose identity is to be linked, or say where to go."""
        caller = await self.door.caller(request)
        self._check_linking()
        address = await self.authorizations.begin(
            _wish(request), self.door.asked(request), target_id=caller.user["id"]
        )
        if request.query_params.get("skip_http_redirect") == "true":
            return JSONResponse({"url": address}, headers=NO_STORE)
        return RedirectResponse(address, FOUND, headers=NO_STORE)

    async def callback(self, request: Request) -> Response:
        """Take somebody back from a provider."""
        fields = dict(request.query_params)
        if request.method == "POST":
            fields |= await _form(request)
        led = await self.callbacks.arrive(fields, self.door.asked(request))
        return RedirectResponse(led.address, led.status, headers=NO_STORE)

    async def unlink(self, request: Request) -> Response:
        """Delete an identity of the caller."""
        caller = await self.door.caller(request)
        self._check_linking()
        identity_id = path_id(request, "identity_id")
        await self.identities.unlink(caller.user, identity_id, self.door.asked(request))
        return JSONResponse({})

    async def by_id_token(self, request: Request, body: Body) -> dict[str, Any]:
        """Return a session for the token of a provider: the grant ``id_token``."""
        wanted = IdToken(
            id_token=body.text("id_token"),
            access_token=body.text("access_token"),
            nonce=body.text("nonce"),
            provider=body.text("provider"),
            client_id=body.text("client_id"),
            issuer=body.text("issuer"),
        )
        target_id = None
        if body.flag("link_identity"):
            if not request.scope.get("gavan.token"):
                raise OAuthError(
                    INVALID, "Linking requires a valid user access token in Authorization"
                )
            target_id = (await self.door.caller(request)).user["id"]
        return await self.id_tokens.enter(wanted, self.door.asked(request), target_id=target_id)

    async def list_custom(self, request: Request) -> Response:
        """Return the custom providers."""
        await self._check_custom(request)
        found = await self.custom_providers.find(request.query_params.get("type", ""))
        return JSONResponse({"providers": found})

    async def create_custom(self, request: Request) -> Response:
        """Make a custom provider."""
        await self._check_custom(request)
        wanted = read_input(await read_body(request))
        return JSONResponse(await self.custom_providers.create(wanted), status_code=201)

    async def show_custom(self, request: Request) -> Response:
        """Return a custom provider."""
        await self._check_custom(request)
        return JSONResponse(await self.custom_providers.show(request.path_params["identifier"]))

    async def change_custom(self, request: Request) -> Response:
        """Change a custom provider."""
        await self._check_custom(request)
        identifier, body = request.path_params["identifier"], await read_body(request)
        return JSONResponse(await self.custom_providers.change(identifier, read_input(body)))

    async def delete_custom(self, request: Request) -> Response:
        """Delete a custom provider."""
        await self._check_custom(request)
        await self.custom_providers.delete(request.path_params["identifier"])
        return Response(status_code=204)

    async def _check_custom(self, request: Request) -> None:
        await self.door.admin(request)
        if not self.door.config.external.custom_providers_enabled:
            raise AuthError(404, "feature_disabled", "Custom OAuth providers are disabled")

    def _check_linking(self) -> None:
        if not self.door.config.security.manual_linking:
            raise AuthError(404, "manual_linking_disabled", "Manual linking is disabled")


def build_oauth(door: Door, room: Room, registry: Registry) -> OAuthEdge:
    """Return the edge with what it calls."""
    entries = Entries(room)
    return OAuthEdge(
        door=door,
        authorizations=Authorizations(room, registry),
        callbacks=Callbacks(room, registry, entries),
        id_tokens=IdTokens(room, registry, entries),
        identities=Identities(room),
        custom_providers=CustomProviders(room, registry),
    )


def _wish(request: Request) -> Wish:
    query = request.query_params
    return Wish(
        provider=query.get("provider", ""),
        scopes=query.get("scopes", ""),
        challenge=Challenge(
            value=query.get("code_challenge", ""), method=query.get("code_challenge_method", "")
        ),
        invite_token=query.get("invite_token", ""),
        others=dict(query),
    )


async def _form(request: Request) -> dict[str, str]:
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > BODY_BYTES:
            raise AuthError(413, "request_entity_too_large", "Request body is over 1 MiB")
    try:
        return dict(parse_qsl(content.decode(), keep_blank_values=True, max_num_fields=100))
    except ValueError as error:
        raise validation_failed("the form could not be read") from error
