"""The whole configuration of the auth service, one section per file beside this one.

Read once from GoTrue's own variables; the stack's plan writes them from ``[core.auth]``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from gavan.core.auth.config.environ import Environ
from gavan.core.auth.config.external import ExternalConfig, read_external
from gavan.core.auth.config.hooks import Hooked, read_hooks
from gavan.core.auth.config.mail import MailConfig, read_mail
from gavan.core.auth.config.mfa import MfaConfig, read_mfa
from gavan.core.auth.config.passwords import PasswordConfig, read_passwords
from gavan.core.auth.config.rates import RateConfig, read_rates
from gavan.core.auth.config.security import SecurityConfig, read_security
from gavan.core.auth.config.sessions import SessionConfig, read_sessions
from gavan.core.auth.config.sms import SmsConfig, read_sms
from gavan.core.auth.config.tokens import TokenConfig, read_tokens
from gavan.core.auth.config.urls import UrlConfig, read_urls
from gavan.core.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthConfig:
    """Tokens and addresses have no defaults; everything else is as in a local Supabase stack."""

    tokens: TokenConfig
    urls: UrlConfig
    is_signup_disabled: bool = False
    passwords: PasswordConfig = field(default_factory=PasswordConfig)
    mail: MailConfig = field(default_factory=MailConfig)
    sms: SmsConfig = field(default_factory=SmsConfig)
    external: ExternalConfig = field(default_factory=ExternalConfig)
    mfa: MfaConfig = field(default_factory=MfaConfig)
    sessions: SessionConfig = field(default_factory=SessionConfig)
    security: SecurityConfig = field(default_factory=SecurityConfig)
    hooks: Hooked = field(default_factory=dict)
    rates: RateConfig = field(default_factory=RateConfig)


def read_config(settings: Settings, environ: Mapping[str, str] = os.environ) -> AuthConfig:
    """Return the configuration; raise GavanError GV702 naming every variable that does not fit."""
    read = Environ(environ)
    urls = read_urls(read, settings)
    mail = read_mail(read, environ.get("GAVAN_INBOX_DIR", ""))
    config = AuthConfig(
        tokens=read_tokens(read, settings, urls.external_url),
        urls=urls,
        is_signup_disabled=read.flag("DISABLE_SIGNUP", False),
        passwords=read_passwords(read),
        mail=mail,
        sms=read_sms(read),
        external=read_external(read),
        mfa=read_mfa(read),
        sessions=read_sessions(read),
        security=read_security(read),
        hooks=read_hooks(read),
        rates=read_rates(read, sends_mail=mail.smtp is not None and not mail.inbox_dir),
    )
    read.check()
    return config
