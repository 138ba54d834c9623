"""Which claims a custom_access_token hook may return; pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gavan.core.auth.hooks.refusal import unexpected

REQUIRED = (
    "aud",
    "exp",
    "iat",
    "sub",
    "email",
    "phone",
    "role",
    "aal",
    "session_id",
    "is_anonymous",
)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_whole(value: object) -> bool:
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return whole and not isinstance(value, bool)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _is_methods(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str | dict) for item in value)


_TYPES: dict[str, tuple[str, Callable[[object], bool]]] = {
    "aud": ("a string or an array", lambda value: isinstance(value, str | list)),
    "exp": ("an integer", _is_whole),
    "iat": ("an integer", _is_whole),
    "nbf": ("an integer", _is_whole),
    "jti": ("a string", _is_text),
    "iss": ("a string", _is_text),
    "sub": ("a string", _is_text),
    "email": ("a string", _is_text),
    "phone": ("a string", _is_text),
    "role": ("a string", _is_text),
    "aal": ("a string", _is_text),
    "session_id": ("a string", _is_text),
    "client_id": ("a string", _is_text),
    "app_metadata": ("an object", _is_object),
    "user_metadata": ("an object", _is_object),
    "amr": ("an array of strings or objects", _is_methods),
}


def check_claims(output: dict[str, Any]) -> dict[str, Any]:
    """Return the claims of a hook's answer; raise AuthError 500 when they make no token."""
    if "claims" not in output:
        raise unexpected("output claims field is missing")
    claims = output["claims"]
    if not isinstance(claims, dict):
        raise unexpected("Error unmarshaling JSON output.")
    problems = [f"- (root): {name} is required" for name in REQUIRED if name not in claims]
    problems += [
        f"- {name}: {expected} is expected"
        for name, (expected, fits) in _TYPES.items()
        if name in claims and not fits(claims[name])
    ]
    if problems:
        lines = "".join(f"{problem}\n" for problem in problems)
        raise unexpected(f"output claims do not conform to the expected schema: \n{lines}")
    return claims
