"""Refusals of the storage service and their JSON shape (supabase/storage:src/internal/errors).

The real status stands in the body; over HTTP nearly every failure is a 400. The protocols of S3
and TUS render the same errors in their own shapes.
"""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from gavan.database.session import DatabaseError
from gavan.kit.errors import GavanError
from gavan.kit.storage.provider import BlobMissing, ProviderError

SERVER_FAULT = 500
_NOT_NOW = frozenset({423, 429})
RLS_REFUSED = "new row violates row-level security policy"


class StorageError(GavanError):
    """A refusal with upstream's code.

    Args:
        status: the real status, in the body.
        error: upstream's older word for it; the code when there is none.
        http_status: status of the JSON protocol; by default 500 stays, all else is 400.

    ``headers`` go with the answer, in every protocol.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        error: str | None = None,
        http_status: int | None = None,
    ) -> None:
        super().__init__(code, message, status=status)
        self.error = error or code
        self.http_status = http_status or (SERVER_FAULT if status == SERVER_FAULT else 400)
        self.headers: dict[str, str] = {}


def render(error: StorageError) -> Response:
    """Return the JSON answer."""
    body = {
        "statusCode": str(error.status),
        "error": error.error,
        "message": error.message,
        "code": error.code,
    }
    return JSONResponse(body, status_code=error.http_status, headers=error.headers)


def may_pass(error: StorageError) -> bool:
    """Say whether the same request may well succeed later: it was not judged, it failed."""
    return error.status >= SERVER_FAULT or error.status in _NOT_NOW


def no_such_bucket() -> StorageError:
    """Return the answer for a bucket that is missing, or that the caller may not see."""
    return StorageError(404, "NoSuchBucket", "Bucket not found", error="Bucket not found")


def no_such_key() -> StorageError:
    """Return the answer for an object that is missing, or that the caller may not see."""
    return StorageError(404, "NoSuchKey", "Object not found", error="not_found")


def access_denied(
    message: str = "Access denied", *, http_status: int | None = None
) -> StorageError:
    """Return the answer for what a policy, a token or a role does not allow."""
    return StorageError(403, "AccessDenied", message, error="Unauthorized", http_status=http_status)


def already_exists(code: str = "ResourceAlreadyExists") -> StorageError:
    """Return the answer for a key or a bucket that is taken."""
    return StorageError(409, code, "The resource already exists", error="Duplicate")


def invalid_request(message: str) -> StorageError:
    """Return the answer for a request that cannot be understood."""
    return StorageError(400, "InvalidRequest", message)


def invalid_body(message: str) -> StorageError:
    """Return the answer for a body, query or header that does not fit its schema."""
    return StorageError(400, "InvalidRequest", message, error="Error")


def invalid_parameter(name: str) -> StorageError:
    """Return the answer for a value out of its bounds."""
    return StorageError(400, "InvalidParameter", f"Invalid Parameter {name}")


def invalid_key(key: str) -> StorageError:
    """Return the answer for a name that no object may have."""
    return StorageError(400, "InvalidKey", f"Invalid key: {key}")


def precondition_failed() -> StorageError:
    """Return the answer to a condition on the state of an object that does not hold."""
    message = "At least one of the pre-conditions you specified did not hold"
    return StorageError(412, "PreconditionFailed", message, http_status=412)


def too_large(entity: str = "object") -> StorageError:
    """Return the answer for more bytes than the bucket or the stack takes."""
    return StorageError(
        413,
        "EntityTooLarge",
        f"The {entity} exceeded the maximum allowed size",
        error="Payload too large",
    )


def provider_error(error: ProviderError) -> StorageError:
    """Translate a failure of the store of blobs; its words are for the logs, which show the cause:
    those of Amazon's name the account and the bucket."""
    if isinstance(error, BlobMissing):
        missing = StorageError(404, "NoSuchKey", error.message, error="Not found")
        missing.headers["cache-control"] = "no-store"
        return missing
    failed = StorageError(500, "S3Error", error.message, error=error.message)
    failed.__cause__ = error
    return failed


def database_error(error: DatabaseError) -> StorageError:
    """Translate an SQLSTATE (supabase/storage:src/storage/database/errors.ts)."""
    made = _BY_STATE.get(error.sqlstate)
    if error.sqlstate == "42501":
        is_policy = "row-level security" in error.message
        return access_denied(RLS_REFUSED if is_policy else error.message)
    if error.sqlstate == "23503" and "still referenced" in (error.details or ""):
        return StorageError(
            409,
            "ResourceReferenced",
            "The resource could not be updated or removed due to a foreign key constraint",
        )
    if error.sqlstate in _UNREADABLE:
        return StorageError(400, "InvalidParameter", error.message)
    if error.sqlstate.startswith("08") or error.sqlstate in _CROWDED:
        return StorageError(
            429,
            "SlowDown",
            "Too many connections issued to the database",
            error="too_many_connections",
            http_status=429,
        )
    if made is None:
        return StorageError(500, "DatabaseError", f"database error, code: {error.sqlstate}")
    status, code, message, word, http_status = made
    return StorageError(status, code, message, error=word, http_status=http_status)


_UNREADABLE = frozenset({"22007", "22008", "22009", "22021", "22P02", "22P05"})
"""A time, a number, or a text that Postgres cannot make out"""
_CROWDED = frozenset({"53300", "57P01", "57P03"})
_MISMATCH = (
    503,
    "DatabaseSchemaMismatch",
    "The database schema is out of sync. Please run migrations or contact support.",
    None,
    None,
)
_BY_STATE: dict[str, tuple[int, str, str, str | None, int | None]] = {
    "23505": (409, "ResourceAlreadyExists", "The resource already exists", "Duplicate", None),
    "23503": (404, "InvalidRequest", "The related resource does not exist", None, None),
    "55P03": (423, "ResourceLocked", "The resource is locked", None, None),
    "57014": (544, "DatabaseTimeout", "The connection to the database timed out", None, 544),
    "25006": (
        503,
        "DatabaseReadOnly",
        "The database is currently in read-only mode. Please try again later.",
        None,
        None,
    ),
    "42P17": (
        503,
        "DatabaseInvalidObjectDefinition",
        "The database schema is invalid or incompatible.",
        None,
        None,
    ),
    "54000": (400, "InvalidKey", "Invalid key: the name is too long", None, None),  # of the index
    "42703": _MISMATCH,
    "42P01": _MISMATCH,
}
