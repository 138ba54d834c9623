"""Who calls: the token that the core gave to a person. The core itself checks it on every use."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header

from botmox.errors import ApiError


async def token_of(authorization: Annotated[str, Header()] = "") -> str:
    """Return the bearer token; 401 without one."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise ApiError(401, "unauthorized", "sign in first: Authorization: Bearer <token>")
    return token.strip()


Token = Annotated[str, Depends(token_of)]
