"""[core.auth] and what lies under it in supabase/config.toml become the variables of GoTrue."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gavan.core.auth.config import external, hooks, mail
from gavan.core.auth.config.auth import AuthConfig, read_config
from gavan.core.auth.config.passwords import character_sets
from gavan.core.settings import read_settings
from gavan.engines.embedded.environment import reveal
from gavan.kit.errors import GavanError
from gavan.kit.keyset import make_jwk
from gavan.kit.secret import Secret
from gavan.secrets.signing import rotate, signing_list
from gavan.stack.findings import render
from gavan.stack.load import Loaded
from gavan.stack.model import EnvValue
from gavan.stack.schema import auth
from tests.unit.core.auth.test_config import CORE
from tests.unit.stack.conftest import LoadFactory

# As `supabase init` leaves it, in few lines: env() of variables that nobody set behind
# enabled = false, tables that Gavan has no use for.
CONFIG = """
project_id = "test"
[api]
port = 1
[auth]
enabled = true
site_url = "http://127.0.0.1:3000"
additional_redirect_urls = ["https://127.0.0.1:3000"]
jwt_expiry = 1800
minimum_password_length = 8
password_requirements = "letters_digits"
[auth.email]
enable_confirmations = true
max_frequency = "1m30s"
[auth.email.template.invite]
subject = "Come in, {{ .Email }}"
content_path = "./supabase/templates/invite.html"
[auth.email.notification.password_changed]
enabled = true
content_path = "./templates/changed.html"
[auth.sms]
template = "Code {{ .Code }}"
[auth.sms.test_otp]
4152127777 = "123456"
[auth.sms.twilio]
enabled = false
auth_token = "env(NOBODY_SET_THIS)"
[auth.sms.vonage]
enabled = false
[auth.mfa.totp]
enroll_enabled = false
verify_enabled = false
[auth.external.apple]
enabled = false
secret = "env(NOBODY_SET_THIS_EITHER)"
[auth.external.google]
enabled = true
client_id = "0123"
secret = "env(GOOGLE_SECRET)"
[auth.hook.custom_access_token]
enabled = true
uri = "pg-functions://postgres/public/claims"
[auth.third_party.firebase]
enabled = false
[auth.web3.solana]
enabled = false
"""


def variables(loaded: Loaded) -> dict[str, EnvValue]:
    assert loaded.findings == (), render(loaded.findings)
    return dict(loaded.stack.core.auth)


def config_of(variables: dict[str, EnvValue]) -> AuthConfig:
    """Read variables as the core does."""
    environ = {f"GOTRUE_{name}": value for name, value in reveal(variables).items()}
    return read_config(read_settings(CORE), environ)


def write_config(folder: Path, text: str = CONFIG) -> None:
    (folder / "supabase").mkdir()
    (folder / "supabase" / "config.toml").write_text(text)


def test_a_stack_without_the_section_says_nothing(load_factory: LoadFactory) -> None:
    assert variables(load_factory()) == {}


def test_the_defaults_of_the_section_are_those_of_the_core(load_factory: LoadFactory) -> None:
    text = (
        "[core.auth]\n[core.auth.email]\n[core.auth.sms]\n[core.auth.mfa.totp]\n"
        "[core.auth.mfa.phone]\n[core.auth.mfa.web_authn]\n[core.auth.sessions]\n"
        "[core.auth.rate_limit]\n"
    )
    said = config_of(variables(load_factory(text)))
    assert said == config_of({})


def test_names_are_the_same_on_both_floors() -> None:
    assert set(auth.PROVIDERS) == set(external.PROVIDERS)
    assert auth.HOOKS == hooks.HOOKS
    assert set(auth.MAILS) == set(mail.MAILS)
    assert auth.NOTICES == mail.NOTICES


def test_what_is_written_reaches_the_core(load_factory: LoadFactory, tmp_path: Path) -> None:
    loaded = load_factory(
        """
[core.auth]
enable_signup = false
additional_redirect_urls = ["https://*.example.com/**", "app://**"]
password_requirements = "lower_upper_letters_digits_symbols"
[core.auth.email.smtp]
host = "smtp.example.com"
pass = "secret://SMTP_PASSWORD"
admin_email = "us@example.com"
security = "starttls"
[core.auth.email.template.magic_link]
content_path = "mails/link.html"
[core.auth.rate_limit]
header = "X-Real-IP"
sign_in_sign_ups = 5
[core.auth.sessions]
timebox = "24h"
[core.auth.captcha]
provider = "turnstile"
secret = "secret://CAPTCHA_SECRET"
""",
        environ={"SMTP_PASSWORD": "hush", "CAPTCHA_SECRET": "hush too"},
    )
    said = variables(loaded)
    assert "hush" not in str(said)
    config = config_of(said)
    assert config.is_signup_disabled
    assert config.urls.allow_list == ("https://*.example.com/**", "app://**")
    assert config.mail.smtp is not None
    assert (config.mail.smtp.password, config.mail.smtp.security) == (Secret("hush"), "starttls")
    assert config.mail.templates == {"magic_link": str(tmp_path / "mails/link.html")}
    assert (config.rates.header, config.rates.otp.events) == ("X-Real-IP", 5)
    assert config.sessions.timebox_s == 86400
    assert config.security.captcha is not None
    assert config.security.captcha.provider == "turnstile"
    assert len(config.passwords.required_characters) == 4
    assert "\\:" in config.passwords.required_characters[3]


def test_the_list_of_symbols_is_read_back_whole() -> None:
    sets = character_sets("abc:" + r"""!@#$%^&*()_+-=[]{};'\\:"|<>?,./`~""")
    assert set("!@#$%^&*()_+-=[]{};'\\:\"|<>?,./`~") == set(sets[1])


