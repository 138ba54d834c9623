"""What a password has to be."""

from __future__ import annotations

from dataclasses import dataclass

from gavan.core.auth.config.environ import Environ

PASSWORD_FLOOR = 6
BCRYPT_COST = 10
RANGE_URL = "https://api.pwnedpasswords.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordConfig:
    """``required_characters`` are sets of which a password needs one character each.

    ``checks_leaks`` asks the list of leaked passwords at ``leaks_url``; when that cannot be
    reached, a password passes unless ``leaks_fail_closed``.
    """

    minimum_length: int = PASSWORD_FLOOR
    required_characters: tuple[str, ...] = ()
    checks_leaks: bool = False
    leaks_fail_closed: bool = False
    leaks_user_agent: str = "https://github.com/supabase/gotrue"
    leaks_url: str = RANGE_URL


def read_passwords(environ: Environ) -> PasswordConfig:
    """Return the section."""
    default = PasswordConfig()
    return PasswordConfig(
        minimum_length=max(PASSWORD_FLOOR, environ.count("PASSWORD_MIN_LENGTH", PASSWORD_FLOOR)),
        required_characters=environ.parsed("PASSWORD_REQUIRED_CHARACTERS", (), character_sets),
        checks_leaks=environ.flag("PASSWORD_HIBP_ENABLED", False),
        leaks_fail_closed=environ.flag("PASSWORD_HIBP_FAIL_CLOSED", False),
        leaks_user_agent=environ.text("PASSWORD_HIBP_USER_AGENT", default.leaks_user_agent),
        # A name of ours: for a mirror of the list inside a network without a way out.
        leaks_url=environ.text("PASSWORD_HIBP_URL", RANGE_URL).rstrip("/"),
    )


def character_sets(text: str) -> tuple[str, ...]:
    r"""Return the sets of a text ``abc:ABC:012``; ``\:`` is a colon inside a set."""
    parts = text.split(":")
    for index in range(len(parts) - 1):
        if parts[index].endswith("\\"):
            parts[index + 1] = f"{parts[index][:-1]}:{parts[index + 1]}"
            parts[index] = ""
    return tuple(part for part in parts if part)
