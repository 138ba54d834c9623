"""Addresses that a callback leads to: with a code, with a session, or with what went wrong.

The error pairs are exactly upstream's, because clients read them from the address (supabase/auth:
internal/api/external.go). Pure.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from gavan.core.auth.errors import AuthError, OAuthError
from gavan.core.auth.flows.redirects import ascii_url

WORDS = {
    400: "invalid_request",
    401: "unauthorized_client",
    403: "access_denied",
    500: "server_error",
    503: "temporarily_unavailable",
}
DENIED = frozenset({"signup_disabled", "user_banned", "provider_email_needs_verification"})


def error_fields(error: AuthError) -> dict[str, str]:
    """Return the pairs that tell of a refusal; a provider's own words are handed on."""
    if isinstance(error, OAuthError):
        return {"error": error.code, "error_description": error.message}
    word = "access_denied" if error.code in DENIED else WORDS.get(error.status, "server_error")
    return {"error": word, "error_code": error.code, "error_description": error.message}


def with_query(url: str, fields: dict[str, str]) -> str:
    """Return an address with more pairs in its query."""
    parts = urlsplit(url)
    known = dict(parse_qsl(parts.query, keep_blank_values=True))
    return ascii_url(urlunsplit(parts._replace(query=_encoded(known | fields))))


def with_refusal(url: str, error: AuthError) -> str:
    """Return an address with a refusal in its query and, for older clients, in its fragment."""
    fields = error_fields(error)
    shown = {name: text for name, text in fields.items() if text}
    address = with_query(url.partition("#")[0], fields)
    return f"{address}#{_encoded(shown | {'sb': ''})}"


def with_tokens(url: str, session: dict[str, Any], access: str, refresh: str) -> str:
    """Return an address with a session and the provider's tokens in its fragment."""
    fields = {
        "access_token": session["access_token"],
        "token_type": session["token_type"],
        "expires_in": str(session["expires_in"]),
        "expires_at": str(session["expires_at"]),
        "refresh_token": session["refresh_token"],
        "sb": "",
        "provider_token": access,
    }
    if refresh:
        fields["provider_refresh_token"] = refresh
    return f"{ascii_url(url)}#{_encoded(fields)}"


def _encoded(fields: dict[str, str]) -> str:
    return urlencode(sorted(fields.items()))
