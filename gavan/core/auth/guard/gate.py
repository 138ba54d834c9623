"""What every request of the auth service passes before its endpoint: address, rates, captcha.

Stands between the service and its routes. A guarded body is read here once, and given on.
"""

from __future__ import annotations

from typing import Any

import orjson
from starlette.datastructures import Headers, QueryParams
from starlette.types import Message, Receive, Scope

from gavan.core.auth.asked import begin
from gavan.core.auth.body import BODY_BYTES
from gavan.core.auth.config.auth import AuthConfig
from gavan.core.auth.errors import AuthError, validation_failed
from gavan.core.auth.guard.address import asked_of
from gavan.core.auth.guard.captcha import FREE_GRANTS, PATHS, Captcha
from gavan.core.auth.guard.limits import ANONYMOUS, Limits
from gavan.kit.jwt import TokenError, Verifier
from gavan.kit.outbound import Outbound


class Gate:
    """The guard of one process."""

    def __init__(self, config: AuthConfig, verifier: Verifier, outbound: Outbound) -> None:
        self._config = config
        self._verifier = verifier
        self._limits = Limits(config.rates)
        captcha = config.security.captcha
        self._captcha = Captcha(captcha, outbound) if captcha else None

    async def admit(self, scope: Scope, receive: Receive) -> Receive:
        """Return what the endpoint reads the body from.

        Raises:
            AuthError: 429 for an address that asks too often, 400 without a captcha or with a NUL,
                413 for a
                body over 1 MiB.
        """
        if b"%00" in scope["query_string"] or "\0" in scope["path"]:
            raise validation_failed("the character NUL cannot be stored")
        headers = Headers(scope=scope)
        peer = scope["client"][0] if scope.get("client") else ""
        begin(asked_of(headers, peer, self._config.rates.header, self._config.mail.external_hosts))
        method, path = scope["method"], scope["path"]
        is_signup = (method, path) == ("POST", "/signup")
        if not is_signup:  # nothing is read of whoever asks too often
            self._limits.take(self._limits.bucket_of(method, path), headers)
            if self._captcha is None or method != "POST" or path not in PATHS:
                return receive
        body = await _read(receive)
        fields = _fields(body)
        await self._check_captcha(scope, fields)
        if is_signup:
            is_named = bool(fields.get("email") or fields.get("phone"))
            self._limits.take("POST /signup" if is_named else ANONYMOUS, headers)
        return _replay(body, receive)

    async def _check_captcha(self, scope: Scope, fields: dict[str, Any]) -> None:
        if self._captcha is None or self._is_admin(scope):
            return
        query = QueryParams(scope["query_string"])
        if scope["path"] == "/token" and query.get("grant_type") in FREE_GRANTS:
            return
        security = fields.get("gotrue_meta_security")
        token = security.get("captcha_token") if isinstance(security, dict) else None
        await self._captcha.check(token if isinstance(token, str) else "")

    def _is_admin(self, scope: Scope) -> bool:
        token = scope.get("gavan.token")
        if not token:
            return False
        try:
            return self._verifier.verify(token).role in self._config.tokens.admin_roles
        except TokenError:
            return False


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return bytes(body)
        body += message.get("body", b"")
        if len(body) > BODY_BYTES:
            raise AuthError(413, "request_entity_too_large", "Request body is over 1 MiB")
        if not message.get("more_body", False):
            return bytes(body)


def _fields(body: bytes) -> dict[str, Any]:
    """Return the fields, none for a body that its endpoint will refuse."""
    try:
        fields = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _replay(body: bytes, receive: Receive) -> Receive:
    is_read = False

    async def again() -> Message:
        nonlocal is_read
        if is_read:
            return await receive()
        is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