def test_the_file_of_the_supabase_cli_lies_under(load_factory: LoadFactory, tmp_path: Path) -> None:
    write_config(tmp_path)
    loaded = load_factory(
        "[core.auth]\njwt_expiry = 60\n[core.auth.email]\notp_length = 8\n",
        environ={"GOOGLE_SECRET": "hush"},
    )
    said = variables(loaded)
    config = config_of(said)
    assert config.tokens.lifetime_s == 60
    assert config.passwords.minimum_length == 8
    assert not config.mail.autoconfirm
    assert (config.mail.otp_length, config.mail.max_frequency_s) == (8, 90)
    assert config.mail.subjects == {"invite": "Come in, {{ .Email }}"}
    assert config.mail.templates == {
        "invite": str(tmp_path / "supabase/templates/invite.html"),
        "password_changed": str(tmp_path / "supabase/templates/changed.html"),
    }
    assert config.sms.test_otp == {"4152127777": "123456"}
    assert config.sms.template == "Code {{ .Code }}"
    assert not config.mfa.totp.enrolls
    assert set(config.external.providers) == {"google"}
    assert config.external.providers["google"].secret == Secret("hush")
    assert config.hooks["custom_access_token"].function == ("public", "claims")
    assert loaded.stack.core.site_url == "http://127.0.0.1:3000"
    assert loaded.stack.core.port == 54321


def test_signing_keys_may_be_a_file_of_either_tool(
    load_factory: LoadFactory, tmp_path: Path
) -> None:
    keys = [make_jwk("ES256") | {"key_ops": ["sign", "verify"]} for _ in range(2)]
    write_config(tmp_path, '[auth]\nsigning_keys_path = "./signing_keys.json"\n')
    (tmp_path / "supabase/signing_keys.json").write_text(json.dumps(keys[:1]))
    (tmp_path / "own.json").write_text(json.dumps(keys[1:]))
    for text, signer in (
        ("", keys[0]),
        ('[core.auth]\nsigning_keys_path = "own.json"\n', keys[1]),
    ):
        stack = load_factory(text).stack
        assert stack is not None
        listed = signing_list(stack, Secret(CORE["JWT_SECRET"]))
        assert listed is not None
        environ = {**CORE, "GOTRUE_JWT_KEYS": listed.reveal()}
        assert read_settings(environ).keys.kid == signer["kid"]
        with pytest.raises(GavanError) as caught:
            rotate(stack, now=0)
        assert caught.value.code == "GV613"


def test_a_site_of_the_stack_is_nearer_than_the_other_file(
    load_factory: LoadFactory, tmp_path: Path
) -> None:
    write_config(tmp_path)
    loaded = load_factory("[sites.web]\n", environ={"GOOGLE_SECRET": "x"})
    assert loaded.stack.core.site_url == "http://localhost:5173"


def test_a_mistake_in_the_other_file_is_shown_there(
    load_factory: LoadFactory, tmp_path: Path
) -> None:
    write_config(tmp_path, '[auth]\njwt_expiry = "soon"\n')
    (finding,) = load_factory().findings
    assert finding.code == "GV102"
    assert (finding.position.file.name, finding.position.line) == ("config.toml", 2)
    assert "jwt_expiry" in finding.source


def test_a_profile_that_could_not_confirm_anybody_is_told_so(load_factory: LoadFactory) -> None:
    text = "[core.auth.email]\nenable_confirmations = true\n"
    smtp = "[core.auth.email.smtp]\nhost = 'smtp.example.com'\nadmin_email = 'a@b.ch'\n"
    assert load_factory(text).findings == ()
    assert load_factory(text + smtp, profile="prod").findings == ()
    (finding,) = load_factory(text, profile="prod").findings
    assert (finding.code, finding.level.value) == ("GV157", "warning")
    assert finding.position.line == 4


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [
        ("[core.auth.external.gogle]\nclient_id = '1'\n", "GV101", "google"),
        ("[core.auth.hook.send_mail]\nuri = 'x'\n", "GV101", "send_email"),
        ("[core.auth.captcha]\nsecret = 'in the open'\n", "GV151", "CAPTCHA_SECRET"),
        ("[core.auth.email]\nmax_frequency = 'often'\n", "GV105", "max_frequency"),
        ("[core.auth]\nexternal = 1\n", "GV102", "table"),
        ("[core.auth.captcha]\n", "GV103", "CAPTCHA_SECRET"),
        ("[core.auth.hook.send_sms]\n", "GV103", "pg-functions"),
        ("[core.auth.hook.send_sms]\nuri = 'http://evil.example'\n", "GV102", "https"),
        ("[core.auth.hook.send_sms]\nuri = 'pg-functions://x/y'\n", "GV102", "https"),
        ("[core.auth.email.smtp]\nhost = 'x'\n", "GV103", "admin_email"),
        ("[core.auth.external]\ngoogle = 1\n", "GV102", "table"),
        ("[core.auth]\npassword_requirements = 'letters'\n", "GV102", "letters_digits"),
    ],
)
def test_a_mistake_is_told_with_its_mend(
    load_factory: LoadFactory, text: str, code: str, part: str
) -> None:
    (finding,) = load_factory(text).findings
    assert finding.code == code
    assert part in f"{finding.message} {finding.why} {finding.mend}"
    assert "in the open" not in render([finding])
