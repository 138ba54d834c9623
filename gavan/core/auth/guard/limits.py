"""Which bucket a request takes a token from; buckets and their sizes are upstream's."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping

from gavan.core.auth.config.rates import RateConfig
from gavan.core.auth.errors import AuthError
from gavan.core.auth.guard.address import bucket_key
from gavan.core.auth.guard.buckets import Buckets

OTP_PATHS = ("/signup", "/otp", "/magiclink", "/recover", "/resend")
ANONYMOUS = "anonymous"
"""The bucket of a sign-up without an address; only its body tells."""
_FACTOR = re.compile(r"/factors/[^/]+/(challenge|verify)")

logger = logging.getLogger(__name__)


class Limits:
    """The buckets of one process, per client address."""

    def __init__(self, config: RateConfig) -> None:
        self._header = config.header
        otp = {f"POST {path}": Buckets(config.otp) for path in OTP_PATHS}
        verify = Buckets(config.verify)
        self._buckets = {
            **otp,
            "PUT /user": Buckets(config.otp),
            "POST /token": Buckets(config.token),
            "GET /verify": verify,
            "POST /verify": verify,
            "POST /factors/challenge": Buckets(config.mfa),
            "POST /factors/verify": Buckets(config.mfa),
            "POST /sso": Buckets(config.sso),
            "POST /passkeys/authentication/options": Buckets(config.passkey),
            ANONYMOUS: Buckets(config.anonymous),
        }
        self._warned = False

    def bucket_of(self, method: str, path: str) -> str:
        """Return the bucket of a request, empty for those that have none."""
        factor = _FACTOR.fullmatch(path)
        name = f"{method} /factors/{factor.group(1)}" if factor else f"{method} {path}"
        return name if name in self._buckets else ""

    def take(self, bucket: str, headers: Mapping[str, str]) -> None:
        """Count a request; raise AuthError 429 when its address asks too often."""
        if not bucket or not self._header:
            return
        key = bucket_key(headers, self._header)
        if not key:
            self._warn()
            return
        wait_s = self._buckets[bucket].take(key)
        if wait_s is not None:
            raise AuthError(
                429,
                "over_request_rate_limit",
                "Request rate limit reached",
                retry_after_s=wait_s,
            )

    def _warn(self) -> None:
        if self._warned:
            return
        self._warned = True
        logger.warning(
            "requests come without the header %s, so their rate is not limited",
            self._header,
            extra={"event": "rate_limit.no_header"},
        )
