"""Whose a signature is: the key pair of the stack, or the session of one user.

Both as upstream (supabase/storage:src/http/plugins/signature-v4.ts). The key pair acts as
service_role. A session names any access key, signs with the anon key, which is no secret, and is
who its token says: policies bind it.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from starlette.requests import Request

from gavan.core.storage.caller import SERVICE, Caller, caller_of, verify
from gavan.core.storage.commons import Commons
from gavan.core.storage.errors import access_denied
from gavan.core.storage.s3.errors import mismatch
from gavan.core.storage.s3.signature import (
    Claim,
    Signable,
    prove,
    prove_text,
    read_claim,
    read_form_claim,
)
from gavan.kit.jwt import Claims, Verifier
from gavan.kit.secret import Secret

_SERVICE_CLAIMS = Claims(
    role=SERVICE, sub=None, raw={"role": SERVICE}, json=f'{{"role":"{SERVICE}"}}'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What signatures are proven with; an empty ``key_id`` or ``secret`` means no key pair."""

    key_id: str
    secret: Secret
    anon_key: Secret
    verifier: Verifier = field(repr=False)

    def admit(self, request: Request, signable: Signable) -> Admitted:
        """Return who signed a request.

        Raises:
            StorageError: nobody did, or not with what is known here.
        """
        claim = read_claim(signable, datetime.now(UTC))
        key = prove(claim, self._secret(claim), signable)
        if key is None:
            raise mismatch(has_token=claim.token is not None)
        return Admitted(caller=self._caller(request, claim), claim=claim, key=key)

    def admit_form(self, request: Request, fields: Mapping[str, str]) -> Caller:
        """Return who signed the policy of a form; raises as ``admit``.

        Args:
            fields: those of the form, by name in lower case.
        """
        claim = read_form_claim(fields)
        if not prove_text(claim, self._secret(claim), fields["policy"]):
            raise mismatch(has_token=claim.token is not None)
        return self._caller(request, claim)

    def _caller(self, request: Request, claim: Claim) -> Caller:
        if claim.token is None:
            return caller_of(request, _SERVICE_CLAIMS, "")
        return caller_of(request, verify(claim.token, self.verifier), claim.token)

    def _secret(self, claim: Claim) -> Secret:
        if claim.token is not None:
            return self.anon_key
        if not self.key_id or not self.secret:
            raise access_denied(
                "Missing S3 Protocol Access Key ID or Secret Key Environment variables"
            )
        if not hmac.compare_digest(claim.access_key.encode(), self.key_id.encode()):
            raise access_denied("Invalid Access Key")
        return self.secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A proven request: its caller, its claim, and the key that signs the pieces of its body."""

    caller: Caller
    claim: Claim
    key: bytes = field(repr=False)


def credentials_of(commons: Commons) -> Credentials:
    """Return what signatures of this stack are proven with."""
    return Credentials(
        key_id=commons.config.s3_key_id,
        secret=commons.config.s3_secret,
        anon_key=commons.anon_key,
        verifier=commons.verifier,
    )
