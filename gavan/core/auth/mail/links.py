"""The links of mails; pure. The admin's generate_link makes the same ones."""

from __future__ import annotations

from urllib.parse import quote, urljoin

from gavan.core.auth.config.mail import MailConfig

_PATHS = {
    "signup": "confirmation",
    "invite": "invite",
    "magiclink": "recovery",
    "recovery": "recovery",
    "email_change": "email_change",
}


def confirmation_url(
    config: MailConfig, external_url: str, link_type: str, token_hash: str, redirect_to: str
) -> str:
    """Return the address that a click confirms with; its ``token`` is the hash.

    Args:
        external_url: root of the auth service; ``/verify`` of it is the default, a configured
            path begins at its host, a configured address stands for itself.
        link_type: signup, invite, magiclink, recovery or email_change.
    """
    path = config.paths.get(_PATHS[link_type], "")
    base = urljoin(external_url, path) if path else f"{external_url}/verify"
    query = f"token={quote(token_hash, safe='')}&type={link_type}"
    return urljoin(base, f"?{query}&redirect_to={_redirect(redirect_to)}")


def _redirect(address: str) -> str:
    # What holds one of these was not escaped by whoever sent it; the rest is taken as it is, as
    # upstream does (supabase/auth:internal/mailer/templatemailer/templatemailer.go).
    if any(sign in address for sign in "&=#"):
        return quote(address, safe="")
    return quote(address, safe="%/:?@!$'()*+,;[]~")
