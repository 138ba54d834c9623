"""The inbox keeps mails in files: bounded, shared, waited for, never outside its folder."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path

import pytest

from gavan.core.auth.config.mail import MailConfig
from gavan.core.auth.mail.inbox import store
from gavan.core.auth.mail.inbox.store import Inbox, Wanted
from gavan.core.auth.mail.letter import Letter, compose
from gavan.core.auth.mail.templates import Rendered

LINK = "http://127.0.0.1:54321/auth/v1/verify?token=" + "a" * 56 + "&redirect_to=" + "b" * 300


def letter(to: str = "ann@example.com", kind: str = "magic_link", subject: str = "Hi") -> Letter:
    rendered = Rendered(subject=subject, html="<p>Grüße</p>", text="Grüße\n")
    message = compose(MailConfig(), to, kind, rendered)
    return Letter(message=message, to=to, sender="a@b.ch", kind=kind, code="123456", link=LINK)


async def test_a_caught_mail_says_what_a_test_wants_to_know(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "inbox")
    await inbox.send(letter("Ann@Example.com", subject="Grüße aus Zürich"))
    (mail,) = await inbox.find(Wanted())
    assert (mail.to, mail.kind, mail.code, mail.link) == (
        "ann@example.com",
        "magic_link",
        "123456",
        LINK,
    )
    assert mail.subject == "Grüße aus Zürich"
    assert mail.text.strip() == "Grüße"
    assert mail.html.strip() == "<p>Grüße</p>"


async def test_mails_survive_the_process_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    await Inbox(tmp_path / "inbox").send(letter())
    (mail,) = await Inbox(tmp_path / "inbox").find(Wanted())
    assert mail.to == "ann@example.com"
    assert (tmp_path / "inbox").stat().st_mode & 0o077 == 0
    assert next((tmp_path / "inbox").iterdir()).stat().st_mode & 0o077 == 0


async def test_mails_are_found_by_recipient_kind_and_age(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    await inbox.send(letter("ann@example.com", "invite"))
    await inbox.send(letter("bea@example.com", "invite"))
    await inbox.send(letter("ann@example.com", "recovery"))
    mails = await inbox.find(Wanted())
    assert [mail.kind for mail in mails] == ["recovery", "invite", "invite"]
    assert [mail.kind for mail in await inbox.find(Wanted(to="ANN@example.com"))] == [
        "recovery",
        "invite",
    ]
    assert [mail.to for mail in await inbox.find(Wanted(kind="recovery"))] == ["ann@example.com"]
    assert [m.kind for m in await inbox.find(Wanted(after=mails[1].id))] == ["recovery"]
    assert await inbox.clear(Wanted(to="ann@example.com")) == 2
    assert len(await inbox.find(Wanted())) == 1


async def test_the_oldest_mails_go_when_there_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MOST", 3)
    numbers = count(1)
    inbox = Inbox(tmp_path, clock_ns=lambda: next(numbers))
    for number in range(5):
        await inbox.send(letter(subject=str(number)))
    assert [mail.subject for mail in await inbox.find(Wanted())] == ["4", "3", "2"]


async def test_the_oldest_mails_go_when_they_are_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MOST_BYTES", 1)
    inbox = Inbox(tmp_path)
    await inbox.send(letter(subject="first"))
    await inbox.send(letter(subject="second"))
    assert [mail.subject for mail in await inbox.find(Wanted())] == ["second"]


async def test_who_waits_gets_the_mail_that_comes(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    await inbox.send(letter("bea@example.com"))
    waiting = asyncio.create_task(inbox.wait(Wanted(to="ann@example.com"), timeout_s=30))
    await asyncio.sleep(0)
    await inbox.send(letter("ann@example.com"))
    mail = await waiting
    assert mail is not None
    assert mail.to == "ann@example.com"


async def test_who_waits_sees_what_another_process_caught(tmp_path: Path) -> None:
    waiting = asyncio.create_task(Inbox(tmp_path).wait(Wanted(), timeout_s=30))
    await asyncio.sleep(0)
    await Inbox(tmp_path).send(letter())
    assert await waiting is not None


async def test_many_may_read_while_mails_come_and_go(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)

    async def come_and_go(number: int) -> None:
        await inbox.send(letter(f"p{number}@example.com"))
        assert await inbox.wait(Wanted(to=f"p{number}@example.com"), timeout_s=30)
        assert await inbox.clear(Wanted(to=f"p{number}@example.com")) == 1

    await asyncio.gather(*(come_and_go(number) for number in range(20)))
    assert await inbox.find(Wanted()) == []


async def test_who_waits_in_vain_is_told(tmp_path: Path) -> None:
    assert await Inbox(tmp_path).wait(Wanted(), timeout_s=0) is None


@pytest.mark.parametrize("mail_id", ["../secret", "..%2Fsecret", "", "x" * 29, "/etc/passwd"])
async def test_no_id_leads_out_of_the_folder(tmp_path: Path, mail_id: str) -> None:
    (tmp_path / "secret.eml").write_text("Subject: secret\n\nx")
    inbox = Inbox(tmp_path / "inbox")
    await inbox.send(letter())
    assert await inbox.get(mail_id) is None
    assert not await inbox.delete(mail_id)
    assert (tmp_path / "secret.eml").exists()
