"""What TUS answers: plain texts with their real status, some of them with a line's end.

The texts are those of upstream's library (tus/tus-node-server:packages/utils/src/constants.ts), for
clients compare them.
"""

from __future__ import annotations

from starlette.responses import JSONResponse, PlainTextResponse, Response

from gavan.core.storage.errors import StorageError

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,creation-defer-length,termination,expiration"
TOO_MANY, UNAVAILABLE = 429, 503
TOO_LARGE = "Maximum size exceeded\n"


def refusal(status: int, text: str) -> StorageError:
    """Return a refusal of the protocol's own."""
    return StorageError(status, "TusError", text)


def not_found() -> StorageError:
    """Return the answer for an upload that never was, is over, or is somebody else's."""
    return refusal(404, "The file for this url was not found\n")


def gone() -> StorageError:
    """Return the answer for an upload whose time is over, or whose bytes are lost."""
    return refusal(410, "The file for this url no longer exists\n")


def wrong_length() -> StorageError:
    """Return the answer for a length that is missing, said twice, or cannot be."""
    return refusal(400, "Upload-Length or Upload-Defer-Length header required\n")


def wrong_offset() -> StorageError:
    """Return the answer for bytes that do not begin where the others end."""
    return refusal(409, "Upload-Offset conflict\n")


def over_maximum() -> StorageError:
    """Return the answer for more bytes than the bucket or the stack takes."""
    return refusal(413, TOO_LARGE)


def over_length() -> StorageError:
    """Return the answer for more bytes than the upload was said to have."""
    return refusal(413, "upload's size exceeded\n")


def finished_already() -> StorageError:
    """Return the answer to whoever ends an upload that has become an object."""
    return refusal(400, "Cannot terminate an already completed upload")


def failed() -> StorageError:
    """Return the answer when the store of blobs fails."""
    return refusal(500, "Something went wrong receiving the file\n")


def not_let_go() -> StorageError:
    """Return the answer while another request holds the upload."""
    return StorageError(423, "ResourceLocked", "The resource is locked")


def render(error: StorageError) -> Response:
    """Return an error as TUS tells it."""
    is_size = error.code == "EntityTooLarge"
    text = TOO_LARGE if is_size else error.message
    headers = {"Tus-Resumable": VERSION}
    if error.status == TOO_MANY:
        # Clients try again after 503; after 429, which upstream says, tus-js-client gives up.
        return PlainTextResponse(text, UNAVAILABLE, {**headers, "Retry-After": "1"})
    return PlainTextResponse(text, error.status, headers)


def unrouted(method: str, url: str) -> Response:
    """Return the answer where nothing is; below these paths its status is a number."""
    body = {
        "message": f"Route {method}:{url} not found",
        "error": "Not Found",
        "statusCode": 404,
    }
    return JSONResponse(body, 404)
