"""The HTTP edge of second factors: the user's own and, for administrators, anybody's."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from gavan.core.auth.body import Body, read_body
from gavan.core.auth.client import client_of
from gavan.core.auth.door import Door
from gavan.core.auth.errors import AuthError, validation_failed
from gavan.core.auth.flows.addresses import phone_of
from gavan.core.auth.mfa.answer import Answer, AuthenticatorAnswer
from gavan.core.auth.mfa.challenges import Challenges
from gavan.core.auth.mfa.factors import Enrolment, Factors
from gavan.core.auth.model import Caller
from gavan.core.auth.path import path_id

NO_CHALLENGE = UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class MfaEdge:
    """What the endpoints call."""

    factors: Factors
    challenges: Challenges
    door: Door

    def routes(self) -> list[Route]:
        """Return the routes."""
        own, of_user = "/factors/{factor_id}", "/admin/users/{user_id}/factors"
        return [
            Route("/factors", self.enroll, methods=["POST"]),
            Route(own, self.unenroll, methods=["DELETE"]),
            Route(f"{own}/challenge", self.challenge, methods=["POST"]),
            Route(f"{own}/verify", self.verify, methods=["POST"]),
            Route(of_user, self.list_of_user, methods=["GET"]),
            Route(f"{of_user}/{{factor_id}}", self.rename, methods=["PUT"]),
            Route(f"{of_user}/{{factor_id}}", self.delete, methods=["DELETE"]),
        ]

    async def enroll(self, request: Request) -> JSONResponse:
        """Add a factor."""
        caller = await self._person(request)
        body = await read_body(request)
        wanted = Enrolment(
            factor_type=body.text("factor_type"),
            friendly_name=body.text("friendly_name"),
            issuer=body.text("issuer"),
            phone=phone_of(phone) if (phone := body.text("phone")) else "",
        )
        return JSONResponse(await self.factors.enroll(caller, wanted))

    async def unenroll(self, request: Request) -> JSONResponse:
        """Remove a factor."""
        caller = await self._person(request)
        return JSONResponse(await self.factors.unenroll(caller, path_id(request, "factor_id")))

    async def challenge(self, request: Request) -> JSONResponse:
        """Begin a verification."""
        caller = await self._person(request)
        factor_id = path_id(request, "factor_id")
        body = await read_body(request)
        return JSONResponse(
            await self.challenges.challenge(
                caller, factor_id, channel=body.text("channel"), client=client_of(request)
            )
        )

    async def verify(self, request: Request) -> JSONResponse:
        """Check an answer and lift the session."""
        caller = await self._person(request)
        factor_id = path_id(request, "factor_id")
        body = await read_body(request)
        answer = Answer(
            challenge_id=_challenge_id(body), code=body.text("code"), webauthn=_webauthn(body)
        )
        session = await self.challenges.verify(caller, factor_id, answer, client_of(request))
        return JSONResponse(session, headers={"Cache-Control": "no-store"})

    async def list_of_user(self, request: Request) -> JSONResponse:
        """Return the factors of a user."""
        await self.door.admin(request)
        return JSONResponse(await self.factors.list(path_id(request, "user_id")))

    async def rename(self, request: Request) -> JSONResponse:
        """Change a factor of a user."""
        admin = await self.door.admin(request)
        body = await read_body(request)
        return JSONResponse(
            await self.factors.rename(
                admin,
                path_id(request, "factor_id"),
                user_id=path_id(request, "user_id"),
                name=body.text("friendly_name"),
                phone=phone_of(phone) if (phone := body.text("phone")) else "",
            )
        )

    async def delete(self, request: Request) -> JSONResponse:
        """Remove a factor of a user."""
        admin = await self.door.admin(request)
        factor_id = path_id(request, "factor_id")
        return JSONResponse(
            await self.factors.delete(admin, factor_id, user_id=path_id(request, "user_id"))
        )

    async def _person(self, request: Request) -> Caller:
        caller = await self.door.caller(request)
        if caller.user["is_anonymous"]:
            raise AuthError(
                403,
                "no_authorization",
                "Anonymous user not allowed to perform these actions",
            )
        if caller.session is None:
            raise AuthError(
                500,
                "unexpected_failure",
                "A valid session and a registered user are required to enroll a factor",
            )
        return caller


def _challenge_id(body: Body) -> UUID:
    text = body.text("challenge_id")
    try:
        return UUID(text) if text else NO_CHALLENGE
    except ValueError as error:
        raise AuthError(
            400, "bad_json", "Could not parse request body as JSON: challenge_id must be a UUID"
        ) from error


def _webauthn(body: Body) -> AuthenticatorAnswer | None:
    fields = body.mapping("webauthn")
    if fields is None:
        return None
    kind, credential = fields.get("type"), fields.get("credential_response")
    if kind not in {"create", "request"}:
        raise validation_failed("WebAuthn type must be create or request")
    if not isinstance(credential, dict):
        raise validation_failed("credential_response required")
    return AuthenticatorAnswer(kind=kind, credential=credential)
