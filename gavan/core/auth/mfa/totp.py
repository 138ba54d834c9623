"""Time-based codes of an authenticator application (RFC 6238: SHA-1, 30 s, six digits)."""

from __future__ import annotations

import io
from dataclasses import dataclass

import pyotp
import segno

STEPS_OF_DRIFT = 1
"""Codes of the step before and after count too: clocks of telephones differ."""
QR_SCALE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TotpSecret:
    """A new secret in the three forms that a client shows."""

    secret: str
    uri: str
    qr_code: str
    """An SVG document; clients put the data URI prefix before it themselves."""


def new_secret(issuer: str, account: str) -> TotpSecret:
    """Return a random secret of 160 bits for an account."""
    secret = pyotp.random_base32()
    uri = pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=issuer)
    return TotpSecret(secret=secret, uri=uri, qr_code=_svg(uri))


def fits(secret: str, code: str) -> bool:
    """Return whether a code is right at this moment; compared in constant time."""
    is_a_code = code.isascii() and code.isdigit()
    return is_a_code and pyotp.TOTP(secret).verify(code, valid_window=STEPS_OF_DRIFT)


def _svg(uri: str) -> str:
    image = io.BytesIO()
    segno.make(uri, error="h", micro=False).save(
        image, kind="svg", scale=QR_SCALE, xmldecl=False, light="#fff"
    )
    # The clients put the document into an address as it stands, where a # would end it.
    return image.getvalue().decode().replace("#000", "black").replace("#fff", "white")
