"""The HTTP edge of passkeys; switched off, every path answers ``passkey_disabled``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gavan.core.auth.body import Body, read_body
from gavan.core.auth.client import client_of
from gavan.core.auth.door import Door
from gavan.core.auth.errors import AuthError, validation_failed
from gavan.core.auth.passkeys.passkeys import Passkeys, not_found
from gavan.core.auth.path import path_id

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeyEdge:
    """What the endpoints call."""

    passkeys: Passkeys
    is_enabled: bool
    door: Door

    def routes(self) -> list[Route]:
        """Return the routes."""
        of_user = "/admin/users/{user_id}/passkeys"
        table: list[tuple[str, str, Endpoint]] = [
            ("POST", "/passkeys/registration/options", self.ask_for_credential),
            ("POST", "/passkeys/registration/verify", self.register),
            ("POST", "/passkeys/authentication/options", self.ask_for_signature),
            ("POST", "/passkeys/authentication/verify", self.sign_in),
            ("GET", "/passkeys", self.list_own),
            ("GET", "/passkeys/", self.list_own),
            ("PATCH", "/passkeys/{passkey_id}", self.rename),
            ("DELETE", "/passkeys/{passkey_id}", self.remove),
            ("GET", of_user, self.list_of_user),
            ("DELETE", f"{of_user}/{{passkey_id}}", self.delete),
        ]
        return [
            Route(path, endpoint if self.is_enabled else _disabled, methods=[method])
            for method, path, endpoint in table
        ]

    async def ask_for_credential(self, request: Request) -> Response:
        """Begin a registration."""
        return JSONResponse(await self.passkeys.ask_for_credential(await self.door.caller(request)))

    async def register(self, request: Request) -> Response:
        """Keep a passkey."""
        caller = await self.door.caller(request)
        challenge_id, credential = _answer(await read_body(request))
        return JSONResponse(await self.passkeys.register(caller, challenge_id, credential))

    async def ask_for_signature(self, request: Request) -> Response:
        """Begin a sign-in."""
        await read_body(request)
        return JSONResponse(await self.passkeys.ask_for_signature())

    async def sign_in(self, request: Request) -> Response:
        """Sign in."""
        challenge_id, credential = _answer(await read_body(request))
        session = await self.passkeys.sign_in(challenge_id, credential, client_of(request))
        return JSONResponse(session, headers={"Cache-Control": "no-store"})

    async def list_own(self, request: Request) -> Response:
        """Return the caller's passkeys."""
        caller = await self.door.caller(request)
        return JSONResponse(await self.passkeys.of_user(caller.user["id"]))

    async def rename(self, request: Request) -> Response:
        """Give a passkey of the caller another name."""
        caller = await self.door.caller(request)
        name = (await read_body(request)).text("friendly_name")
        passkey_id = _passkey_id(request)
        return JSONResponse(await self.passkeys.rename(caller, passkey_id, name))

    async def remove(self, request: Request) -> Response:
        """Forget a passkey of the caller."""
        await self.passkeys.remove(await self.door.caller(request), _passkey_id(request))
        return Response(status_code=204)

    async def list_of_user(self, request: Request) -> Response:
        """Return the passkeys of any user."""
        await self.door.admin(request)
        return JSONResponse(await self.passkeys.of_user(path_id(request, "user_id")))

    async def delete(self, request: Request) -> Response:
        """Forget a passkey of any user."""
        admin = await self.door.admin(request)
        await self.passkeys.delete(admin, _passkey_id(request), user_id=path_id(request, "user_id"))
        return Response(status_code=204)


async def _disabled(_request: Request) -> Response:
    raise AuthError(404, "passkey_disabled", "Passkeys are disabled")


def _answer(body: Body) -> tuple[UUID, dict[str, Any]]:
    text = body.text("challenge_id")
    if not text:
        raise validation_failed("challenge_id is required")
    credential = body.mapping("credential")
    if credential is None:
        raise validation_failed("credential is required")
    try:
        return UUID(text), credential
    except ValueError as error:
        raise validation_failed("challenge_id must be a valid UUID") from error


def _passkey_id(request: Request) -> UUID:
    try:
        return UUID(request.path_params["passkey_id"])
    except ValueError as error:
        raise not_found() from error
