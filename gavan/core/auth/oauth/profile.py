"""What a provider says of a person: claims in the form of OpenID Connect, and e-mail addresses.

Stands between the providers, who each speak differently, and the accounts. Only claims of the
right type are taken, so that no provider can put a structure where a text is expected
(supabase/auth:internal/api/provider/provider.go). Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

TEXTS = (
    "iss",
    "sub",
    "name",
    "family_name",
    "given_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "email",
    "phone",
    "full_name",
    "avatar_url",
    "slug",
    "provider_id",
    "user_name",
)
NUMBERS = ("iat", "exp")
SWITCHES = ("email_verified", "phone_verified")


@dataclass(frozen=True, slots=True)
class Email:
    """An address of a person, and whether the provider has seen that it is theirs."""

    address: str
    is_verified: bool
    is_primary: bool


@dataclass(frozen=True, slots=True)
class Profile:
    """A person as an identity of ours will say; ``claims`` always has ``sub``."""

    claims: Mapping[str, Any]
    emails: tuple[Email, ...]

    @property
    def subject(self) -> str:
        """Return the id of the person at the provider."""
        return str(self.claims["sub"])

    def verified(self, *, counts_all: bool) -> list[str]:
        """Return the addresses in small letters that may be taken for the person's."""
        return [email.address.lower() for email in self.emails if email.is_verified or counts_all]

    @property
    def primary(self) -> Email:
        """Return the address that an account is made with; an empty one when there is none."""
        chosen = next((email for email in self.emails if email.is_primary), Email("", False, True))
        return Email(chosen.address.lower(), chosen.is_verified, True)

    @property
    def identity(self) -> dict[str, Any]:
        """Return the claims as they are stored, with the primary address, else the last one."""
        made = dict(self.claims) | {"email_verified": False}
        made.setdefault("phone_verified", False)
        chosen = next((email for email in self.emails if email.is_primary), None)
        chosen = chosen or (self.emails[-1] if self.emails else None)
        if chosen is not None:
            made |= {"email": chosen.address.lower(), "email_verified": chosen.is_verified}
        return made


def make_profile(
    claims: Mapping[str, Any], emails: Iterable[Email], custom: Mapping[str, Any] | None = None
) -> Profile:
    """Return a profile of claims that have a value.

    Raises:
        ValueError: the provider did not say who it is.
    """
    made = {name: value for name, value in claims.items() if value not in (None, "", [])}
    if custom:
        made["custom_claims"] = dict(custom)
    if not made.get("sub"):
        raise ValueError("the provider named no subject")
    named = tuple(email for email in emails if email.address)
    if any(_reads_as_another(email.address) for email in named):
        raise ValueError("the provider named an address that small letters make another one")
    return Profile(made, named)


def standard_claims(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the claims of OpenID Connect that a document has, each of its own type."""
    claims: dict[str, Any] = {
        name: raw[name] for name in TEXTS if isinstance(raw.get(name), str) and raw[name]
    }
    if isinstance(raw.get("sub"), int) and not isinstance(raw["sub"], bool):
        claims["sub"] = str(raw["sub"])
    claims |= {name: raw[name] for name in NUMBERS if _is_number(raw.get(name))}
    claims |= {name: True for name in SWITCHES if raw.get(name) is True}
    audience = raw.get("aud")
    if isinstance(audience, str):
        claims["aud"] = [audience]
    elif isinstance(audience, list):
        claims["aud"] = [item for item in audience if isinstance(item, str)]
    updated = raw.get("updated_at")
    if isinstance(updated, str):
        claims["updated_at"] = updated
    elif _is_number(updated):
        moment = datetime.fromtimestamp(raw["updated_at"], UTC)
        claims["updated_at"] = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    if isinstance(raw.get("custom_claims"), dict):
        claims["custom_claims"] = raw["custom_claims"]
    return claims


def standard_profile(claims: Mapping[str, Any]) -> Profile:
    """Return the profile that standard claims describe."""
    address = str(claims.get("email", ""))
    email = Email(address, claims.get("email_verified") is True, True)
    return make_profile(claims, [email])


def _reads_as_another(address: str) -> bool:
    # The Kelvin sign has the small letter k, and its address is another person's.
    return address.lower().isascii() and not address.isascii()


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
