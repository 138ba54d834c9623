"""What an administrator may say of a custom provider; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gavan.core.auth.body import Body
from gavan.core.auth.errors import validation_failed
from gavan.core.auth.oauth.custom import PREFIX
from gavan.core.auth.oauth.provider import RESERVED

Input = Mapping[str, Any]
"""The fields of a request that were given, by their names."""

TYPES = ("oauth2", "oidc")
TEXTS = (
    "provider_type",
    "identifier",
    "name",
    "client_id",
    "client_secret",
    "issuer",
    "discovery_url",
    "authorization_url",
    "token_url",
    "userinfo_url",
    "jwks_uri",
)
LISTS = ("acceptable_client_ids", "scopes", "custom_claims_allowlist")
FLAGS = {
    "pkce_enabled": True,
    "enabled": True,
    "email_optional": False,
    "skip_nonce_check": False,
}
MAPPINGS = ("attribute_mapping", "authorization_params")
ADDRESSES = {
    "oidc": ("issuer", "discovery_url"),
    "oauth2": ("authorization_url", "token_url", "userinfo_url", "jwks_uri"),
}
NEEDED = {
    "oidc": {"issuer": "OIDC"},
    "oauth2": {"authorization_url": "OAuth2", "token_url": "OAuth2", "userinfo_url": "OAuth2"},
}
DISCOVERY_FIELDS = (
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
    "jwks_uri",
    "scopes_supported",
    "response_types_supported",
    "grant_types_supported",
    "subject_types_supported",
)
PROTECTED = frozenset(
    {
        "id",
        "aud",
        "role",
        "app_metadata",
        "created_at",
        "updated_at",
        "confirmed_at",
        "email_confirmed_at",
        "phone_confirmed_at",
        "email_verified",
        "phone_verified",
        "banned_until",
        "is_super_admin",
    }
)
"""What no provider may say of an account."""

_IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9:-]{0,48}[a-z0-9]")


def read_input(body: Body) -> Input:
    """Return the fields that were given; raise AuthError 400 ``bad_json`` for a wrong type."""
    found: dict[str, Any] = {name: body.optional_text(name) for name in TEXTS}
    found |= {name: body.texts(name) for name in LISTS}
    found |= {name: body.optional_flag(name) for name in FLAGS}
    found |= {name: body.mapping(name) for name in MAPPINGS}
    return {name: value for name, value in found.items() if value is not None}


def check_new(wanted: Input) -> None:
    """Raise AuthError 400 for a new provider that lacks something."""
    kind = wanted.get("provider_type")
    if kind not in TYPES:
        raise validation_failed("provider_type must be either 'oauth2' or 'oidc'")
    identifier = wanted.get("identifier", "")
    if not identifier:
        raise validation_failed("identifier is required")
    if not identifier.startswith(PREFIX):
        raise validation_failed(
            f"identifier must start with 'custom:' prefix, e.g. 'custom:{identifier}'"
        )
    if not _IDENTIFIER.fullmatch(identifier):
        raise validation_failed("identifier may have small letters, digits, hyphens and colons")
    for name in ("name", "client_id", "client_secret"):
        if not wanted.get(name):
            raise validation_failed(f"{name} is required")
    for name, label in NEEDED[kind].items():
        if not wanted.get(name):
            raise validation_failed(f"{name} is required for {label} providers")


def check_values(wanted: Input) -> None:
    """Raise AuthError 400 for parameters and mappings that would undo a protection."""
    for name, value in wanted.get("authorization_params", {}).items():
        if name.lower() in RESERVED:
            raise validation_failed(f"Cannot override reserved OAuth parameter: {name}")
        if not isinstance(value, str):
            raise validation_failed(f'Authorization parameter "{name}" must be a string')
    for name in wanted.get("attribute_mapping", {}):
        if name in PROTECTED:
            raise validation_failed(f"Cannot map to protected system field: {name}")
    if not all(name.strip() for name in wanted.get("custom_claims_allowlist", ())):
        raise validation_failed("custom_claims_allowlist entries must be non-empty strings")
    for name, most in (("name", 100), ("client_id", 512), *((text, 2048) for text in TEXTS[5:])):
        if len(wanted.get(name, "")) > most:
            raise validation_failed(f"{name} must have at most {most} characters")


def merged(known: Mapping[str, Any], wanted: Input) -> dict[str, Any]:
    """Return the row that a request makes of the one that is stored, or of none.

    Texts that are empty change nothing; the fields of the other type of provider stay empty.
    """
    kind = known.get("provider_type") or wanted["provider_type"]
    row: dict[str, Any] = {name: known.get(name) for name in TEXTS}
    own = {*TEXTS[:5], *ADDRESSES[kind]}
    row |= {name: wanted[name] for name in own if wanted.get(name)}
    if known:
        row |= {name: known[name] for name in ("provider_type", "identifier")}
    row |= {name: wanted.get(name, known.get(name, [])) for name in LISTS}
    row |= {name: wanted.get(name, known.get(name, usual)) for name, usual in FLAGS.items()}
    row |= {name: wanted.get(name, known.get(name, {})) for name in MAPPINGS}
    if kind == "oidc" and "openid" not in row["scopes"]:
        row["scopes"] = ["openid", *row["scopes"]]
    return row


def addresses_of(row: Mapping[str, Any], wanted: Input) -> list[str]:
    """Return the addresses of a provider that a request names."""
    names = ADDRESSES[row["provider_type"]]
    return [wanted[name] for name in names if wanted.get(name)]
