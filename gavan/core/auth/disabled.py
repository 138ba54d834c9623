"""Endpoints of GoTrue that this service does not offer yet: they answer as upstream does when the
feature is switched off, and never pretend.
"""

from __future__ import annotations

from gavan.core.auth.errors import AuthError

# path -> (needs a user first, status, code, message)
DISABLED: dict[str, tuple[bool, int, str, str]] = {
    "/sso": (False, 404, "saml_provider_disabled", "SAML 2.0 is disabled"),
    "/sso/saml/metadata": (False, 404, "saml_provider_disabled", "SAML 2.0 is disabled"),
    "/sso/saml/acs": (False, 404, "saml_provider_disabled", "SAML 2.0 is disabled"),
    "/.well-known/oauth-authorization-server": (
        False,
        404,
        "feature_disabled",
        "OAuth server is disabled",
    ),
    "/oauth/{rest:path}": (False, 404, "feature_disabled", "OAuth server is disabled"),
    "/user/oauth/grants": (True, 404, "feature_disabled", "OAuth server is disabled"),
}


def refusal(path: str) -> tuple[bool, AuthError]:
    """Return whether the caller must be known first, and the answer."""
    needs_user, status, code, message = DISABLED[path]
    return needs_user, AuthError(status, code, message)


def grant_refusal(grant: str) -> AuthError:
    """Return the answer for a grant that is not offered."""
    if grant == "web3":
        return AuthError(422, "web3_provider_disabled", "Web3 provider is disabled")
    return AuthError(400, "invalid_credentials", "unsupported_grant_type")
