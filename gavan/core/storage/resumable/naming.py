"""The id of an upload, and the URL that a client finds it at.

The id is ``bucket/object/version``, in the URL as Base64 (supabase/storage:
src/storage/protocols/tus/upload-id.ts); the version, which nobody can guess, is what counts. The
URL begins with what the client called: behind a proxy that is what the proxy says. Pure.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from starlette.requests import Request

from gavan.core.storage.errors import StorageError
from gavan.core.storage.rules import check_bucket_name, check_key

PATH = "/upload/resumable"
SIGNED_PATH = f"{PATH}/sign"
_ENCODED = re.compile(r"[A-Za-z0-9_-]{1,4096}")
_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_PORT = re.compile(r"[0-9]{1,5}")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)*/*")
_USUAL_PORTS = frozenset({"80", "443"})
_OWN_PORT = re.compile(r":[0-9]+$")


@dataclass(frozen=True, slots=True)
class UploadId:
    """What is being uploaded, under the name of its bytes."""

    bucket: str
    name: str
    version: str

    def encode(self) -> str:
        """Return it for a URL."""
        text = f"{self.bucket}/{self.name}/{self.version}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def check_names(bucket: str, name: str) -> None:
    """Raise StorageError unless a bucket and an object may be called so."""
    check_bucket_name(bucket)
    check_key(name)


def decode(encoded: str) -> UploadId:
    """Return the id of a URL.

    Raises:
        StorageError: it is none, or names what no bucket or object may be called.
    """
    if not _ENCODED.fullmatch(encoded):
        raise _no_id("Invalid upload id")
    try:
        text = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except ValueError as error:
        raise _no_id("Invalid upload id") from error
    bucket, _, rest = text.partition("/")
    name, slash, version = rest.rpartition("/")
    if not slash:
        raise _no_id("Invalid upload id")
    if not version:
        raise _no_id("Version not provided")
    check_names(bucket, name)
    return UploadId(bucket, name, version)


def public_url(request: Request, path: str) -> str:
    """Return what the client calls a path of the service.

    Raises:
        StorageError: a header that says where the client called does not fit.
    """
    headers = request.headers
    forwarded = headers.get("x-forwarded-host")
    host = _fitting(_HOST, forwarded or headers.get("host", ""), "Host")
    port = headers.get("x-forwarded-port")
    if forwarded and port and _fitting(_PORT, port, "Port") not in _USUAL_PORTS:
        host = f"{_OWN_PORT.sub('', host)}:{port}"
    prefix = _fitting(_PREFIX, headers.get("x-forwarded-prefix", ""), "Prefix").rstrip("/")
    scheme = headers.get("x-forwarded-proto") or request.url.scheme
    return f"{scheme}://{host}{prefix}{request.scope.get('root_path', '')}{path}"


def _fitting(pattern: re.Pattern[str], value: str, name: str) -> str:
    if not pattern.fullmatch(value):
        message = f"Invalid X-Forwarded-{name} header"
        raise StorageError(400, "InvalidXForwardedHeader", message)
    return value


def _no_id(message: str) -> StorageError:
    return StorageError(400, "InvalidUploadId", message)
