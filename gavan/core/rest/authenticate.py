"""Who asks: the bearer token becomes claims and a role, or a PGRST30x."""

from __future__ import annotations

from gavan.core.rest.errors import RestError
from gavan.core.rest.request import Scope
from gavan.kit.jwt import Claims, TokenError, TokenReason, Verifier

MALFORMED = frozenset(
    {
        TokenReason.EMPTY,
        TokenReason.MALFORMED,
        TokenReason.ALGORITHM,
        TokenReason.NO_KEY,
        TokenReason.SIGNATURE,
    }
)


def authenticate(scope: Scope, anon_role: str | None) -> tuple[str, Claims | None]:
    """Return the role of a request and its claims.

    The gateway puts the token and its verifier into the scope. Raises PGRST300 without a verifier,
    PGRST301 or PGRST303 for a bad token, PGRST302 when nobody may come without one.
    """
    token: str | None = scope.get("gavan.token")
    claims = None
    if token is not None:
        verifier: Verifier | None = scope.get("gavan.verifier")
        if verifier is None:
            raise RestError("PGRST300", "Server lacks JWT secret", status=500)
        try:
            claims = verifier.verify(token)
        except TokenError as error:
            raise _refused(error) from error
    role = claims.role if claims is not None and claims.role is not None else anon_role
    if role is None:
        raise RestError(
            "PGRST302",
            "Anonymous access is disabled",
            status=401,
            headers=((b"www-authenticate", b"Bearer"),),
        )
    return role, claims


def _refused(error: TokenError) -> RestError:
    challenge = f'Bearer error="invalid_token", error_description="{error.message}"'
    return RestError(
        "PGRST301" if error.reason in MALFORMED else "PGRST303",
        error.message,
        status=401,
        details=error.details,
        headers=((b"www-authenticate", challenge.encode("latin-1", "replace")),),
    )
