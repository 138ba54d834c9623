"""AWS Signature Version 4: read what a request claims, and prove it with a secret.

Written out over hmac and hashlib: no library verifies (they only sign). Pure but for the clock
that is handed in. Rules: Amazon's «Signature Version 4 signing process», and what
supabase/storage:src/storage/protocols/s3/signature-v4.ts takes of it.

Two rules are Amazon's and not upstream's. Every ``x-amz-*`` header must be signed: whoever holds a
presigned upload could otherwise add ``x-amz-copy-source`` and read any object. And a signature is
good for fifteen minutes, or as long as a presigned URL says.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import product
from urllib.parse import quote, unquote_to_bytes

from gavan.core.storage.s3.errors import (
    expired,
    malformed_signature,
    skewed,
    unsigned,
    unsigned_header,
)
from gavan.kit.secret import Secret

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "s3"
TERMINATOR = "aws4_request"
UNSIGNED = "UNSIGNED-PAYLOAD"
EMPTY_HASH = hashlib.sha256(b"").hexdigest()
SKEW = timedelta(minutes=15)
MOST_EXPIRES_S = 7 * 24 * 3600
MOST_SIGNED_HEADERS = 100
UNRESERVED = "-._~"
_HEX = re.compile(r"[0-9a-f]{64}")
_REGION = re.compile(r"[A-Za-z0-9-]{0,64}")
_MOMENT = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_CLAIM_FIELDS = re.compile(r"\s*(Credential|SignedHeaders|Signature)=([^,\s]+)\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signable:
    """A request as signatures see it.

    ``paths`` and ``hosts`` are all forms in which its client may have seen them; every form names
    the same thing. Names of ``headers`` are in lower case, repeated ones joined by commas.
    """

    method: str
    paths: tuple[str, ...]
    hosts: tuple[str, ...]
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a request says of its own signature; nothing of it is proven yet.

    ``payload`` is the hash of the body in hex, or one of Amazon's words instead of it.
    """

    access_key: str
    moment: str
    region: str
    signed_headers: tuple[str, ...]
    signature: str
    payload: str
    token: str | None

    @property
    def scope(self) -> str:
        """Return for when and where the key was made."""
        return f"{self.moment[:8]}/{self.region}/{SERVICE}/{TERMINATOR}"


def read_claim(request: Signable, now: datetime) -> Claim:
    """Return what the ``Authorization`` header claims, or else the query of a presigned URL.

    Raises:
        StorageError: there is no signature, it cannot be read, its time is not now, or it leaves
            out a header that it must cover.
    """
    authorization = request.headers.get("authorization", "")
    query = {name: value for name, value in request.query if name.startswith("X-Amz-")}
    if authorization.startswith(f"{ALGORITHM} "):
        claim = _from_header(authorization, request.headers)
        _check_now(_moment(claim.moment), now)
    elif "X-Amz-Credential" in query:
        if sum(name.startswith("X-Amz-") for name, _ in request.query) != len(query):
            raise malformed_signature("A parameter of the signature is repeated")
        claim = _from_query(query, request.headers)
        _check_expiry(_moment(claim.moment), query.get("X-Amz-Expires", ""), now)
    else:
        raise unsigned()
    _check_covered(claim, request.headers)
    return claim


def read_form_claim(fields: Mapping[str, str]) -> Claim:
    """Return what the fields of a form claim, by name in lower case; its time is its policy's.

    Raises:
        StorageError: there is no signature, or it cannot be read.
    """
    if fields.get("x-amz-algorithm", ALGORITHM) != ALGORITHM:
        raise malformed_signature("Unsupported authorization type")
    if not fields.keys() >= {"policy", "x-amz-credential", "x-amz-signature", "x-amz-date"}:
        raise malformed_signature()
    claim = _claim(
        {
            "Credential": fields["x-amz-credential"],
            "Signature": fields["x-amz-signature"],
            "SignedHeaders": "host",
        },
        moment=fields["x-amz-date"],
        payload=UNSIGNED,
        token=fields.get("x-amz-security-token"),
    )
    _moment(claim.moment)
    return claim


def prove_text(claim: Claim, secret: Secret, text: str) -> bool:
    """Say whether the signature is that of a text, such as a policy, and the secret."""
    if not text.isascii():
        raise malformed_signature()
    made = sign_text(signing_key(secret, claim.moment[:8], claim.region), text)
    return hmac.compare_digest(made.encode(), claim.signature.encode())


def prove(claim: Claim, secret: Secret, request: Signable) -> bytes | None:
    """Return the signing key when the signature is that of the request and the secret."""
    key = signing_key(secret, claim.moment[:8], claim.region)
    offered = claim.signature.encode()
    for canonical in _canonical_requests(claim, request):
        text = "\n".join((ALGORITHM, claim.moment, claim.scope, _sha256(canonical)))
        if hmac.compare_digest(sign_text(key, text).encode(), offered):
            return key
    return None


