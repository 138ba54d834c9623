"""Envelopes and links: two parts, one line per header, nothing forged by what users type."""

from __future__ import annotations

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest

from gavan.core.auth.config.mail import KINDS, MailConfig
from gavan.core.auth.mail.letter import compose
from gavan.core.auth.mail.links import confirmation_url
from gavan.core.auth.mail.templates import Rendered, Templates, template_path

API = "https://api.example.com/auth/v1"
DATA = {
    "Email": "ann@example.com",
    "Token": "123456",
    "SiteURL": "https://example.com",
    "ConfirmationURL": f"{API}/verify?token=x&type=signup&redirect_to=https://example.com",
    "Data": {"name": "Ann"},
}


def written(message: EmailMessage) -> EmailMessage:
    return message_from_bytes(message.as_bytes(), policy=SMTP)


def letter(
    to: str = "ann@example.com", subject: str = "Hello", config: MailConfig | None = None
) -> EmailMessage:
    rendered = Rendered(subject=subject, html="<p>Hi Ann</p>", text="Hi Ann\n")
    return written(compose(config or MailConfig(), to, "magic_link", rendered))


def test_a_mail_is_text_first_and_html_second() -> None:
    message = letter()
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"].endswith("@localhost>")


@pytest.mark.parametrize(
    "evil",
    [
        "Hello\r\nBcc: everyone@example.com",
        "Hello\nBcc: everyone@example.com",
        "Hello\rBcc: everyone@example.com",
        "Hello\u2028Bcc: everyone@example.com",
        "Hello\x00\x0bBcc: everyone@example.com",
        "Hello\r\n\r\n<script>",
    ],
)
def test_no_text_of_a_user_makes_a_header(evil: str) -> None:
    """Header injection through a subject or a sender's name with metadata in it."""
    config = MailConfig(sender_name=evil, headers={"X-Group": (evil,)})
    message = letter(subject=evil, config=config)
    assert message["Bcc"] is None
    assert len(message.get_all("X-Group", [])) == 1
    assert sorted({name.lower() for name in message}) == [
        "auto-submitted",
        "content-type",
        "date",
        "from",
        "message-id",
        "mime-version",
        "subject",
        "to",
        "x-group",
    ]
    assert message.get_body(("plain",)) is not None


@pytest.mark.parametrize(
    "to",
    [
        "ann@example.com\r\nBcc: b@example.com",
        "ann@example.com, bea@example.com",
        "ann@example.com>\nRCPT TO:<bea@example.com",
        "no address",
    ],
)
def test_an_address_that_is_several_or_none_is_refused(to: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        letter(to=to)


def test_the_operators_headers_know_the_kind_and_leave_ours_alone() -> None:
    config = MailConfig(
        headers={"X-Kind": ("$messageType",), "Subject": ("no",), "Content-Type": ("no",)}
    )
    message = letter(config=config)
    assert message["X-Kind"] == "magic_link"
    assert message["Subject"] == "Hello"
    assert message.get_content_type() == "multipart/alternative"


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_has_a_mail_without_templates(kind: str) -> None:
    rendered = await Templates(MailConfig()).render(kind, DATA)
    assert rendered.subject
    assert "\n" not in rendered.subject
    assert "<h1" in rendered.html
    assert "{{" not in rendered.html
    assert rendered.text.strip()


async def test_a_template_of_the_stack_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "invite.html"
    file.write_text("<p>Come, {{ .Data.name }}</p>")
    now = 0.0
    templates = Templates(MailConfig(templates={"invite": str(file)}), clock=lambda: now)
    assert (await templates.render("invite", DATA)).html == "<p>Come, Ann</p>"
    file.write_text("<p>Hurry, {{ .Data.name }}</p>")
    now = 2.0
    assert (await templates.render("invite", DATA)).html == "<p>Hurry, Ann</p>"


@pytest.mark.parametrize("content", [None, "{{ if }}", "x" * 1_000_001, "\ud800"])
async def test_a_broken_template_never_stops_a_mail(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "invite.html"
    if content is not None:
        file.write_bytes(content.encode(errors="surrogatepass"))
    config = MailConfig(templates={"invite": str(file)}, subjects={"invite": "{{ nosuch }}"})
    rendered = await Templates(config).render("invite", DATA)
    assert rendered.subject == "You've been invited"
    assert "Accept invitation" in rendered.html


async def test_a_subject_is_a_template_of_one_line() -> None:
    config = MailConfig(subjects={"recovery": "{{ .Data.name }}, your\n code {{ .Token }}"})
    rendered = await Templates(config).render("recovery", DATA | {"Data": {"name": "A\r\nB"}})
    assert rendered.subject == "A B, your code 123456"


def test_templates_come_from_files_only() -> None:
    assert template_path("file:///a%20b.html") == Path("/a b.html")
    with pytest.raises(ValueError, match="files"):
        template_path("https://example.com/invite.html")


def link(redirect_to: str = "https://example.com/a", **paths: str) -> str:
    return confirmation_url(MailConfig(paths=paths), API, "signup", "pkce_ab", redirect_to)


def test_a_link_leads_to_verify_with_the_hash() -> None:
    assert link() == f"{API}/verify?token=pkce_ab&type=signup&redirect_to=https://example.com/a"


def test_a_link_may_lead_to_another_path_or_host() -> None:
    query = "?token=pkce_ab&type=signup&redirect_to=https://example.com/a"
    assert link(confirmation="/auth/v1/verify") == f"{API}/verify{query}"
    assert link(confirmation="/confirm") == f"https://api.example.com/confirm{query}"
    assert link(confirmation="https://me.example/c") == f"https://me.example/c{query}"


def test_a_redirect_cannot_add_to_the_query_of_a_link() -> None:
    assert link("https://example.com/?a=1&type=recovery#x").endswith(
        "redirect_to=https%3A%2F%2Fexample.com%2F%3Fa%3D1%26type%3Drecovery%23x"
    )
    assert '"' not in link('https://example.com/"><script>')
