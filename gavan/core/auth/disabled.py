"""Endpoints of GoTrue that this service does not offer: they answer as upstream does when the
feature is switched off, to whom upstream would answer so, and never pretend.
"""

from __future__ import annotations

from dataclasses import dataclass

from gavan.core.auth.errors import AuthError


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """A feature that is off; ``who`` is asked first: nobody (empty), a ``user`` or an ``admin``."""

    code: str
    message: str
    who: str = ""

    def refusal(self) -> AuthError:
        """Return the answer."""
        return AuthError(404, self.code, self.message)


_SAML = ("saml_provider_disabled", "SAML 2.0 is disabled")
_OAUTH = ("feature_disabled", "OAuth server is disabled")
_SCIM = ("feature_disabled", "SCIM server is disabled")

DISABLED: dict[str, Feature] = {
    path: Feature(code=code, message=message, who=who)
    for path, who, (code, message) in (
        ("/sso", "", _SAML),
        ("/sso/saml/{rest:path}", "", _SAML),
        ("/admin/sso/providers", "admin", _SAML),
        ("/admin/sso/providers/{rest:path}", "admin", _SAML),
        ("/.well-known/oauth-authorization-server", "", _OAUTH),
        ("/oauth/{rest:path}", "", _OAUTH),
        ("/user/oauth/grants", "user", _OAUTH),
        ("/admin/oauth/clients", "admin", _OAUTH),
        ("/admin/oauth/clients/{rest:path}", "admin", _OAUTH),
        ("/scim/v2/{rest:path}", "", _SCIM),
    )
}


def grant_refusal(grant: str) -> AuthError:
    """Return the answer for a grant that is not offered."""
    if grant == "web3":
        return AuthError(422, "web3_provider_disabled", "Web3 provider is disabled")
    return AuthError(400, "invalid_credentials", "unsupported_grant_type")
