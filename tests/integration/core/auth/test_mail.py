"""Mails on their way: a real SMTP server, with and without TLS, and the inbox."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from gavan.core.auth.config.mail import MailConfig
from gavan.core.auth.mail.inbox.store import Inbox
from gavan.core.auth.mail.letter import Letter, compose
from gavan.core.auth.mail.smtp import SmtpTransport
from gavan.core.auth.mail.templates import Rendered
from gavan.kit import smtp
from gavan.kit.secret import Secret
from gavan.kit.smtp import SmtpError
from tests.integration.core.conftest import CoreFactory
from tests.local_certificate import certificate_for
from tests.local_mail import Mailbox, smtp_server
from tests.ports import free_port

INBOX = "/_gavan/inbox"
Json = dict[str, Any]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost and its key in one file."""
    return certificate_for("localhost", tmp_path_factory.mktemp("tls") / "server.pem")


def transport(mailbox: Mailbox, certificate: Path | None = None, **changes: Any) -> SmtpTransport:
    tls = ssl.create_default_context(cafile=str(certificate)) if certificate else None
    values = {"host": "127.0.0.1", "port": mailbox.port, "timeout_s": 10.0, **changes}
    return SmtpTransport(smtp.SmtpServer(**values), tls)


def letter(to: str = "ann@example.com") -> Letter:
    rendered = Rendered(subject="Hallo", html="<p>Grüße</p>", text="Grüße\n")
    message = compose(MailConfig(sender="us@example.com"), to, "invite", rendered)
    return Letter(message=message, to=to, sender="us@example.com", kind="invite")


async def test_a_mail_reaches_a_server() -> None:
    with smtp_server() as mailbox:
        await transport(mailbox).send(letter())
    (envelope,) = mailbox.taken
    assert (envelope.mail_from, envelope.rcpt_tos) == ("us@example.com", ["ann@example.com"])
    assert isinstance(envelope.content, bytes)
    assert b"Subject: Hallo" in envelope.content


async def test_starttls_is_used_when_it_is_offered(certificate: Path) -> None:
    with smtp_server(certificate) as mailbox:
        await transport(mailbox, certificate).send(letter())
    assert mailbox.was_tls == [True]


async def test_a_server_that_is_tls_at_once_is_spoken_to(certificate: Path) -> None:
    with smtp_server(certificate, implicit=True) as mailbox:
        await transport(mailbox, certificate, security="tls").send(letter())
    assert mailbox.was_tls == [True]


async def test_a_certificate_that_nobody_knows_stops_the_mail(certificate: Path) -> None:
    """A man in the middle: neither the mail nor the password reaches him."""
    with smtp_server(certificate, logins=True) as mailbox, pytest.raises(SmtpError):
        await transport(mailbox, user="u", password=Secret("right")).send(letter())
    assert (mailbox.taken, mailbox.logins) == ([], [])


async def test_a_stripped_starttls_stops_the_mail_where_it_is_demanded() -> None:
    with smtp_server() as mailbox, pytest.raises(SmtpError):
        await transport(mailbox, security="starttls").send(letter())
    assert mailbox.taken == []


async def test_a_password_is_not_sent_in_clear() -> None:
    """The server's name is not this machine's, and it offers no TLS."""
    with smtp_server(logins=True) as mailbox:
        sender = transport(mailbox, host="ip6-localhost.", user="u", password=Secret("right"))
        with pytest.raises(SmtpError):
            await sender.send(letter())
        sender = transport(mailbox, host="127.0.0.2", user="u", password=Secret("right"))
        with pytest.raises(SmtpError):
            await sender.send(letter())
    assert mailbox.logins == []


async def test_a_login_is_made_and_a_wrong_one_is_told_without_it(certificate: Path) -> None:
    with smtp_server(certificate, logins=True) as mailbox:
        await transport(mailbox, certificate, user="u", password=Secret("right")).send(letter())
        wrong = transport(mailbox, certificate, user="u", password=Secret("hush"))
        with pytest.raises(SmtpError) as caught:
            await wrong.send(letter())
    assert mailbox.logins[0] == "u:right"
    assert "refused the login" in str(caught.value)
    assert "hush" not in str(caught.value)


