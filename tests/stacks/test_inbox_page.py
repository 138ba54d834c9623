"""The page of the inbox in a real browser: mails arrive, are read, and can do nothing."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from gavan.core.auth.config.mail import MailConfig
from gavan.core.auth.mail.inbox.store import Inbox
from gavan.core.auth.mail.letter import Letter, compose
from gavan.core.auth.mail.plain_text import plain_text
from gavan.core.auth.mail.templates import Rendered, Templates
from tests.conftest import Database
from tests.live import running_core
from tests.stacks.conftest import Window

EVIL = """\
<h1 id="evil">Hello</h1>
<script>document.title = "owned"; top.document.title = "owned";</script>
<img src=x onerror="top.document.title='owned'">
<img src="http://tracker.invalid/pixel.png">
<form action="http://evil.invalid/"><input name="a"><button>Send</button></form>
<a id="js" href="javascript:top.document.title='owned'">js</a>
<a id="top" href="/health" target="_top">top</a>
<a id="out" href="/health">out</a>
<meta http-equiv="refresh" content="0;url=http://evil.invalid/">
"""


class Mailbox:
    """Puts mails where the core finds them."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self.url = f"{url}/_gavan/inbox"
        self._link = f"{url}/health"

    def put(self, to: str, kind: str, html: str = "", subject: str = "") -> None:
        # In a thread: Playwright has the loop of this one.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(lambda: asyncio.run(self._put(to, kind, html, subject))).result()

    async def _put(self, to: str, kind: str, html: str, subject: str) -> None:
        data = {
            "Email": to,
            "Token": "482913",
            "SiteURL": "http://localhost:5173",
            "ConfirmationURL": self._link,
        }
        rendered = await Templates(MailConfig()).render(kind, data)
        if html:
            rendered = Rendered(subject=subject, html=html, text=plain_text(html))
        message = compose(MailConfig(sender_name="Example"), to, kind, rendered)
        letter = Letter(
            message=message, to=to, sender="a@b.ch", kind=kind, code="482913", link=self._link
        )
        await Inbox(self._folder).send(letter)


@pytest.fixture
def mailbox(database: Database, tmp_path: Path) -> Iterator[Mailbox]:
    options = {"GAVAN_INBOX_DIR": str(tmp_path / "inbox")}
    with running_core(database, tmp_path / "core.log", options) as live:
        yield Mailbox(tmp_path / "inbox", live.url)


def shoot(page: Page, name: str) -> None:
    """Keep a picture for people when a folder for it is named."""
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        page.screenshot(path=f"{folder}/{name}.png")


def test_mails_arrive_and_are_read(mailbox: Mailbox, window: Window) -> None:
    page = window(1280, 800)
    page.goto(mailbox.url)
    expect(page.locator("#empty")).to_contain_text("No mail yet")
    mailbox.put("ann@example.com", "magic_link")
    rows = page.locator("#list button")
    expect(rows).to_have_count(1)  # without a reload
    mailbox.put("bea@example.com", "invite")
    expect(rows).to_have_count(2)
    page.locator("#search").fill("ann@")
    expect(rows).to_have_count(1)
    rows.first.click()
    expect(page.locator("#subject")).to_have_text("Your sign-in link")
    mail = page.frame_locator("#frame")
    expect(mail.locator("h1")).to_have_text("Your sign-in link")
    expect(page.locator("#code")).to_have_text("Copy code 482913")
    page.locator("#tab-text").click()
    expect(page.locator("#text")).to_contain_text("482913")
    page.locator("#tab-headers").click()
    expect(page.locator("#headers")).to_contain_text("Auto-Submitted")
    page.locator("#tab-html").click()
    with page.expect_popup() as opened:
        mail.locator("a").first.click()
    assert opened.value.url.endswith("/health")
    page.locator("#delete").click()
    expect(page.locator("#mail")).to_be_hidden()
    page.locator("#search").fill("")
    expect(rows).to_have_count(1)
    page.once("dialog", lambda dialog: dialog.accept())
    page.locator("#clear").click()
    expect(page.locator("#empty")).to_contain_text("No mail yet")


def test_a_mail_does_nothing_to_the_page_or_the_network(mailbox: Mailbox, window: Window) -> None:
    """Scripts, images, forms, refreshes and links of a mail, in a subject and in the body."""
    mailbox.put("eve@example.com", "invite", EVIL, "<img src=x onerror=document.title='owned'>")
    page = window(1280, 800)
    failures: dict[str, str | None] = {}
    answers: list[str] = []
    page.on("requestfailed", lambda request: failures.update({request.url: request.failure}))
    page.on("response", lambda response: answers.append(response.url))
    page.goto(mailbox.url)
    page.locator("#list button").click()
    mail = page.frame_locator("#frame")
    expect(mail.locator("#evil")).to_have_text("Hello")
    mail.locator("button").click()
    mail.locator("#js").click()
    mail.locator("#top").click()
    with page.expect_popup() as opened:
        mail.locator("#out").click()
    assert opened.value.url.endswith("/health")
    expect(page).to_have_title("Inbox")
    assert page.url == mailbox.url
    assert "http://tracker.invalid/pixel.png" in failures
    assert set(failures.values()) == {"csp"}
    assert not [url for url in answers if not url.startswith(mailbox.url)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (400, 800)])
def test_the_page_fits_its_window(
    mailbox: Mailbox, window: Window, width: int, height: int, scheme: str
) -> None:
    for number, kind in enumerate(("confirmation", "invite", "recovery", "magic_link")):
        mailbox.put(f"person.with.a.long.name.{number}@department.example.com", kind)
    page = window(width, height)
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(mailbox.url)
    expect(page.locator("#list button")).to_have_count(4)
    shoot(page, f"inbox-list-{width}-{scheme}")
    page.locator("#list button").first.click()
    expect(page.frame_locator("#frame").locator("h1")).to_be_visible()
    shoot(page, f"inbox-mail-{width}-{scheme}")
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0
    back = page.locator("#back")
    if width < 760:
        back.click()
        expect(page.locator("#mail")).to_be_hidden()
    else:
        expect(back).to_be_hidden()
