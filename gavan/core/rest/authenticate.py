"""Who asks: the bearer token becomes claims and a role, or a PGRST30x."""

from __future__ import annotations

from gavan.core.rest.config import RestConfig
from gavan.core.rest.errors import RestError
from gavan.core.rest.request import Scope
from gavan.core.rest.role_path import ROLE, role_at
from gavan.kit.jwt import (
    Claims,
    TokenError,
    TokenReason,
    Verifier,
    VerifyKey,
    check_audience,
)

MALFORMED = frozenset(
    {
        TokenReason.EMPTY,
        TokenReason.MALFORMED,
        TokenReason.ALGORITHM,
        TokenReason.NO_KEY,
        TokenReason.SIGNATURE,
    }
)


class Authenticator:
    """Verifies with the keys of the configuration, else with the verifier of the gateway."""

    def __init__(self) -> None:
        self._made_of: tuple[tuple[VerifyKey, ...] | None, int] = (None, 0)
        self._verifier: Verifier | None = None

    def authenticate(self, scope: Scope, config: RestConfig) -> tuple[str, Claims | None]:
        """Return the role of a request and its claims.

        Raises PGRST300 without a verifier, PGRST301 or PGRST303 for a bad token, PGRST302 when
        nobody may come without one.
        """
        token: str | None = scope.get("gavan.token")
        claims, role = None, None
        if token is not None:
            claims = self._verified(scope, token, config)
            path = config.jwt_role_path
            role = claims.role if path == ROLE else role_at(claims.raw, path)
        role = role if role is not None else config.anon_role
        if role is None:
            raise RestError(
                "PGRST302",
                "Anonymous access is disabled",
                status=401,
                headers=((b"www-authenticate", b"Bearer"),),
            )
        return role, claims

    def _verified(self, scope: Scope, token: str, config: RestConfig) -> Claims:
        verifier = self._own(config) or scope.get("gavan.verifier")
        if verifier is None:
            raise RestError("PGRST300", "Server lacks JWT secret", status=500)
        try:
            claims: Claims = verifier.verify(token)
            if config.jwt_audience is not None:
                check_audience(claims.raw, config.jwt_audience)
        except TokenError as error:
            raise _refused(error) from error
        return claims

    def _own(self, config: RestConfig) -> Verifier | None:
        # A new secret comes with a new snapshot and takes what was verified by the old one along.
        keys, entries = config.jwt_keys, config.jwt_cache_entries
        if keys is not self._made_of[0] or entries != self._made_of[1]:
            self._made_of = keys, entries
            self._verifier = None if keys is None else Verifier(keys, cache_entries=entries)
        return self._verifier


def _refused(error: TokenError) -> RestError:
    challenge = f'Bearer error="invalid_token", error_description="{error.message}"'
    return RestError(
        "PGRST301" if error.reason in MALFORMED else "PGRST303",
        error.message,
        status=401,
        details=error.details,
        headers=((b"www-authenticate", challenge.encode("latin-1", "replace")),),
    )
