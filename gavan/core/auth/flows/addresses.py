"""E-mail addresses and phone numbers as they are stored; pure."""

from __future__ import annotations

import re

from gavan.core.auth.errors import AuthError, validation_failed

EMAIL_LENGTH = 255
_EMAIL = re.compile(
    r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
    r"(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+",
    re.IGNORECASE | re.ASCII,  # without ASCII, the Kelvin sign would be a k
)
_PHONE = re.compile(r"[1-9][0-9]{1,14}")


def email_of(text: str) -> str:
    """Return an address in small letters; raise AuthError 400 for a text that is none."""
    if not text:
        raise validation_failed("An email address is required")
    if len(text) > EMAIL_LENGTH:
        raise validation_failed("An email address is too long")
    if not _EMAIL.fullmatch(text):
        raise validation_failed("Unable to validate email address: invalid format")
    return text.lower()


def phone_of(text: str) -> str:
    """Return a number without ``+`` and blanks; raise AuthError 400 for a text that is none."""
    phone = plain_phone(text)
    if not _PHONE.fullmatch(phone):
        raise validation_failed("Invalid phone number format (E.164 required)")
    return phone


def plain_phone(text: str) -> str:
    """Return a number without ``+`` and blanks, whatever it is."""
    return text.removeprefix("+").replace(" ", "")


def email_exists() -> AuthError:
    """Return the answer for an address that another account has."""
    return AuthError(
        422, "email_exists", "A user with this email address has already been registered"
    )


def phone_exists() -> AuthError:
    """Return the answer for a number that another account has."""
    return AuthError(
        422, "phone_exists", "A user with this phone number has already been registered"
    )
