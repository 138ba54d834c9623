"""The HTTP edge of the administrator's endpoints under ``/admin/users``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gavan.core.auth.admin import Admin, AdminUser, Page
from gavan.core.auth.body import Body, read_body
from gavan.core.auth.caller import check_admin, verified
from gavan.core.auth.duration import parse_duration_s
from gavan.core.auth.errors import validation_failed
from gavan.core.auth.store import Store
from gavan.kit.jwt import Verifier

PER_PAGE = 50
PER_PAGE_MOST = 1000
BAN_MOST_S = 200 * 365 * 86400.0
_PHONE = re.compile(r"[1-9][0-9]{1,14}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminEdge:
    """What the endpoints call."""

    admin: Admin
    store: Store
    verifier: Verifier

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/admin/users", self.list_users, methods=["GET"]),
            Route("/admin/users", self.create_user, methods=["POST"]),
            Route("/admin/users/{user_id}", self.show_user, methods=["GET"]),
            Route("/admin/users/{user_id}", self.update_user, methods=["PUT"]),
            Route("/admin/users/{user_id}", self.delete_user, methods=["DELETE"]),
        ]

    async def list_users(self, request: Request) -> Response:
        """Return one page; the clients read the number of pages from the headers."""
        await self._check(request)
        page = Page(
            page=_number(request, "page", 1),
            per_page=min(_number(request, "per_page", PER_PAGE), PER_PAGE_MOST),
            ascending=request.query_params.get("sort", "").strip().endswith(" asc"),
            filter=request.query_params.get("filter", ""),
        )
        users, total = await self.admin.list(page)
        return JSONResponse(
            {"users": users, "aud": "authenticated"},
            headers={"X-Total-Count": str(total), "Link": _links(page, total)},
        )

    async def create_user(self, request: Request) -> Response:
        """Make a user."""
        await self._check(request)
        return JSONResponse(await self.admin.create(_admin_user(await read_body(request))))

    async def show_user(self, request: Request) -> Response:
        """Return a user."""
        await self._check(request)
        return JSONResponse(await self.admin.show(_path_id(request)))

    async def update_user(self, request: Request) -> Response:
        """Change a user."""
        await self._check(request)
        wanted = _admin_user(await read_body(request))
        return JSONResponse(await self.admin.update(_path_id(request), wanted))

    async def delete_user(self, request: Request) -> Response:
        """Delete a user."""
        await self._check(request)
        keeps_row = (await read_body(request)).flag("should_soft_delete")
        await self.admin.delete(_path_id(request), keeps_row=keeps_row)
        return JSONResponse({})

    async def _check(self, request: Request) -> None:
        claims = verified(request.scope.get("gavan.token"), self.verifier)
        request.scope["gavan.claims"] = claims
        await check_admin(claims, self.store)


def _admin_user(body: Body) -> AdminUser:
    ban = body.optional_text("ban_duration")
    return AdminUser(
        id=_body_id(body),
        role=body.optional_text("role"),
        email=body.text("email").lower() or None,
        phone=_phone(body),
        password=body.text("password") or None,
        password_hash=body.text("password_hash") or None,
        email_confirm=body.flag("email_confirm"),
        phone_confirm=body.flag("phone_confirm"),
        user_metadata=body.mapping("user_metadata") or {},
        app_metadata=body.mapping("app_metadata") or {},
        bans=ban is not None,
        ban_s=_ban_s(ban),
    )


def _phone(body: Body) -> str | None:
    phone = body.text("phone").replace("+", "").replace(" ", "")
    if phone and not _PHONE.fullmatch(phone):
        raise validation_failed("Invalid phone number format (E.164 required)")
    return phone or None


def _ban_s(text: str | None) -> float | None:
    if text is None or text == "none":
        return None
    try:
        return min(parse_duration_s(text), BAN_MOST_S)
    except ValueError as error:
        raise validation_failed(f"invalid format for ban duration: {error}") from error


def _body_id(body: Body) -> UUID | None:
    text = body.optional_text("id")
    if text is None:
        return None
    try:
        user_id = UUID(text)
    except ValueError as error:
        raise validation_failed("ID must conform to the uuid v4 format") from error
    if user_id.int == 0:
        raise validation_failed("ID cannot be a nil uuid")
    return user_id


def _path_id(request: Request) -> UUID:
    try:
        return UUID(request.path_params["user_id"])
    except ValueError as error:
        raise validation_failed("user_id must be an UUID", status=404) from error


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise validation_failed("Bad Pagination Parameters")
    return int(text) or default


def _links(page: Page, total: int) -> str:
    last = ceil(total / page.per_page)

    def link(number: int, relation: str) -> str:
        return f'</admin/users?page={number}&per_page={page.per_page}>; rel="{relation}"'

    found = [link(page.page + 1, "next")] if page.page < last else []
    return ", ".join([*found, link(last, "last")])
