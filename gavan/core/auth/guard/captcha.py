"""Ask hCaptcha or Turnstile whether a token was earned by a person."""

from __future__ import annotations

from urllib.parse import urlencode

import orjson

from gavan.core.auth.asked import client_ip
from gavan.core.auth.config.security import CaptchaConfig
from gavan.core.auth.errors import AuthError
from gavan.kit.outbound import AnswerTooLarge, Call, Outbound, Unreachable

MOST_BYTES = 64 * 1024
PATHS = frozenset(
    {
        "/signup",
        "/recover",
        "/resend",
        "/magiclink",
        "/otp",
        "/token",
        "/sso",
        "/passkeys/authentication/options",
    }
)
FREE_GRANTS = frozenset({"pkce", "refresh_token", "id_token"})
"""Grants that continue what a person began."""


class Captcha:
    """One account of one provider."""

    def __init__(self, config: CaptchaConfig, outbound: Outbound) -> None:
        self._config = config
        self._outbound = outbound

    async def check(self, token: str) -> None:
        """Raise AuthError 400 ``captcha_failed`` unless the provider takes the token."""
        if not token.strip():
            raise _refused("no captcha_token found")
        said = await self._ask(token.strip())
        if said.get("success") is not True:
            codes = said.get("error-codes")
            listed = [str(code) for code in codes] if isinstance(codes, list) else []
            raise _refused(", ".join(listed))

    async def _ask(self, token: str) -> dict[str, object]:
        form = {
            "secret": self._config.secret.reveal(),
            "response": token,
            "remoteip": client_ip(),
        }
        call = Call(
            method="POST",
            url=self._config.url,
            headers={"content-type": "application/x-www-form-urlencoded"},
            body=urlencode(form).encode(),
        )
        try:
            answer = await self._outbound.send(
                call, timeout_s=self._config.timeout_s, most_bytes=MOST_BYTES
            )
            said = orjson.loads(answer.body)
        except (Unreachable, TimeoutError, AnswerTooLarge, orjson.JSONDecodeError) as error:
            raise AuthError(
                500, "unexpected_failure", "captcha verification process failed"
            ) from error
        return said if isinstance(said, dict) else {}


def _refused(reason: str) -> AuthError:
    return AuthError(400, "captcha_failed", f"captcha protection: request disallowed ({reason})")
