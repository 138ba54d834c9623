"""The section [core.auth]: the names are those of [auth] in the supabase CLI's config.toml.

Stands beside sections.py; gavan/stack/auth.py turns what is written here into GoTrue's variables.
"""

from __future__ import annotations

from gavan.stack.schema.key import Key, Kind, Section

PROVIDERS = (
    "apple", "azure", "bitbucket", "discord", "facebook", "figma", "fly", "github", "gitlab",
    "google", "kakao", "keycloak", "linkedin", "linkedin_oidc", "notion", "slack", "slack_oidc",
    "snapchat", "spotify", "twitch", "twitter", "vercel_marketplace", "workos", "x", "zoom",
)  # fmt: skip
HOOKS = (
    "before_user_created", "after_user_created", "send_email", "send_sms", "custom_access_token",
    "password_verification_attempt", "mfa_verification_attempt",
)  # fmt: skip
MAILS = ("confirmation", "invite", "magic_link", "recovery", "email_change", "reauthentication")
NOTICES = (
    "password_changed", "email_changed", "phone_changed", "identity_linked", "identity_unlinked",
    "mfa_factor_enrolled", "mfa_factor_unenrolled",
)  # fmt: skip
_URI = (
    r"pg-functions://[^/]*(/[A-Za-z_][A-Za-z0-9_]{0,62}){2}|https://[^@]+"
    r"|http://(localhost|127\.0\.0\.1|\[::1\]|host\.docker\.internal)([:/][^@]*)?"
)
_DURATION = r"(\d+(\.\d+)?(ms|s|m|h))+"
_CODE = "Your code is {{ .Code }}"


def _flag(name: str, meaning: str, *, default: bool = False) -> Key:
    return Key(name=name, kind=Kind.BOOLEAN, default=default, meaning=meaning)


def _text(name: str, meaning: str, example: str = "") -> Key:
    return Key(name=name, kind=Kind.TEXT, meaning=meaning, example=example)


def _secret(name: str, meaning: str, variable: str) -> Key:
    return Key(name=name, kind=Kind.SECRET, meaning=meaning, example=f'"secret://{variable}"',
               never_written=True)  # fmt: skip


def _count(name: str, default: int, meaning: str) -> Key:
    return Key(name=name, kind=Kind.INTEGER, default=default, meaning=meaning)


def _time(name: str, default: str | None, meaning: str, example: str = "") -> Key:
    return Key(name=name, kind=Kind.TEXT, default=default, pattern=_DURATION, meaning=meaning,
               example=example)  # fmt: skip


SMTP = Section(
    path=("core", "auth", "email", "smtp"),
    meaning="The server that mails leave by; used where the profile is protected.",
    keys=(
        _flag("enabled", "Use it.", default=True),
        _text("host", "Name of the server.", '"smtp.example.com"'),
        Key(name="port", kind=Kind.PORT, default=587, meaning="465 is TLS at once."),
        _text("user", "Login; empty: none.", '"apikey"'),
        _secret("pass", "Password; never sent without TLS.", "SMTP_PASSWORD"),
        _text("admin_email", "Address that mails come from.", '"hello@example.com"'),
        _text("sender_name", "Name that mails come from.", '"Example"'),
        Key(name="security", kind=Kind.CHOICE, default="auto",
            choices=("auto", "starttls", "tls", "none"),
            meaning="auto: TLS on port 465, elsewhere STARTTLS where it is offered."),
    ),
)  # fmt: skip

TEMPLATE = Section(
    path=("core", "auth", "email", "template", "*"),
    meaning="A mail of yours, in Go's template language.",
    keys=(
        Key(name="subject", kind=Kind.TEXT, interpolated=False, example='"Welcome"',
            meaning="Subject; default: the built-in one."),
        Key(name="content_path", kind=Kind.TEXT, example='"supabase/templates/invite.html"',
            meaning="File of the HTML, from the root of the stack; default: the built-in text."),
    ),
)  # fmt: skip

NOTIFICATION = Section(
    path=("core", "auth", "email", "notification", "*"),
    meaning="A mail after the fact.",
    keys=(_flag("enabled", "Send it."), *TEMPLATE.keys),
)

EMAIL = Section(
    path=("core", "auth", "email"),
    meaning="Sign-in by e-mail, and the mails.",
    keys=(
        _flag("enable_signup", "Offer sign-up and sign-in by e-mail.", default=True),
        _flag("enable_confirmations", "Addresses are confirmed by mail before the first sign-in."),
        _flag("double_confirm_changes", "A new address is confirmed from the old one as well.",
              default=True),
        _flag("secure_password_change", "A new password needs a recent sign-in or a mailed code."),
        _flag("require_current_password", "A new password needs the current one."),
        _time("max_frequency", "1s", "Time between two mails to one user."),
        _count("otp_length", 6, "Digits of mailed codes, 6 to 10."),
        _count("otp_expiry", 3600, "Life of mailed codes and links in seconds."),
        Key(name="smtp", kind=Kind.SECTION, section=SMTP,
            example='{ host = "smtp.example.com", pass = "secret://SMTP_PASSWORD" }',
            meaning="The server that mails leave by."),
        Key(name="template", kind=Kind.TABLES, section=TEMPLATE, choices=MAILS, default={},
            example='{ invite = { subject = "Welcome" } }', meaning="Mails of yours, by kind."),
        Key(name="notification", kind=Kind.TABLES, section=NOTIFICATION, choices=NOTICES,
            default={}, example="{ password_changed = { enabled = true } }",
            meaning="Mails after the fact, by kind."),
    ),
)  # fmt: skip