async def test_what_the_server_says_is_told() -> None:
    with smtp_server() as mailbox:
        mailbox.refuses = "550 no such user"
        with pytest.raises(SmtpError, match="550"):
            await transport(mailbox).send(letter())


async def test_a_server_that_hangs_does_not_hold_the_request() -> None:
    with smtp_server() as mailbox:
        mailbox.hangs = True
        with pytest.raises(SmtpError, match="no answer"):
            await transport(mailbox, timeout_s=0.3).send(letter())


async def test_a_server_that_is_not_there_is_an_error_like_others() -> None:
    with pytest.raises(SmtpError):
        await transport(Mailbox(port=free_port())).send(letter())


@pytest_asyncio.fixture
async def client(
    core_factory: CoreFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    """A core in development, its inbox in a folder of the test with one mail in it."""
    monkeypatch.setenv("GAVAN_INBOX_DIR", str(tmp_path / "inbox"))
    await Inbox(tmp_path / "inbox").send(letter())
    yield await core_factory("auth")


async def test_the_inbox_shows_what_was_caught(client: httpx.AsyncClient) -> None:
    listed = (await client.get(f"{INBOX}/api/mails")).json()["mails"]
    assert [(mail["to"], mail["kind"]) for mail in listed] == [("ann@example.com", "invite")]
    mail = (await client.get(f"{INBOX}/api/mails/{listed[0]['id']}")).json()
    assert mail["text"].strip() == "Grüße"
    found = await client.get(f"{INBOX}/api/wait?to=ann@example.com&timeout=0")
    assert found.json() == mail
    later = await client.get(f"{INBOX}/api/wait?after={mail['id']}&timeout=0")
    assert later.status_code == 204
    assert (await client.delete(f"{INBOX}/api/mails/{mail['id']}")).status_code == 204
    assert (await client.get(f"{INBOX}/api/mails/{mail['id']}")).status_code == 404


async def test_the_page_and_its_files_are_served(client: httpx.AsyncClient) -> None:
    page = await client.get(INBOX)
    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["content-security-policy"]
    for name in ("inbox.css", "inbox.js"):
        assert (await client.get(f"{INBOX}/{name}")).status_code == 200
        assert f"{INBOX}/{name}" in page.text


async def test_a_mail_is_shown_without_scripts_forms_and_network(
    client: httpx.AsyncClient,
) -> None:
    (mail,) = (await client.get(f"{INBOX}/api/mails")).json()["mails"]
    shown = await client.get(f"{INBOX}/mails/{mail['id']}.html")
    policy = shown.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox allow-popups" in policy
    for allowed in ("allow-scripts", "allow-same-origin", "allow-forms", "script-src"):
        assert allowed not in policy
    assert shown.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "192.168.1.5:54321"},
    ],
)
async def test_no_other_site_reads_or_empties_the_inbox(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    """A page elsewhere in the same browser, or a name that was made to lead here."""
    for method, path in (("GET", "/api/mails"), ("GET", ""), ("DELETE", "/api/mails")):
        answer = await client.request(method, f"{INBOX}{path}", headers=headers)
        assert answer.status_code == 403
        assert "ann@example.com" not in answer.text
    assert len((await client.get(f"{INBOX}/api/mails")).json()["mails"]) == 1


async def test_the_inbox_has_one_address(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"/auth/v1{INBOX}/api/mails")).status_code == 404


async def test_a_stack_that_holds_real_data_has_no_inbox(core_factory: CoreFactory) -> None:
    client = await core_factory("auth")
    for path in ("", "/api/mails", "/api/wait", "/inbox.js"):
        assert (await client.get(f"{INBOX}{path}")).status_code == 404
    without_auth = await core_factory("rest")
    assert (await without_auth.get(INBOX)).status_code == 404
