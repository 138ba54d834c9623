"""What a password lacks: length, characters, secrecy."""

from __future__ import annotations

from dataclasses import dataclass

from gavan.core.auth.config.passwords import PasswordConfig
from gavan.core.auth.errors import AuthError, validation_failed
from gavan.core.auth.guard.leaks import Leaks

LONGEST_BYTES = 72
"""What bcrypt looks at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weakness:
    """Why a password is weak: length, characters, pwned; and the sentences that say so."""

    reasons: tuple[str, ...]
    message: str


class Strength:
    """The password rules of one stack."""

    def __init__(self, config: PasswordConfig, leaks: Leaks) -> None:
        self._config = config
        self._leaks = leaks

    async def weakness(self, password: str) -> Weakness | None:
        """Return what a password lacks, None when it is strong enough.

        Raises:
            AuthError: 500 when the list of leaked ones cannot be asked and none shall pass then.
        """
        found: list[tuple[str, str]] = []
        if len(password) < self._config.minimum_length:
            least = self._config.minimum_length
            found.append(("length", f"Password should be at least {least} characters."))
        sets = self._config.required_characters
        if not all(set(wanted) & set(password) for wanted in sets):
            listed = ", ".join(sets)
            found.append(
                (
                    "characters",
                    f"Password should contain at least one character of each: {listed}.",
                )
            )
        if self._config.checks_leaks and await self._leaks.has(password):
            found.append(
                (
                    "pwned",
                    "Password is known to be weak and easy to guess, please choose a different"
                    " one.",
                )
            )
        if not found:
            return None
        return Weakness(
            reasons=tuple(reason for reason, _ in found),
            message=" ".join(sentence for _, sentence in found),
        )

    async def check(self, password: str) -> None:
        """Raise AuthError for a password that may not be set."""
        check_length(password)
        lacking = await self.weakness(password)
        if lacking is not None:
            raise AuthError(
                422,
                "weak_password",
                lacking.message,
                extra={"weak_password": {"reasons": list(lacking.reasons)}},
            )


def check_length(password: str) -> None:
    """Raise AuthError for a password that bcrypt would cut."""
    if len(password.encode()) > LONGEST_BYTES:
        raise validation_failed(f"Password cannot be longer than {LONGEST_BYTES} characters")
