"""Ask the list of leaked passwords, by the first five digits of a SHA-1: it never sees the rest."""

from __future__ import annotations

import logging
from hashlib import sha1

from gavan.core.auth.config.passwords import PasswordConfig
from gavan.core.auth.errors import AuthError
from gavan.kit.outbound import AnswerTooLarge, Call, Outbound, Unreachable

TIMEOUT_S = 5.0
MOST_BYTES = 1024 * 1024
PREFIX = 5

logger = logging.getLogger(__name__)


class Leaks:
    """The range API of haveibeenpwned.com, or a mirror of it."""

    def __init__(self, config: PasswordConfig, outbound: Outbound) -> None:
        self._config = config
        self._outbound = outbound

    async def has(self, password: str) -> bool:
        """Return whether a password is known to have leaked.

        Raises:
            AuthError: 500 when the list cannot be asked and a password shall not pass then.
        """
        digest = sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
        try:
            listed = await self._range(digest[:PREFIX])
        except (Unreachable, TimeoutError, AnswerTooLarge, ValueError) as error:
            if self._config.leaks_fail_closed:
                raise AuthError(
                    500,
                    "unexpected_failure",
                    "Unable to perform password strength check with HaveIBeenPwned.org.",
                ) from error
            logger.warning(
                "the list of leaked passwords cannot be asked, so they pass: %s",
                type(error).__name__,
                extra={"event": "password.leaks_unreachable"},
            )
            return False
        return digest[PREFIX:] in listed

    async def _range(self, prefix: str) -> set[str]:
        call = Call(
            method="GET",
            url=f"{self._config.leaks_url}/range/{prefix}",
            # Padding hides from a listener how many passwords begin so; its lines count zero.
            headers={"user-agent": self._config.leaks_user_agent, "add-padding": "true"},
        )
        answer = await self._outbound.send(call, timeout_s=TIMEOUT_S, most_bytes=MOST_BYTES)
        if answer.status != 200:
            raise ValueError(f"status {answer.status}")
        pairs = (line.partition(":") for line in answer.body.decode("ascii").splitlines())
        return {suffix.upper() for suffix, _, count in pairs if count.strip() not in {"", "0"}}
