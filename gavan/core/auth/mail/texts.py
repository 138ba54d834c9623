"""The mails of a stack that brings no templates of its own: a subject and one body for all."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Text:
    """A subject and a body in Go's template language."""

    subject: str
    body: str


_PAGE = """\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="color-scheme" content="light dark"></head>
<body style="margin:0;padding:32px 16px;font-family:system-ui,sans-serif;line-height:1.5">
<div style="max-width:480px;margin:0 auto">
<h1 style="font-size:20px;margin:0 0 16px">{title}</h1>
{parts}
</div>
</body>
</html>
"""
_BUTTON = """\
<p style="margin:24px 0"><a href="{{{{ .ConfirmationURL }}}}" style="display:inline-block;\
padding:12px 20px;border-radius:8px;background:#1f5f4a;color:#fff;text-decoration:none">\
{label}</a></p>"""
_CODE = """\
<p>Or enter this code:
<strong style="font-size:18px;letter-spacing:2px">{{ .Token }}</strong></p>"""
_IGNORE = '<p style="opacity:.75">If you did not ask for this, you can ignore this mail.</p>'
_ALARM = "<p>If this was not you, reset your password and tell whoever runs this service.</p>"


def _asked(title: str, sentence: str, label: str) -> Text:
    parts = [f"<p>{sentence}</p>", _BUTTON.format(label=label), _CODE, _IGNORE]
    return Text(title, _PAGE.format(title=title, parts="\n".join(parts)))


def _told(title: str, sentence: str) -> Text:
    parts = [f"<p>{sentence}</p>", _ALARM]
    return Text(title, _PAGE.format(title=title, parts="\n".join(parts)))


TEXTS: dict[str, Text] = {
    "confirmation": _asked(
        "Confirm your email address",
        "Please confirm that {{ .Email }} is your address.",
        "Confirm address",
    ),
    "invite": _asked(
        "You've been invited",
        "You were invited to make an account at {{ .SiteURL }}.",
        "Accept invitation",
    ),
    "magic_link": _asked(
        "Your sign-in link",
        "This link signs you in. It can be used once and not for long.",
        "Sign in",
    ),
    "recovery": _asked(
        "Reset your password",
        "Somebody, probably you, wants to choose a new password for {{ .Email }}.",
        "Choose a new password",
    ),
    "email_change": _asked(
        "Confirm your new email address",
        "Please confirm that your address changes from {{ .Email }} to {{ .NewEmail }}.",
        "Confirm the change",
    ),
    "reauthentication": Text(
        "{{ .Token }} is your verification code",
        _PAGE.format(
            title="Your verification code",
            parts=f"{_CODE.replace('Or enter this code', 'Enter this code')}\n{_IGNORE}",
        ),
    ),
    "password_changed": _told(
        "Your password was changed", "The password of {{ .Email }} was changed."
    ),
    "email_changed": _told(
        "Your email address was changed",
        "The address of your account changed from {{ .OldEmail }} to {{ .Email }}.",
    ),
    "phone_changed": _told(
        "Your phone number was changed",
        "The phone number of {{ .Email }} changed from {{ .OldPhone }} to {{ .Phone }}.",
    ),
    "identity_linked": _told(
        "A new sign-in method was linked to your account",
        "{{ .Email }} can now sign in with {{ .Provider }}.",
    ),
    "identity_unlinked": _told(
        "A sign-in method was removed from your account",
        "{{ .Email }} can no longer sign in with {{ .Provider }}.",
    ),
    "mfa_factor_enrolled": _told(
        "A new verification method was added to your account",
        "{{ .Email }} got a second factor of the kind {{ .FactorType }}.",
    ),
    "mfa_factor_unenrolled": _told(
        "A verification method was removed from your account",
        "A second factor of the kind {{ .FactorType }} was removed from {{ .Email }}.",
    ),
}
