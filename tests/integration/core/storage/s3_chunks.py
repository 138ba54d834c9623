"""Bodies of aws-chunked, signed by hand: no client at hand lets a test spoil one."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from tests.integration.core.storage.conftest import KEY_ID, SECRET, Storage
from tests.integration.core.storage.s3_clients import REGION, Signed, endpoint

EMPTY = hashlib.sha256(b"").hexdigest()
SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"


@dataclass(frozen=True)
class Chunked:
    """A request whose body is made of signed chunks."""

    request: Signed
    chunks: list[bytes]

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)


def chunked_put(
    storage: Storage, path: str, pieces: list[bytes], *, payload: str = SIGNED, **headers: str
) -> Chunked:
    """Return a PUT of pieces, each a chunk, and the empty one at the end."""
    url = f"{endpoint(storage)}{path}"
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{now[:8]}/{REGION}/s3/aws4_request"
    sent = {
        "host": urlsplit(url).netloc,
        "content-encoding": "aws-chunked",
        "x-amz-content-sha256": payload,
        "x-amz-date": now,
        "x-amz-decoded-content-length": str(sum(map(len, pieces))),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    names = ";".join(sorted(sent))
    lines = "".join(f"{name}:{sent[name]}\n" for name in sorted(sent))
    canonical = f"PUT\n{urlsplit(url).path}\n\n{lines}\n{names}\n{payload}"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    previous = _sign(now, f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{digest}")
    sent["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={KEY_ID}/{scope}, SignedHeaders={names}, Signature={previous}"
    )
    chunks = []
    for piece in [*pieces, b""]:
        digest = hashlib.sha256(piece).hexdigest()
        text = f"AWS4-HMAC-SHA256-PAYLOAD\n{now}\n{scope}\n{previous}\n{EMPTY}\n{digest}"
        previous = _sign(now, text)
        head = f"{len(piece):x};chunk-signature={previous}\r\n".encode()
        chunks.append(head + piece + b"\r\n")
    return Chunked(Signed("PUT", url, sent), chunks)


def _sign(now: str, text: str) -> str:
    key = f"AWS4{SECRET}".encode()
    for part in (now[:8], REGION, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()