TWILIO = Section(
    path=("core", "auth", "sms", "twilio"),
    meaning="The one provider of text messages that is spoken; others by the hook send_sms.",
    keys=(
        _flag("enabled", "Use it.", default=True),
        _text("account_sid", "Account.", '"AC0123"'),
        _text("message_service_sid", "Messaging service, or the number they come from.",
              '"MG0123"'),
        _secret("auth_token", "Token of the account.", "TWILIO_AUTH_TOKEN"),
    ),
)  # fmt: skip

SMS = Section(
    path=("core", "auth", "sms"),
    meaning="Sign-in by phone.",
    keys=(
        _flag("enable_signup", "Offer sign-up and sign-in by phone."),
        _flag("enable_confirmations", "Numbers are confirmed by a message before they count."),
        Key(name="template", kind=Kind.TEXT, default=_CODE, interpolated=False,
            meaning="What a message says."),
        _time("max_frequency", "5s", "Time between two messages to one user."),
        Key(name="test_otp", kind=Kind.SETTINGS, default={}, example='{ 4152127777 = "123456" }',
            meaning="Codes of numbers that never get a message, for tests."),
        Key(name="twilio", kind=Kind.SECTION, section=TWILIO,
            example='{ account_sid = "AC0123", auth_token = "secret://TWILIO_AUTH_TOKEN" }',
            meaning="Who sends the messages."),
    ),
)  # fmt: skip


def _factor(name: str, meaning: str, *more: Key, default: bool = False) -> Key:
    section = Section(
        path=("core", "auth", "mfa", name),
        meaning=meaning,
        keys=(
            _flag("enroll_enabled", "Offer to add one.", default=default),
            _flag("verify_enabled", "Accept one that was added.", default=default),
            *more,
        ),
    )
    return Key(name=name, kind=Kind.SECTION, section=section, example="{ enroll_enabled = true }",
               meaning=meaning)  # fmt: skip


MFA = Section(
    path=("core", "auth", "mfa"),
    meaning="Second factors.",
    keys=(
        _count("max_enrolled_factors", 10, "Factors of one user at most."),
        _factor("totp", "Codes of an authenticator app.", default=True),
        _factor("phone", "Codes by text message.",
                _count("otp_length", 6, "Digits, 6 to 10."),
                Key(name="template", kind=Kind.TEXT, default=_CODE, interpolated=False,
                    meaning="What a message says."),
                _time("max_frequency", "5s", "Time between two messages.")),
        _factor("web_authn", "Security keys and what devices have built in."),
    ),
)  # fmt: skip

SESSIONS = Section(
    path=("core", "auth", "sessions"),
    meaning="How long sessions live.",
    keys=(
        _time("timebox", None, "From sign-in to the end; default: no end.", '"24h"'),
        _time("inactivity_timeout", None, "Without a refresh; default: no end.", '"8h"'),
        _time("allow_low_aal", None, "Without the second factor that the user has.", '"10m"'),
        _flag("single_per_user", "A sign-in ends the user's other sessions."),
    ),
)

RATE_LIMIT = Section(
    path=("core", "auth", "rate_limit"),
    meaning="How often; per address only when the header is named that says whose request it is.",
    keys=(
        _text("header", "Header that the proxy in front sets and clients cannot; empty: no limit"
              " per address, and in containers X-Forwarded-For, which their proxy sets.",
              '"X-Forwarded-For"'),
        Key(name="email_sent", kind=Kind.INTEGER, example="30",
            meaning="Mails an hour; default: 30 by SMTP, no limit into the inbox."),
        _count("sms_sent", 30, "Text messages an hour."),
        _count("anonymous_users", 30, "Anonymous sign-ups an hour and address."),
        _count("token_refresh", 150, "Sign-ins and refreshes in 5 minutes and address."),
        _count("sign_in_sign_ups", 30,
               "Sign-ups, codes, links and changes in 5 minutes and address."),
        _count("token_verifications", 30, "Verifications in 5 minutes and address."),
    ),
)  # fmt: skip

CAPTCHA = Section(
    path=("core", "auth", "captcha"),
    meaning="A proof that a person asks.",
    keys=(
        _flag("enabled", "Ask for it.", default=True),
        Key(name="provider", kind=Kind.CHOICE, default="hcaptcha",
            choices=("hcaptcha", "turnstile"), meaning="Who checks it."),
        _secret("secret", "Secret key of the site.", "CAPTCHA_SECRET"),
    ),
)  # fmt: skip

