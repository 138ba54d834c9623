"""Where an answer may lead: the redirect allow list, and the addresses that answers are put into.

A link that is mailed, or a provider's callback, ends at an address the asker named. Only the site
itself and what the allow list names are taken; everything else silently becomes the site
(supabase/auth:internal/utilities/request.go, internal/api/verify.go).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, quote_plus, urlsplit, urlunsplit

from starlette.requests import Request

from gavan.core.auth.config.urls import UrlConfig
from gavan.core.auth.errors import AuthError
from gavan.core.auth.flows.globs import compile_glob

LONGEST = 4096
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0", "::"})  # noqa: S104  names only
_DECIMAL = re.compile(r"[0-9]+")
_HOST = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?")
# Browsers read a backslash as a slash and drop blanks: such a text names another host to them.
_MISLEADING = re.compile(r"[\x00-\x20\x7f\\]")
_ERROR_WORDS = {
    400: "invalid_request",
    401: "unauthorized_client",
    403: "access_denied",
    500: "server_error",
    503: "temporarily_unavailable",
}


@dataclass(frozen=True, slots=True)
class Redirects:
    """The allow list of one stack, compiled."""

    site_url: str
    patterns: tuple[re.Pattern[str], ...]

    @classmethod
    def of(cls, urls: UrlConfig) -> Redirects:
        """Return the list; raise ValueError for a glob that cannot be read."""
        return cls(urls.site_url, tuple(compile_glob(glob) for glob in urls.allow_list))

    def target(self, request: Request) -> str:
        """Return where a request wants its answer to lead, or the site when that is not allowed."""
        asked = request.headers.get("redirect_to") or request.query_params.get("redirect_to", "")
        for candidate in (asked, request.headers.get("referer", "")):
            if self.allows(candidate):
                return candidate
        return self.site_url

    def allows(self, url: str) -> bool:
        """Return whether an address is the site's or fits a glob of the list."""
        site, wanted = _split(self.site_url), _split(url)
        if not url or site is None or wanted is None:
            return False
        host = wanted.hostname or ""
        same_port = site.port == wanted.port or host in _LOCAL
        if (site.hostname or "", site.scheme) == (host, wanted.scheme) and same_port:
            return True
        if not _is_ordinary(host, wanted.scheme):
            return False
        if "@" in wanted.netloc and wanted.scheme in {"http", "https"}:
            return False  # a glob for any port would take a name and password before another host
        without_fragment = url.partition("#")[0]
        return any(pattern.fullmatch(without_fragment) for pattern in self.patterns)


def _split(url: str) -> SplitResult | None:
    if len(url) > LONGEST or _MISLEADING.search(url):
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for what is no number
    except ValueError:
        return None
    return parts


def _is_ordinary(host: str, scheme: str) -> bool:
    if _DECIMAL.fullmatch(host):
        return False  # an address written as one number
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return scheme not in {"http", "https"} or bool(_HOST.fullmatch(host))


def with_session(url: str, session: dict[str, Any], link_type: str) -> str:
    """Return the address with a token response in its fragment, which no server's log sees."""
    fields = {
        "access_token": session["access_token"],
        "expires_at": str(session["expires_at"]),
        "expires_in": str(session["expires_in"]),
        "refresh_token": session["refresh_token"],
        "sb": "",
        "token_type": session["token_type"],
        "type": link_type,
    }
    return f"{ascii_url(url)}#{_encoded(fields)}"


def with_code(url: str, code: str) -> str:
    """Return the address with a PKCE code in its query."""
    return _with(url, query={"code": code})


def with_message(url: str, message: str, *, is_pkce: bool) -> str:
    """Return the address with a message in its fragment, for PKCE in its query as well."""
    fields = {"message": message}
    return _with(url, query=fields if is_pkce else {}, fragment=fields | {"sb": ""})


def with_error(url: str, error: AuthError, *, is_pkce: bool) -> str:
    """Return the address with a refusal in its fragment, for PKCE in its query as well."""
    fields = {"error_code": error.code, "error_description": error.message}
    if error.status in _ERROR_WORDS:
        fields["error"] = _ERROR_WORDS[error.status]
    return _with(url, query=fields if is_pkce else {}, fragment=fields | {"sb": ""})


def ascii_url(url: str) -> str:
    """Return an address that fits into a header: what is not ASCII is percent-encoded."""
    return quote(url, safe="!#$%&'()*+,/:;=?@[]~-._")


def _with(url: str, *, query: dict[str, str], fragment: dict[str, str] | None = None) -> str:
    parts = urlsplit(url)
    if query:
        fields = dict(parse_qsl(parts.query, keep_blank_values=True)) | query
        parts = parts._replace(query=_encoded(fields))
    if fragment is not None:
        parts = parts._replace(fragment=_encoded(fragment))
    return ascii_url(urlunsplit(parts))


def _encoded(fields: dict[str, str]) -> str:
    # By name, as upstream writes them; blanks become plus signs.
    return "&".join(f"{quote_plus(name)}={quote_plus(fields[name])}" for name in sorted(fields))
