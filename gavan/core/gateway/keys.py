"""Which token a request acts with: the bearer it sent, or the one its API key stands for.

Pure; the front door calls it once per request and services read the result.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs

from gavan.kit.secret import Secret

OPAQUE_PREFIX = "sb_"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeys:
    """The opaque keys of a stack and the tokens they stand for."""

    publishable: Secret
    secret: Secret
    anon_token: Secret
    service_token: Secret

    def translate(self, key: str) -> str | None:
        """Return the token of an opaque key, or None when it is no key of this stack."""
        offered = Secret(key)
        if offered == self.secret:
            return self.service_token.reveal()
        if offered == self.publishable:
            return self.anon_token.reveal()
        return None


def bearer(authorization: str) -> str | None:
    """Return the token of a bearer header: empty when it names none, None for other schemes."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def request_token(authorization: str, apikey: str, keys: ApiKeys) -> str | None:
    """Return the token a request acts with, or None when it is anonymous.

    A bearer that is itself an opaque key does not count: the clients repeat their key there.
    An unknown key is copied without a scheme upstream, so it counts as nothing.
    """
    sent = bearer(authorization)
    if authorization and not (sent and sent.startswith(OPAQUE_PREFIX)):
        return sent
    return keys.translate(apikey) if apikey else None


def socket_token(header_key: str, query_string: bytes, keys: ApiKeys) -> str | None:
    """Return the token of a websocket: browsers can only send their key in the query."""
    query = parse_qs(query_string.decode("latin-1"))
    key = header_key or query.get("apikey", [""])[0]
    if not key:
        return None
    return keys.translate(key) or (None if key.startswith(OPAQUE_PREFIX) else key)