HOOK = Section(
    path=("core", "auth", "hook", "*"),
    meaning="A function or endpoint of yours that is asked.",
    keys=(
        _flag("enabled", "Ask it.", default=True),
        Key(name="uri", kind=Kind.TEXT, pattern=_URI,
            example='"pg-functions://postgres/public/custom_claims"',
            meaning="pg-functions://postgres/<schema>/<function>, or an https address."),
        _secret("secrets", "v1,whsec_<base64>, several joined by |; signs requests over https.",
                "HOOK_SECRETS"),
    ),
)  # fmt: skip

EXTERNAL = Section(
    path=("core", "auth", "external", "*"),
    meaning="An identity provider.",
    keys=(
        _flag("enabled", "Offer it.", default=True),
        _text("client_id", "Client id, several joined by commas.", '"0123.apps.example.com"'),
        _secret("secret", "Client secret.", "GOOGLE_SECRET"),
        _text("redirect_uri", "Callback; default: /auth/v1/callback of the core."),
        _text("url", "Root of a provider that is self-hosted.", '"https://gitlab.example.com"'),
        _flag("skip_nonce_check", "Take id tokens without a nonce."),
        _flag("email_optional", "Take accounts without an address."),
    ),
)

WEBAUTHN = Section(
    path=("core", "auth", "webauthn"),
    meaning="What passkeys and security keys are bound to.",
    keys=(
        _text("rp_display_name", "Name shown by the browser.", '"Example"'),
        _text("rp_id", "Domain.", '"example.com"'),
        Key(name="rp_origins", kind=Kind.TEXTS, default=(), example='["https://example.com"]',
            meaning="Origins that may use them."),
    ),
)  # fmt: skip

PASSKEY = Section(
    path=("core", "auth", "passkey"),
    meaning="Sign-in by passkey.",
    keys=(_flag("enabled", "Offer it.", default=True),),
)

CORE_AUTH = Section(
    path=("core", "auth"),
    meaning="Users and their sign-in. supabase/config.toml lies under it: what is not written here "
    "is taken from its [auth], but tables with enabled = false.",
    keys=(
        Key(name="additional_redirect_urls", kind=Kind.TEXTS, default=(),
            example='["https://*.example.com/**"]',
            meaning="Where links and sign-ins may lead besides site_url; globs."),
        _flag("enable_signup", "New users may sign up.", default=True),
        _flag("enable_anonymous_sign_ins", "Users may begin without a name."),
        _flag("enable_manual_linking", "Users may add identities themselves."),
        _count("jwt_expiry", 3600, "Life of an access token in seconds."),
        _text("jwt_issuer", "Claim iss; default: /auth/v1 of the core."),
        _text("signing_keys_path", "File of the keys that sign, as supabase gen signing-key writes "
              "it; default: the keys of `gavan keys`.", '"signing_keys.json"'),
        _flag("enable_refresh_token_rotation", "A reused refresh token ends its session.",
              default=True),
        _count("refresh_token_reuse_interval", 10, "Seconds in which a reuse is forgiven."),
        _count("minimum_password_length", 6, "Not below 6."),
        Key(name="password_requirements", kind=Kind.CHOICE, default="",
            choices=("", "letters_digits", "lower_upper_letters_digits",
                     "lower_upper_letters_digits_symbols"),
            meaning="What a password has to hold."),
        _flag("check_leaked_passwords", "Ask haveibeenpwned.com by the first 5 digits of a hash."),
        Key(name="private_provider_hosts", kind=Kind.TEXTS, default=(),
            example='["id.internal"]',
            meaning="Hosts of custom providers that may be asked though they are not public."),
        *(
            Key(name=section.path[2], kind=Kind.SECTION, section=section, example=example,
                meaning=section.meaning)
            for section, example in (
                (EMAIL, "{ enable_confirmations = true }"),
                (SMS, "{ enable_signup = true }"),
                (MFA, "{ max_enrolled_factors = 10 }"),
                (SESSIONS, '{ timebox = "24h" }'),
                (RATE_LIMIT, '{ header = "X-Forwarded-For" }'),
                (CAPTCHA, '{ provider = "turnstile", secret = "secret://CAPTCHA_SECRET" }'),
                (PASSKEY, "{ enabled = true }"),
                (WEBAUTHN, '{ rp_id = "example.com" }'),
            )
        ),
        Key(name="hook", kind=Kind.TABLES, section=HOOK, choices=HOOKS, default={},
            example="{ custom_access_token = { uri = "
            '"pg-functions://postgres/public/custom_claims" } }',
            meaning="Functions and endpoints of yours, by name."),
        Key(name="external", kind=Kind.TABLES, section=EXTERNAL, choices=PROVIDERS, default={},
            example='{ google = { client_id = "0123", secret = "secret://GOOGLE_SECRET" } }',
            meaning="Identity providers, by name."),
    ),
)  # fmt: skip
