"""Read the ids that stand in the path of a request."""

from __future__ import annotations

from uuid import UUID

from starlette.requests import Request

from gavan.core.auth.errors import validation_failed


def path_id(request: Request, name: str) -> UUID:
    """Return the id in a part of the path; raise AuthError 404 ``validation_failed`` for none."""
    try:
        return UUID(request.path_params[name])
    except ValueError as error:
        raise validation_failed(f"{name} must be an UUID", status=404) from error
