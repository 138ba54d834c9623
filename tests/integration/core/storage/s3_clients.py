"""Clients of the S3 protocol: boto3 as anybody uses it, and requests signed by hand of botocore."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import boto3
import httpx
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.integration.core.storage.conftest import KEY_ID, SECRET, Storage, token_of

S3Client = Any  # its stubs refuse arguments that are unpacked, as tests do all the time
REGION = "local"


def endpoint(storage: Storage) -> str:
    """Return the URL of the S3 protocol."""
    return f"{storage.live.url}/storage/v1/s3"


def s3_client(storage: Storage, token: str | None = None, **config: Any) -> S3Client:
    """Return boto3's client, with the key pair, or as the user of a token."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint(storage),
        region_name=REGION,
        aws_access_key_id=KEY_ID if token is None else "stub",
        aws_secret_access_key=SECRET if token is None else storage.live.anon_key,
        aws_session_token=token,
        config=Config(retries={"max_attempts": 1}, **config),
    )


def user_client(storage: Storage, sub: str) -> S3Client:
    """Return boto3's client in the session of a user."""
    return s3_client(storage, token_of("authenticated", sub))


def refusal(error: ClientError) -> tuple[int, str]:
    """Return status and code of what boto3 raised."""
    return (
        error.response["ResponseMetadata"]["HTTPStatusCode"],
        str(error.response["Error"].get("Code")),
    )


@dataclass(frozen=True)
class Signed:
    """A request whose headers or query are signed; a test may change it before it is sent."""

    method: str
    url: str
    headers: dict[str, str]
    content: bytes = b""

    def send(self, **changed: Any) -> httpx.Response:
        """Send it, with what a test changes."""
        values = {name: changed.get(name, getattr(self, name)) for name in ("method", "url")}
        headers = {**self.headers, **changed.get("headers", {})}
        content = changed.get("content", self.content)
        # Without certificates to verify, which take longer to load than all the rest.
        return httpx.request(**values, headers=headers, content=content, timeout=30, verify=False)


def signed(
    storage: Storage,
    method: str,
    path: str,
    content: bytes = b"",
    *,
    headers: dict[str, str] | None = None,
    secret: str = SECRET,
) -> Signed:
    """Return a request signed in its headers; ``path`` may have a query."""
    request = AWSRequest(
        method=method, url=f"{endpoint(storage)}{path}", data=content, headers=headers or {}
    )
    S3SigV4Auth(Credentials(KEY_ID, secret), "s3", REGION).add_auth(request)
    return Signed(method, str(request.url), dict(request.headers.items()), content)


def presigned(
    storage: Storage,
    method: str,
    path: str,
    *,
    expires_s: int = 60,
    headers: dict[str, str] | None = None,
) -> Signed:
    """Return a request signed in its query."""
    request = AWSRequest(method=method, url=f"{endpoint(storage)}{path}", headers=headers or {})
    auth = S3SigV4QueryAuth(Credentials(KEY_ID, SECRET), "s3", REGION, expires=expires_s)
    auth.add_auth(request)
    return Signed(method, str(request.url), headers or {})


def code_of(response: httpx.Response) -> str:
    """Return the code of an error in XML."""
    root = ElementTree.fromstring(response.text)
    assert root.tag == "Error", response.text
    return root.findtext("Code") or ""


def in_path(name: str) -> str:
    """Return a name as it stands in a path."""
    return quote(name, safe="/-_.~")