@lru_cache(maxsize=64)
def signing_key(secret: Secret, day: str, region: str) -> bytes:
    """Return the key that a secret gives for one day and region."""
    key = f"AWS4{secret.reveal()}".encode()
    for part in (day, region, SERVICE, TERMINATOR):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def sign_text(key: bytes, text: str) -> str:
    """Return the signature of a text in hex."""
    return hmac.digest(key, text.encode("latin-1"), "sha256").hex()


def path_forms(raw_path: str) -> tuple[str, ...]:
    """Return a path as it was sent, and as clients write it that encode all but the unreserved."""
    encoded = quote(unquote_to_bytes(raw_path), safe=f"/{UNRESERVED}")
    return (raw_path,) if encoded == raw_path else (raw_path, encoded)


def _from_header(authorization: str, headers: Mapping[str, str]) -> Claim:
    fields: dict[str, str] = {}
    for part in authorization.removeprefix(ALGORITHM).split(","):
        found = _CLAIM_FIELDS.fullmatch(part)
        if found is None or found[1] in fields:
            raise malformed_signature()
        fields[found[1]] = found[2]
    return _claim(
        fields,
        moment=headers.get("x-amz-date", ""),
        payload=headers.get("x-amz-content-sha256", UNSIGNED),
        token=headers.get("x-amz-security-token"),
    )


def _from_query(query: Mapping[str, str], headers: Mapping[str, str]) -> Claim:
    if query.get("X-Amz-Algorithm", ALGORITHM) != ALGORITHM:
        raise malformed_signature("Unsupported authorization type")
    return _claim(
        {
            name: query[f"X-Amz-{name}"]
            for name in ("Credential", "SignedHeaders", "Signature")
            if f"X-Amz-{name}" in query
        },
        moment=query.get("X-Amz-Date", ""),
        payload=headers.get("x-amz-content-sha256") or query.get("X-Amz-Content-Sha256", UNSIGNED),
        token=query.get("X-Amz-Security-Token"),
    )


def _claim(fields: Mapping[str, str], *, moment: str, payload: str, token: str | None) -> Claim:
    if len(fields) != 3 or not _HEX.fullmatch(fields["Signature"]):
        raise malformed_signature()
    credential = fields["Credential"].rsplit("/", 4)
    if len(credential) != 5 or credential[3:] != [SERVICE, TERMINATOR]:
        raise malformed_signature("Invalid credentials")
    if not _REGION.fullmatch(credential[2]):
        raise malformed_signature("Invalid credentials")
    if credential[1] != moment[:8]:
        raise malformed_signature("The date of the credentials is not that of the signature")
    names = tuple(fields["SignedHeaders"].split(";"))
    if len(set(names)) != len(names) or len(names) > MOST_SIGNED_HEADERS:
        raise malformed_signature()
    return Claim(
        access_key=credential[0],
        moment=moment,
        region=credential[2],
        signed_headers=tuple(sorted(names)),
        signature=fields["Signature"],
        payload=payload,
        token=token or None,
    )


def _moment(text: str) -> datetime:
    if not _MOMENT.fullmatch(text):
        raise malformed_signature()
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise malformed_signature() from error


def _check_now(signed: datetime, now: datetime) -> None:
    if abs(signed - now) > SKEW:
        raise skewed()


def _check_expiry(signed: datetime, expires: str, now: datetime) -> None:
    if not expires.isascii() or not expires.isdigit() or len(expires) > len(str(MOST_EXPIRES_S)):
        raise malformed_signature("Invalid expiration")
    if not 0 < int(expires) <= MOST_EXPIRES_S:
        raise malformed_signature("Invalid expiration")
    if signed - now > SKEW:
        raise skewed()
    if signed + timedelta(seconds=int(expires)) < now:
        raise expired()


def _check_covered(claim: Claim, headers: Mapping[str, str]) -> None:
    if "host" not in claim.signed_headers:
        raise unsigned_header("host")
    for name in headers:
        if name.startswith("x-amz-") and name not in claim.signed_headers:
            raise unsigned_header(name)


def _canonical_requests(claim: Claim, request: Signable) -> Iterator[str]:
    query = "&".join(
        f"{name}={value}"
        for name, value in sorted(
            (quote(name, safe=UNRESERVED), quote(value, safe=UNRESERVED))
            for name, value in request.query
            if name != "X-Amz-Signature"
        )
    )
    for path, host in product(request.paths, request.hosts):
        headers = {**request.headers, "host": host}
        lines = [f"{name}:{_header(name, headers)}" for name in claim.signed_headers]
        names = ";".join(claim.signed_headers)
        yield "\n".join((request.method, path, query, *lines, "", names, claim.payload))


def _header(name: str, headers: Mapping[str, str]) -> str:
    # A client that signs the length of no body signs a zero that it does not send.
    absent = "0" if name == "content-length" else ""
    return " ".join(headers.get(name, absent).split())


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("latin-1", "replace")).hexdigest()
