"""The two ceremonies of Web Authentication with credentials that authenticators keep themselves.

The cryptography is the library's; whoever needs this module imports it then, because it brings
7 MB that most stacks never use.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import webauthn
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    parse_authentication_credential_json,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AttestationFormat,
    AuthenticatorSelectionCriteria,
    CredentialDeviceType,
    PublicKeyCredentialCreationOptions,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialRequestOptions,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from gavan.core.auth.errors import AuthError
from gavan.core.auth.model import Row
from gavan.core.auth.relying_site import RelyingSite


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the browser is to be asked, and what has to come back signed."""

    options: dict[str, Any]
    challenge: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """Whose credential an answer claims to be of; nothing in it is verified yet."""

    user_id: UUID
    credential_id: bytes


def ask_for_credential(site: RelyingSite, user: Row, known: list[Row]) -> Question:
    """Return the question for a new passkey of a user who has ``known`` ones."""
    name = user["email"] or user["phone"] or str(user["id"])
    metadata = user["raw_user_meta_data"] or {}
    shown = metadata.get("name")
    options = webauthn.generate_registration_options(
        rp_id=site.id,
        rp_name=site.name,
        user_id=str(user["id"]).encode(),
        user_name=name,
        user_display_name=shown if isinstance(shown, str) and shown else name,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.PREFERRED,
        ),
        exclude_credentials=[
            PublicKeyCredentialDescriptor(id=row["credential_id"]) for row in known
        ],
    )
    return _question(options)


def ask_for_signature(site: RelyingSite) -> Question:
    """Return the question to somebody who has not said who they are."""
    options = webauthn.generate_authentication_options(rp_id=site.id)
    return _question(options)


def check_credential(
    site: RelyingSite, credential: dict[str, Any], challenge: str
) -> dict[str, Any]:
    """Return the columns of a new passkey; raise AuthError 400 for an answer that does not hold."""
    try:
        made = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=site.id,
            expected_origin=site.origins,
        )
    except WebAuthnException as error:
        raise _not_verified("Credential verification failed") from error
    transports = (credential.get("response") or {}).get("transports")
    return {
        "credential_id": made.credential_id,
        "public_key": made.credential_public_key,
        "attestation_type": AttestationFormat(made.fmt).value,
        "aaguid": UUID(made.aaguid),
        "sign_count": made.sign_count,
        "transports": transports if isinstance(transports, list) else [],
        "backup_eligible": made.credential_device_type is CredentialDeviceType.MULTI_DEVICE,
        "backed_up": made.credential_backed_up,
    }


def read_assertion(credential: dict[str, Any]) -> Assertion:
    """Return whose credential an answer claims to be of; raise AuthError 400 for a bad shape."""
    try:
        parsed = parse_authentication_credential_json(credential)
        return Assertion(
            user_id=UUID((parsed.response.user_handle or b"").decode()),
            credential_id=parsed.raw_id,
        )
    except (WebAuthnException, ValueError) as error:
        raise _not_verified("Invalid credential response") from error


def check_assertion(
    site: RelyingSite, credential: dict[str, Any], challenge: str, passkey: Row
) -> int:
    """Return the new counter of a passkey; raise AuthError 400 for a signature of another one."""
    try:
        signed = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=site.id,
            expected_origin=site.origins,
            credential_public_key=passkey["public_key"],
            credential_current_sign_count=passkey["sign_count"],
        )
    except WebAuthnException as error:
        raise _not_verified("Credential verification failed") from error
    return signed.new_sign_count


def _question(
    options: PublicKeyCredentialCreationOptions | PublicKeyCredentialRequestOptions,
) -> Question:
    return Question(
        options=json.loads(webauthn.options_to_json(options)),
        challenge=bytes_to_base64url(options.challenge),
    )


def _not_verified(message: str) -> AuthError:
    return AuthError(400, "webauthn_verification_failed", message)
