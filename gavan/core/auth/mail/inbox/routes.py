"""The inbox over HTTP: a page for people, a small API for tests and for ``gavan inbox``.

Only a development stack has it. It shows sign-in links, so it answers to this machine alone: not
to another site in the same browser (Origin, Sec-Fetch-Site), not under another name (DNS
rebinding). A mail is shown in a frame of its own without scripts, forms, cookies or network.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gavan.core.auth.errors import AuthError, validation_failed
from gavan.core.auth.mail.inbox.store import Caught, Inbox, Wanted

ROOT = "/_gavan/inbox"
WAIT_MOST_S = 9.0
"""Below the deadline of a request; who wants to wait longer asks again."""
_HERE = Path(__file__).parent / "static"
_ASSETS = {
    "": ("inbox.html", "text/html; charset=utf-8"),
    "/inbox.css": ("inbox.css", "text/css; charset=utf-8"),
    "/inbox.js": ("inbox.js", "text/javascript; charset=utf-8"),
}
_SITES = frozenset({"", "none", "same-origin"})
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self';"
    " frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# A link may be followed, in a window of its own; nothing else of the mail does anything.
_MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none';"
    " frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
)
_MANNERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxEdge:
    """What the endpoints call; ``host`` is the name this stack is reached by, besides loopback."""

    inbox: Inbox
    host: str

    def routes(self) -> list[Route]:
        """Return the routes."""
        pages = [
            Route(f"{ROOT}{path}", self._asset(name, media_type), methods=["GET"])
            for path, (name, media_type) in _ASSETS.items()
        ]
        return [
            *pages,
            Route(f"{ROOT}/api/mails", self.list_mails, methods=["GET"]),
            Route(f"{ROOT}/api/mails", self.clear, methods=["DELETE"]),
            Route(f"{ROOT}/api/wait", self.wait, methods=["GET"]),
            Route(f"{ROOT}/api/mails/{{mail_id}}", self.show, methods=["GET"]),
            Route(f"{ROOT}/api/mails/{{mail_id}}", self.delete, methods=["DELETE"]),
            Route(f"{ROOT}/mails/{{mail_id}}.html", self.page, methods=["GET"]),
        ]

    async def list_mails(self, request: Request) -> Response:
        """Return the mails, the newest first, without their bodies."""
        self._check(request)
        found = await self.inbox.find(_wanted(request))
        return _json({"mails": [_brief(mail) for mail in found]})

    async def show(self, request: Request) -> Response:
        """Return one mail whole."""
        self._check(request)
        return _json(_whole(await self._mail(request)))

    async def wait(self, request: Request) -> Response:
        """Return the oldest mail that fits, once there is one; 204 when time is up."""
        self._check(request)
        timeout_s = _seconds(request.query_params.get("timeout", "5"))
        mail = await self.inbox.wait(_wanted(request), timeout_s)
        return Response(status_code=204, headers=_MANNERS) if mail is None else _json(_whole(mail))

    async def delete(self, request: Request) -> Response:
        """Delete one mail."""
        self._check(request)
        if not await self.inbox.delete(request.path_params["mail_id"]):
            raise _not_found()
        return Response(status_code=204, headers=_MANNERS)

    async def clear(self, request: Request) -> Response:
        """Delete the mails that fit."""
        self._check(request)
        return _json({"deleted": await self.inbox.clear(_wanted(request))})

    async def page(self, request: Request) -> Response:
        """Return the HTML of a mail for the frame that it is shown in."""
        self._check(request)
        mail = await self._mail(request)
        # Its links open beside the inbox, where the cookies and storage of the site are.
        body = f'<base target="_blank">{mail.html}' if mail.html else ""
        return Response(
            body,
            media_type="text/html; charset=utf-8",
            headers=_MANNERS | {"Content-Security-Policy": _MAIL_POLICY},
        )

    def _asset(self, name: str, media_type: str) -> Any:
        async def answer(request: Request) -> Response:
            self._check(request)
            return Response(
                await asyncio.to_thread(_file, name),
                media_type=media_type,
                headers=_MANNERS | {"Content-Security-Policy": _PAGE_POLICY},
            )

        return answer

    async def _mail(self, request: Request) -> Caught:
        mail = await self.inbox.get(request.path_params["mail_id"])
        if mail is None:
            raise _not_found()
        return mail

    def _check(self, request: Request) -> None:
        """Raise AuthError 403 for what no page and no program of this machine would ask."""
        if request.scope.get("root_path"):
            raise HTTPException(404)  # it has one address
        host = _hostname(f"//{request.headers.get('host', '')}")
        if host not in _LOCAL | {self.host}:
            raise _forbidden("the inbox is not reached by this name")
        origin = request.headers.get("origin", "")
        same = origin == "" or urlsplit(origin).netloc == request.headers.get("host", "")
        if not same or request.headers.get("sec-fetch-site", "") not in _SITES:
            raise _forbidden("the inbox is not shown to other sites")


@cache
def _file(name: str) -> bytes:
    return (_HERE / name).read_bytes()


def _hostname(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _wanted(request: Request) -> Wanted:
    query = request.query_params
    return Wanted(to=query.get("to", ""), kind=query.get("kind", ""), after=query.get("after", ""))


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise validation_failed("timeout is a number of seconds") from error
    return min(max(value, 0.0), WAIT_MOST_S) if value == value else 0.0


def _brief(mail: Caught) -> dict[str, Any]:
    return {
        "id": mail.id,
        "at": mail.at,
        "to": mail.to,
        "from": mail.sender,
        "subject": mail.subject,
        "kind": mail.kind,
        "code": mail.code,
        "link": mail.link,
    }


def _whole(mail: Caught) -> dict[str, Any]:
    return _brief(mail) | {
        "text": mail.text,
        "html": mail.html,
        "headers": [list(pair) for pair in mail.headers],
    }


def _json(body: dict[str, Any]) -> Response:
    return JSONResponse(body, headers=_MANNERS)


def _not_found() -> AuthError:
    return AuthError(404, "mail_not_found", "No such mail in the inbox")


def _forbidden(reason: str) -> AuthError:
    return AuthError(403, "inbox_forbidden", reason)
