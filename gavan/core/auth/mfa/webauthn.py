"""Authenticators as a second factor: security keys and passkeys (W3C Web Authentication).

The cryptography is the library's. Whoever needs this module imports it then: it brings 7 MB, and
most stacks never ask for an authenticator. Credentials are stored in the shape that upstream's
library writes, so that a dump moves either way (supabase/auth:internal/models/factor.go).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import webauthn
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.exceptions import InvalidJSONStructure, WebAuthnException
from webauthn.helpers.structs import AttestationFormat, PublicKeyCredentialDescriptor

from gavan.core.auth.errors import AuthError, validation_failed
from gavan.core.auth.mfa.answer import AuthenticatorAnswer
from gavan.core.auth.model import Row
from gavan.core.auth.relying_site import RelyingSite
from gavan.core.auth.store import Connection, many


class RelyingParty:
    """Asks authenticators for credentials and signatures, and checks what they answer."""

    def __init__(self, site: RelyingSite) -> None:
        self._site = site

    async def ask(
        self, connection: Connection, user: Row, factor: Row
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what the browser is to be asked, and what the challenge remembers of it.

        A factor that is not verified yet asks for a new credential, then for signatures.
        """
        known = await self._credentials(connection, user)
        if factor["status"] == "verified":
            request = webauthn.generate_authentication_options(
                rp_id=self._site.id,
                allow_credentials=[_descriptor(item) for item in known.values()],
            )
            kind, challenge, text = (
                "request",
                request.challenge,
                webauthn.options_to_json(request),
            )
        else:
            creation = webauthn.generate_registration_options(
                rp_id=self._site.id,
                rp_name=self._site.name,
                user_id=str(user["id"]).encode(),
                user_name=user["email"] or str(user["id"]),
                exclude_credentials=[_descriptor(item) for item in known.values()],
            )
            kind, challenge, text = (
                "create",
                creation.challenge,
                webauthn.options_to_json(creation),
            )
        question = {"type": kind, "credential_options": {"publicKey": json.loads(text)}}
        remembered = {
            "challenge": bytes_to_base64url(challenge),
            "rpId": self._site.id,
            "type": kind,
        }
        return question, remembered

    async def check(
        self,
        connection: Connection,
        user: Row,
        factor: Row,
        challenge: Row,
        answer: AuthenticatorAnswer | None,
    ) -> dict[str, Any]:
        """Return the credential as it is to be stored after a right answer.

        Raises:
            AuthError: 400 ``validation_failed`` for an answer of the wrong kind or shape, 422
                ``mfa_verification_failed`` for one that does not verify.
        """
        if answer is None:
            raise validation_failed("WebAuthn config required")
        asked: Mapping[str, Any] = challenge["web_authn_session_data"] or {}
        if asked.get("type") != answer.kind:
            raise validation_failed("WebAuthn type does not match the challenge")
        expected = base64url_to_bytes(asked["challenge"])
        try:
            if answer.kind == "create":
                return self._created(answer.credential, expected)
            known = await self._credentials(connection, user)
            return self._signed(answer.credential, expected, known.get(factor["id"]))
        except InvalidJSONStructure as error:
            raise validation_failed("Invalid credential_response") from error
        except WebAuthnException as error:
            raise AuthError(
                422, "mfa_verification_failed", f"WebAuthn verification failed: {error}"
            ) from error

    @staticmethod
    def model_of(credential: Mapping[str, Any]) -> UUID:
        """Return which model of authenticator made a credential."""
        return UUID(bytes=base64.b64decode(credential["authenticator"]["AAGUID"]))

    def _created(self, credential: dict[str, Any], expected: bytes) -> dict[str, Any]:
        made = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=expected,
            expected_rp_id=self._site.id,
            expected_origin=self._site.origins,
        )
        transports = (credential.get("response") or {}).get("transports")
        return {
            "id": _text(made.credential_id),
            "publicKey": _text(made.credential_public_key),
            "attestationType": AttestationFormat(made.fmt).value,
            "transport": transports if isinstance(transports, list) else None,
            "flags": {
                "userPresent": True,
                "userVerified": made.user_verified,
                "backupEligible": made.credential_device_type.value == "multi_device",
                "backupState": made.credential_backed_up,
            },
            "authenticator": {
                "AAGUID": _text(UUID(made.aaguid).bytes),
                "signCount": made.sign_count,
                "cloneWarning": False,
                "attachment": credential.get("authenticatorAttachment") or "",
            },
        }

    def _signed(
        self, credential: dict[str, Any], expected: bytes, stored: dict[str, Any] | None
    ) -> dict[str, Any]:
        if stored is None:
            raise AuthError(422, "mfa_verification_failed", "The factor has no credential")
        signed = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=expected,
            expected_rp_id=self._site.id,
            expected_origin=self._site.origins,
            credential_public_key=base64.b64decode(stored["publicKey"]),
            credential_current_sign_count=stored["authenticator"]["signCount"],
        )
        if signed.credential_id != base64.b64decode(stored["id"]):
            raise AuthError(422, "mfa_verification_failed", "The credential is another factor's")
        authenticator = stored["authenticator"] | {"signCount": signed.new_sign_count}
        return stored | {"authenticator": authenticator}

    async def _credentials(self, connection: Connection, user: Row) -> dict[UUID, dict[str, Any]]:
        factors = await many(connection, "factors_of", user_id=user["id"])
        return {
            factor["id"]: factor["web_authn_credential"]
            for factor in factors
            if factor["status"] == "verified" and factor["web_authn_credential"]
        }


def _descriptor(credential: Mapping[str, Any]) -> PublicKeyCredentialDescriptor:
    return PublicKeyCredentialDescriptor(id=base64.b64decode(credential["id"]))


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
