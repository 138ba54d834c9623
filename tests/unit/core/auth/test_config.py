"""GoTrue's variables become the configuration, and every mistake in them is named at once."""

from __future__ import annotations

import pytest

from gavan.core.auth.config.auth import AuthConfig, read_config
from gavan.core.auth.config.hooks import hook_of
from gavan.core.auth.config.passwords import character_sets
from gavan.core.auth.config.rates import sent_rate
from gavan.core.settings import read_settings
from gavan.kit.errors import GavanError

CORE = {
    "GAVAN_DB_AUTHENTICATOR_URL": "postgresql://a",
    "GAVAN_DB_AUTH_ADMIN_URL": "postgresql://b",
    "GAVAN_DB_STORAGE_ADMIN_URL": "postgresql://d",
    "GAVAN_DB_REALTIME_ADMIN_URL": "postgresql://e",
    "GAVAN_DB_ADMIN_URL": "postgresql://c",
    "JWT_SECRET": "a secret of thirty-two characters",
    "ANON_KEY": "anon",
    "SERVICE_ROLE_KEY": "service",
    "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x",
    "SUPABASE_SECRET_KEY": "sb_secret_x",
    "API_EXTERNAL_URL": "https://api.example.com/",
}
KEY = "v1,whsec_" + "A" * 32


def read(**variables: str) -> AuthConfig:
    return read_config(
        read_settings(CORE), {f"GOTRUE_{name}": value for name, value in variables.items()}
    )


def test_nothing_said_is_a_local_supabase_stack() -> None:
    config = read()
    assert config.tokens.issuer == "https://api.example.com/auth/v1"
    assert config.mail.autoconfirm
    assert config.mail.smtp is None
    assert config.mail.max_frequency_s == 1
    assert config.sms.otp_lifetime_s == 6000
    assert config.security.reuse_interval_s == 10
    assert not config.external.phone_enabled
    assert not config.external.anonymous_enabled
    assert config.rates.mail_sent.events == 360_000
    assert config.hooks == {}


def test_mail_that_leaves_the_machine_is_limited() -> None:
    assert read(SMTP_HOST="smtp.example.com").rates.mail_sent.events == 30
    told = read(SMTP_HOST="smtp.example.com", RATE_LIMIT_EMAIL_SENT="100/10m").rates.mail_sent
    assert (told.events, told.per_s) == (100, 600)


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(GavanError) as caught:
        read(
            JWT_EXP="soon", MAILER_AUTOCONFIRM="maybe", SMS_MAX_FREQUENCY="5", SMS_PROVIDER="pigeon"
        )
    assert caught.value.code == "GV702"
    for name in ("JWT_EXP", "MAILER_AUTOCONFIRM", "SMS_MAX_FREQUENCY", "SMS_PROVIDER"):
        assert f"GOTRUE_{name}:" in caught.value.message


def test_a_captcha_without_its_secret_does_not_start() -> None:
    with pytest.raises(GavanError, match="SECURITY_CAPTCHA_SECRET"):
        read(SECURITY_CAPTCHA_ENABLED="true")


def test_a_provider_is_read_with_its_client_ids() -> None:
    config = read(
        EXTERNAL_GOOGLE_ENABLED="true",
        EXTERNAL_GOOGLE_CLIENT_ID="web,ios",
        EXTERNAL_GOOGLE_SECRET="shh",
        EXTERNAL_GOOGLE_SKIP_NONCE_CHECK="true",
    )
    google = config.external.providers["google"]
    assert google.client_ids == ("web", "ios")
    assert google.skips_nonce_check
    assert "shh" not in repr(config)


def test_test_numbers_lose_their_plus() -> None:
    assert read(SMS_TEST_OTP="+41 52:123456,4152127777:654321").sms.test_otp == {
        "4152": "123456",
        "4152127777": "654321",
    }


def test_templates_and_subjects_are_read_by_kind() -> None:
    mail = read(
        MAILER_SUBJECTS_MAGIC_LINK="Come in",
        MAILER_TEMPLATES_PASSWORD_CHANGED_NOTIFICATION="/tmp/changed.html",
        MAILER_NOTIFICATIONS_PASSWORD_CHANGED_ENABLED="true",
        MAILER_URLPATHS_INVITE="/auth/confirm",
    ).mail
    assert mail.subjects == {"magic_link": "Come in"}
    assert mail.templates == {"password_changed": "/tmp/changed.html"}
    assert mail.notices == {"password_changed"}
    assert mail.paths == {"invite": "/auth/confirm"}


def test_required_characters_may_hold_an_escaped_colon() -> None:
    assert character_sets(r"abc:012:!\::") == ("abc", "012", "!:")


@pytest.mark.parametrize("text", ["", "many", "-1", "3/", "3/0s", "nan"])
def test_a_rate_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        sent_rate(text)


def test_a_function_is_named_by_schema_and_name() -> None:
    hook = hook_of("send_sms", "pg-functions://postgres/public/send", "")
    assert hook.function == ("public", "send")


def test_a_listed_secret_is_kept_without_its_prefix() -> None:
    hook = hook_of("send_email", "https://hooks.example.com/mail", f"{KEY}|v1,whsec_{'B' * 32}")
    assert [key.reveal() for key in hook.keys] == ["A" * 32, "B" * 32]


@pytest.mark.parametrize(
    ("uri", "secrets"),
    [
        ("http://hooks.example.com/mail", KEY),
        ("http://169.254.169.254/latest", KEY),
        ("ftp://localhost/mail", KEY),
        ("https://user:pass@hooks.example.com/", KEY),
        ("https:///mail", KEY),
        ("pg-functions://postgres/public", ""),
        ("pg-functions://postgres/public/a/b", ""),
        ('pg-functions://postgres/public/x";drop', ""),
        ("https://hooks.example.com/mail", "whsec_short"),
        ("https://hooks.example.com/mail", f"{KEY}|nonsense"),
    ],
)
def test_a_hook_address_that_is_not_allowed_is_refused(uri: str, secrets: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        hook_of("send_email", uri, secrets)
