"""What hooks are told, in the shape of GoTrue's version 0 hooks; pure but for time and chance."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from gavan.core.auth.asked import client_ip
from gavan.core.auth.mail.message import Mail
from gavan.core.auth.model import rfc3339

Payload = dict[str, Any]

_NAMES = {
    "send_sms": "send-sms",
    "send_email": "send-email",
    "custom_access_token": "customize-access-token",
    "mfa_verification_attempt": "mfa-verification",
    "password_verification_attempt": "password-verification",
    "before_user_created": "before-user-created",
    "after_user_created": "after-user-created",
}


def metadata(name: str) -> Payload:
    """Return what every hook is told about the call itself."""
    told = {"uuid": str(uuid4()), "time": rfc3339(datetime.now(UTC)), "name": _NAMES[name]}
    ip = client_ip()
    return told | ({"ip_address": ip} if ip else {})


def user_created(user: Payload) -> Payload:
    """Return the input of before_user_created and after_user_created."""
    return {"user": user}


def send_email(user: Payload, external_url: str, *mails: Mail) -> Payload:
    """Return the input of send_email.

    A secure e-mail change is two mails, the new address first. Its fields are crossed as upstream
    crosses them: ``token`` is the code of the current address and ``token_hash`` the hash of the
    new one (supabase/auth:internal/api/mail.go).
    """
    first, second = mails[0], mails[-1]
    is_pair = len(mails) == 2
    return {
        "user": user,
        "email_data": {
            "token": second.token if is_pair else first.token,
            "token_hash": first.token_hash,
            "redirect_to": first.redirect_to,
            "email_action_type": first.link_type or _action(first.kind),
            "site_url": external_url,
            "token_new": first.token if is_pair else "",
            "token_hash_new": second.token_hash if is_pair else "",
            "old_email": first.old_email,
            "old_phone": first.old_phone,
            "provider": first.provider,
            "factor_type": first.factor_type,
        },
    }


def send_sms(user: Payload, phone: str, otp: str, sms_type: str) -> Payload:
    """Return the input of send_sms; what is empty is left out, as upstream does."""
    sms = {"otp": otp, "sms_type": sms_type, "phone": phone}
    return {"user": user, "sms": {name: value for name, value in sms.items() if value}}


def custom_access_token(user_id: UUID, claims: Payload, method: str) -> Payload:
    """Return the input of custom_access_token."""
    return {"user_id": str(user_id), "claims": claims, "authentication_method": method}


def password_attempt(user_id: UUID, *, valid: bool) -> Payload:
    """Return the input of password_verification_attempt."""
    return {"user_id": str(user_id), "valid": valid}


def mfa_attempt(user_id: UUID, factor_id: UUID, factor_type: str, *, valid: bool) -> Payload:
    """Return the input of mfa_verification_attempt."""
    return {
        "user_id": str(user_id),
        "factor_id": str(factor_id),
        "factor_type": factor_type,
        "valid": valid,
    }


def _action(kind: str) -> str:
    return kind if kind == "reauthentication" else f"{kind}_notification"
