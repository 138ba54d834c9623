"""Refusals that only the S3 protocol knows, and the XML shape of all of them.

Codes are upstream's where it has one (supabase/storage:src/internal/errors/codes.ts), Amazon's
otherwise: clients decide by them whether to try again.
"""

from __future__ import annotations

from starlette.responses import Response

from gavan.core.storage.errors import StorageError, access_denied
from gavan.core.storage.s3.documents import XML_DECLARATION, element

NOT_IMPLEMENTED = "NotImplemented"
MISMATCH = (
    "The request signature we calculated does not match the signature you provided."
    " Check your key and signing method."
)
MISMATCH_IN_SESSION = (
    "The request signature we calculated does not match the signature you provided,"
    " Check your credentials. The session token should be a valid JWT token"
)


def render(error: StorageError, resource: str, *, has_body: bool = True) -> Response:
    """Return the answer of an error with its real status; ``resource`` is ``bucket/key``."""
    if not has_body:
        return Response(status_code=error.status, headers=error.headers)
    # Without the namespace that all other answers are in: boto3 reads the code of no other error.
    body = XML_DECLARATION + element(
        "Error",
        element("Resource", resource),
        element("Code", error.code),
        element("Message", error.message),
    )
    return Response(
        body, status_code=error.status, headers=error.headers, media_type="application/xml"
    )


def unsigned() -> StorageError:
    """Return the answer to a request without any signature."""
    return access_denied("Missing signature")


def mismatch(*, has_token: bool) -> StorageError:
    """Return the answer to a signature that is not that of the request."""
    message = MISMATCH_IN_SESSION if has_token else MISMATCH
    return StorageError(403, "SignatureDoesNotMatch", message)


def malformed_signature(message: str = "Invalid signature format") -> StorageError:
    """Return the answer to a signature that cannot be read."""
    return StorageError(400, "InvalidSignature", message)


def expired() -> StorageError:
    """Return the answer to a presigned URL past its time."""
    return StorageError(400, "ExpiredToken", "The provided token has expired.")


def skewed() -> StorageError:
    """Return the answer to a signature of another time than now."""
    return StorageError(
        403,
        "RequestTimeTooSkewed",
        "The difference between the request time and the current time is too large.",
    )


def unsigned_header(name: str) -> StorageError:
    """Return the answer to a header that would change the meaning of what was signed."""
    return access_denied(f"There were headers present in the request which were not signed: {name}")


def malformed_xml(message: str) -> StorageError:
    """Return the answer to a body that is no XML, or not the XML that was asked for."""
    return StorageError(400, "MalformedXML", f"Invalid XML payload: {message}")


def not_implemented(what: str) -> StorageError:
    """Return the answer to a part of S3 that is not offered."""
    return StorageError(501, NOT_IMPLEMENTED, f"{what} is not implemented")


def bad_digest(name: str) -> StorageError:
    """Return the answer to bytes that are not those of a checksum."""
    return StorageError(
        400, "BadDigest", f"The {name} you specified did not match what we received."
    )


def incomplete_body(message: str) -> StorageError:
    """Return the answer to more or fewer bytes than were announced."""
    return StorageError(400, "IncompleteBody", message)


def no_such_upload() -> StorageError:
    """Return the answer to an upload that is missing, finished or aborted."""
    return StorageError(404, "NoSuchUpload", "Upload not found")


def invalid_part(message: str) -> StorageError:
    """Return the answer to a list of parts that are not those of the upload."""
    return StorageError(400, "InvalidPart", message)
