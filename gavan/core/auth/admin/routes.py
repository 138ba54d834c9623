"""The HTTP edge of the administrator's endpoints: users, invitations, links, the audit log."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gavan.core.auth.admin.audit_log import AuditLog, filter_of
from gavan.core.auth.admin.invites import Invites
from gavan.core.auth.admin.links import Links, WantedLink
from gavan.core.auth.admin.paging import is_ascending, page_headers, page_of
from gavan.core.auth.admin.users import AdminUser, AdminUsers
from gavan.core.auth.body import Body, read_body
from gavan.core.auth.door import Door
from gavan.core.auth.duration import parse_duration_s
from gavan.core.auth.errors import validation_failed
from gavan.core.auth.flows.addresses import email_of, phone_of
from gavan.core.auth.path import path_id

BAN_MOST_S = 200 * 365 * 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminEdge:
    """What the endpoints call."""

    door: Door
    users: AdminUsers
    invites: Invites
    links: Links
    audit_log: AuditLog

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/invite", self.invite, methods=["POST"]),
            Route("/admin/generate_link", self.generate_link, methods=["POST"]),
            Route("/admin/audit", self.list_audit, methods=["GET"]),
            Route("/admin/users", self.list_users, methods=["GET"]),
            Route("/admin/users", self.create_user, methods=["POST"]),
            Route("/admin/users/{user_id}", self.show_user, methods=["GET"]),
            Route("/admin/users/{user_id}", self.update_user, methods=["PUT"]),
            Route("/admin/users/{user_id}", self.delete_user, methods=["DELETE"]),
        ]

    async def list_users(self, request: Request) -> Response:
        """Return one page; the clients read the number of pages from the headers."""
        await self.door.admin(request)
        query = request.query_params
        ascending, page = is_ascending(query.getlist("sort")), page_of(query)
        aud = self.door.audience(request)
        users, total = await self.users.list(
            page, aud=aud, text=query.get("filter", ""), ascending=ascending
        )
        headers = page_headers("/admin/users", query, page, total)
        return JSONResponse({"users": users, "aud": aud}, headers=headers)

    async def create_user(self, request: Request) -> Response:
        """Make a user."""
        actor = await self.door.admin(request)
        wanted = _admin_user(await read_body(request))
        aud = self.door.audience(request)
        return JSONResponse(await self.users.create(wanted, aud=aud, actor=actor))

    async def show_user(self, request: Request) -> Response:
        """Return a user."""
        await self.door.admin(request)
        return JSONResponse(await self.users.show(path_id(request, "user_id")))

    async def update_user(self, request: Request) -> Response:
        """Change a user."""
        actor = await self.door.admin(request)
        user_id = path_id(request, "user_id")
        wanted = _admin_user(await read_body(request))
        return JSONResponse(await self.users.update(user_id, wanted, actor=actor))

    async def delete_user(self, request: Request) -> Response:
        """Delete a user."""
        actor = await self.door.admin(request)
        user_id = path_id(request, "user_id")
        keeps_row = (await read_body(request)).flag("should_soft_delete")
        await self.users.delete(user_id, keeps_row=keeps_row, actor=actor)
        return JSONResponse({})

    async def invite(self, request: Request) -> Response:
        """Invite somebody by mail."""
        actor = await self.door.admin(request)
        body = await read_body(request)
        invited = await self.invites.invite(
            body.text("email"), body.mapping("data") or {}, self.door.asked(request), actor=actor
        )
        return JSONResponse(invited)

    async def generate_link(self, request: Request) -> Response:
        """Make a link that proves an address."""
        actor = await self.door.admin(request)
        body = await read_body(request)
        wanted = WantedLink(
            type=body.text("type"),
            email=body.text("email"),
            new_email=body.text("new_email"),
            password=body.text("password"),
            data=body.mapping("data") or {},
        )
        asked, wished = self.door.asked(request), body.text("redirect_to")
        if self.door.redirects.allows(wished):
            asked = replace(asked, redirect_to=wished)
        return JSONResponse(await self.links.generate(wanted, asked, actor=actor))

    async def list_audit(self, request: Request) -> Response:
        """Return one page of the audit log, newest first."""
        await self.door.admin(request)
        query = request.query_params
        page, wanted = page_of(query), filter_of(query.get("query", ""))
        entries, total = await self.audit_log.list(page, wanted)
        headers = page_headers("/admin/audit", query, page, total)
        return JSONResponse(entries, headers=headers)


def _admin_user(body: Body) -> AdminUser:
    email, phone = body.text("email"), body.text("phone")
    ban = body.text("ban_duration")
    return AdminUser(
        id=_body_id(body),
        aud=body.text("aud"),
        role=body.text("role"),
        email=email_of(email) if email else "",
        phone=phone_of(phone) if phone else "",
        password=body.optional_text("password"),
        password_hash=body.text("password_hash"),
        email_confirm=body.flag("email_confirm"),
        phone_confirm=body.flag("phone_confirm"),
        user_metadata=body.mapping("user_metadata"),
        app_metadata=body.mapping("app_metadata"),
        bans=bool(ban),
        ban_s=_ban_s(ban),
    )


def _ban_s(text: str) -> float | None:
    if text in {"", "none"}:
        return None
    try:
        return min(parse_duration_s(text), BAN_MOST_S)
    except ValueError as error:
        raise validation_failed(f"invalid format for ban duration: {error}") from error


def _body_id(body: Body) -> UUID | None:
    text = body.text("id")
    if not text:
        return None
    try:
        user_id = UUID(text)
    except ValueError as error:
        raise validation_failed("ID must conform to the uuid v4 format") from error
    if user_id.int == 0:
        raise validation_failed("ID cannot be a nil uuid")
    return user_id
