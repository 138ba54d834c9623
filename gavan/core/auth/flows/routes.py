"""The HTTP edge of the flows: read, call, answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from gavan.core.auth.body import Body, read_body
from gavan.core.auth.disabled import grant_refusal
from gavan.core.auth.door import Door
from gavan.core.auth.errors import AuthError
from gavan.core.auth.flows.flow_state import Challenge
from gavan.core.auth.flows.passwordless import Passwordless, Wanted
from gavan.core.auth.flows.redirects import with_code, with_error, with_message, with_session
from gavan.core.auth.flows.room import Room
from gavan.core.auth.flows.sign_in import Login, SignIns
from gavan.core.auth.flows.sign_up import SignUp, SignUps
from gavan.core.auth.flows.user_change import UserChange, UserChanges
from gavan.core.auth.flows.verify import (
    FIRST_HALF,
    Token,
    Typed,
    Verifications,
    link_token,
    typed_token,
)
from gavan.core.auth.show import show_user

Grant = Callable[[Request, Body], Awaitable[dict[str, Any]]]
SEE_OTHER = 303


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowEdge:
    """What the endpoints call; ``grants`` are those of other rooms, by their name."""

    door: Door
    room: Room
    sign_ups: SignUps
    sign_ins: SignIns
    passwordless: Passwordless
    verifications: Verifications
    user_changes: UserChanges
    grants: Mapping[str, Grant]

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/signup", self.sign_up, methods=["POST"]),
            Route("/token", self.token, methods=["POST"]),
            Route("/otp", self.otp, methods=["POST"]),
            Route("/magiclink", self.magic_link, methods=["POST"]),
            Route("/recover", self.recover, methods=["POST"]),
            Route("/resend", self.resend, methods=["POST"]),
            Route("/verify", self.verify_link, methods=["GET"]),
            Route("/verify", self.verify_typed, methods=["POST"]),
            Route("/reauthenticate", self.reauthenticate, methods=["GET"]),
            Route("/user", self.show_user, methods=["GET"]),
            Route("/user", self.update_user, methods=["PUT"]),
            Route("/logout", self.log_out, methods=["POST"]),
        ]

    async def sign_up(self, request: Request) -> Response:
        """Make a user, and sign them in unless an address is to be proved first."""
        body = await read_body(request)
        wanted = SignUp(
            email=body.text("email"),
            phone=body.text("phone"),
            password=body.text("password"),
            data=body.mapping("data") or {},
            channel=body.text("channel"),
            challenge=_challenge(body),
        )
        return _answer(await self.sign_ups.enter(wanted, self.door.asked(request)))

    async def token(self, request: Request) -> Response:
        """Begin a session or go on with one, by the grant in the query."""
        grants = {
            "password": self._by_password,
            "refresh_token": self._by_refresh_token,
            "pkce": self._by_code,
            **self.grants,
        }
        name = request.query_params.get("grant_type", "")
        if name not in grants:
            raise grant_refusal(name)
        return _answer(await grants[name](request, await read_body(request)))

    async def otp(self, request: Request) -> Response:
        """Send a code by mail or text."""
        body = await read_body(request)
        wanted = Wanted(
            email=body.text("email"),
            phone=body.text("phone"),
            create_user=body.flag("create_user", default=True),
            data=body.mapping("data") or {},
            channel=body.text("channel"),
            challenge=_challenge(body),
        )
        return JSONResponse(await self.passwordless.otp(wanted, self.door.asked(request)))

    async def magic_link(self, request: Request) -> Response:
        """Mail a link and a code."""
        wanted = _by_mail(await read_body(request))
        return JSONResponse(await self.passwordless.magic_link(wanted, self.door.asked(request)))

    async def recover(self, request: Request) -> Response:
        """Mail the way back to an account."""
        wanted = _by_mail(await read_body(request))
        return JSONResponse(await self.passwordless.recover(wanted, self.door.asked(request)))

    async def resend(self, request: Request) -> Response:
        """Send again what is pending."""
        body = await read_body(request)
        wanted = Wanted(
            type=body.text("type"),
            email=body.text("email"),
            phone=body.text("phone"),
            challenge=_challenge(body),
        )
        return JSONResponse(await self.passwordless.resend(wanted, self.door.asked(request)))

    async def reauthenticate(self, request: Request) -> Response:
        """Send the caller a nonce."""
        caller = await self.door.caller(request)
        asked = self.door.asked(request)
        return JSONResponse(await self.passwordless.reauthenticate(caller.user, asked))

    async def verify_link(self, request: Request) -> Response:
        """Take the token of a clicked link and lead on; a refusal is led on as well."""
        query = request.query_params
        token = link_token(query.get("type", ""), query.get("token", ""))
        try:
            address = await self._after_link(request, token)
        except AuthError as error:
            target = self.door.redirects.target(request)
            address = with_error(target, error, is_pkce=token.is_pkce)
        return RedirectResponse(address, SEE_OTHER, headers={"Cache-Control": "no-store"})

    async def _after_link(self, request: Request, token: Token) -> str:
        asked = self.door.asked(request)
        if token.is_pkce:
            code = await self.verifications.code(token, asked)
            if code is not None:
                return with_code(asked.redirect_to, code)
            return with_message(asked.redirect_to, FIRST_HALF, is_pkce=True)
        session = await self.verifications.session(token, asked)
        if "access_token" in session:
            return with_session(asked.redirect_to, session, token.type)
        return with_message(asked.redirect_to, FIRST_HALF, is_pkce=False)

    async def verify_typed(self, request: Request) -> Response:
        """Take a typed code or a hash and answer with a session."""
        body = await read_body(request)
        typed = Typed(
            type=body.text("type"),
            token=body.text("token"),
            token_hash=body.text("token_hash"),
            email=body.text("email"),
            phone=body.text("phone"),
            redirect_to=body.text("redirect_to"),
        )
        asked = self.door.asked(request)
        return _answer(await self.verifications.session(typed_token(typed), asked))

    async def show_user(self, request: Request) -> Response:
        """Return the caller."""
        caller = await self.door.caller(request)
        async with self.room.store.transaction() as connection:
            return JSONResponse(await show_user(connection, caller.user))

    async def update_user(self, request: Request) -> Response:
        """Change the caller."""
        caller = await self.door.caller(request)
        body = await read_body(request)
        wanted = UserChange(
            email=body.text("email"),
            phone=body.text("phone"),
            password=body.optional_text("password"),
            current_password=body.text("current_password"),
            nonce=body.text("nonce"),
            data=body.mapping("data"),
            app_metadata=body.mapping("app_metadata"),
            channel=body.text("channel"),
            challenge=_challenge(body),
        )
        asked = self.door.asked(request)
        return JSONResponse(await self.user_changes.update(caller, wanted, asked))

    async def log_out(self, request: Request) -> Response:
        """End sessions of the caller."""
        caller = await self.door.caller(request)
        await self.room.sessions.log_out(caller, request.query_params.get("scope") or "global")
        return Response(status_code=204)

    async def _by_password(self, request: Request, body: Body) -> dict[str, Any]:
        login = Login(
            email=body.text("email"), phone=body.text("phone"), password=body.text("password")
        )
        return await self.sign_ins.by_password(login, self.door.asked(request))

    async def _by_refresh_token(self, request: Request, body: Body) -> dict[str, Any]:
        client = self.door.asked(request).client
        return await self.room.sessions.refresh(body.text("refresh_token"), client)

    async def _by_code(self, request: Request, body: Body) -> dict[str, Any]:
        code, verifier = body.text("auth_code"), body.text("code_verifier")
        return await self.sign_ins.by_code(code, verifier, self.door.asked(request))


def build_flows(door: Door, room: Room, grants: Mapping[str, Grant]) -> FlowEdge:
    """Return the edge with its flows."""
    sign_ups = SignUps(room)
    return FlowEdge(
        door=door,
        room=room,
        sign_ups=sign_ups,
        sign_ins=SignIns(room),
        passwordless=Passwordless(room, sign_ups),
        verifications=Verifications(room),
        user_changes=UserChanges(room),
        grants=grants,
    )


def _challenge(body: Body) -> Challenge:
    return Challenge(value=body.text("code_challenge"), method=body.text("code_challenge_method"))


def _by_mail(body: Body) -> Wanted:
    return Wanted(
        email=body.text("email"), data=body.mapping("data") or {}, challenge=_challenge(body)
    )


def _answer(body: dict[str, Any]) -> Response:
    """Return a token response or a user object; tokens are kept out of every cache."""
    if "access_token" not in body:
        return JSONResponse(body)
    headers = {"sb-auth-user-id": body["user"]["id"], "Cache-Control": "no-store"}
    return JSONResponse(body, headers=headers)
