"""Second factors and passkeys: which kinds are offered and how long their questions live."""

from __future__ import annotations

from dataclasses import dataclass

from gavan.core.auth.config.environ import Environ
from gavan.core.auth.config.sms import TEMPLATE


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorConfig:
    """Whether factors of a kind may be enrolled and used."""

    enrolls: bool
    verifies: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MfaConfig:
    """Durations in seconds; TOTP is on, as GoTrue itself has it."""

    totp: FactorConfig = FactorConfig(enrolls=True, verifies=True)
    phone: FactorConfig = FactorConfig(enrolls=False, verifies=False)
    webauthn: FactorConfig = FactorConfig(enrolls=False, verifies=False)
    most_factors: int = 10
    challenge_lifetime_s: float = 300.0
    factor_lifetime_s: float = 300.0
    phone_otp_length: int = 6
    phone_template: str = TEMPLATE
    phone_max_frequency_s: float = 5.0
    passkeys_enabled: bool = False
    most_passkeys: int = 10
    rp_id: str = ""
    rp_name: str = ""
    rp_origins: tuple[str, ...] = ()
    webauthn_challenge_lifetime_s: float = 300.0


def read_mfa(environ: Environ) -> MfaConfig:
    """Return the section."""
    default = MfaConfig()
    return MfaConfig(
        totp=_factor(environ, "TOTP", default.totp),
        phone=_factor(environ, "PHONE", default.phone),
        webauthn=_factor(environ, "WEB_AUTHN", default.webauthn),
        most_factors=int(environ.number("MFA_MAX_ENROLLED_FACTORS", default.most_factors)),
        challenge_lifetime_s=max(300.0, environ.number("MFA_CHALLENGE_EXPIRY_DURATION", 300.0)),
        factor_lifetime_s=max(300.0, environ.duration_s("MFA_FACTOR_EXPIRY_DURATION", 300.0)),
        phone_otp_length=environ.digits("MFA_PHONE_OTP_LENGTH", default.phone_otp_length),
        phone_template=environ.text("MFA_PHONE_TEMPLATE", TEMPLATE),
        phone_max_frequency_s=environ.duration_s(
            "MFA_PHONE_MAX_FREQUENCY", default.phone_max_frequency_s
        ),
        passkeys_enabled=environ.flag("PASSKEY_ENABLED", False),
        most_passkeys=environ.count("PASSKEY_MAX_PASSKEYS_PER_USER", default.most_passkeys),
        rp_id=environ.text("WEBAUTHN_RP_ID"),
        rp_name=environ.text("WEBAUTHN_RP_DISPLAY_NAME"),
        rp_origins=environ.names("WEBAUTHN_RP_ORIGINS"),
        webauthn_challenge_lifetime_s=environ.duration_s(
            "WEBAUTHN_CHALLENGE_EXPIRY_DURATION", default.webauthn_challenge_lifetime_s
        ),
    )


def _factor(environ: Environ, name: str, default: FactorConfig) -> FactorConfig:
    return FactorConfig(
        enrolls=environ.flag(f"MFA_{name}_ENROLL_ENABLED", default.enrolls),
        verifies=environ.flag(f"MFA_{name}_VERIFY_ENABLED", default.verifies),
    )
