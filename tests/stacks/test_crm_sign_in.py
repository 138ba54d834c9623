"""Ways into the CRM in a real browser: password, mailed link and code, second factor."""

from __future__ import annotations

import json
from typing import Any

import pyotp
import pytest
from playwright.sync_api import expect

from tests.oidc.servers import Forge
from tests.stacks.board_page import PATIENCE_MS, BoardPage, new_email
from tests.stacks.conftest import Window
from tests.stacks.running_stack import RunningStack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_second_factor_is_set_up_asked_for_and_removed(crm: RunningStack, window: Window) -> None:
    email = new_email("ada")
    ada = BoardPage(window(), crm.url)
    ada.sign_up(email)
    page = ada.page
    page.get_by_role("button", name=f"Account of {email}").click()
    page.get_by_role("button", name="Set up").click()
    image = page.get_by_alt_text("QR code for the authenticator application")
    expect(image).to_have_js_property("complete", value=True)
    assert image.evaluate("image => image.naturalWidth") > 100, "the image is drawn"
    codes = pyotp.TOTP(page.locator("code").inner_text())
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Turn on").click()
    expect(page.get_by_text("This code is wrong or too old.")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_label("Code").fill(codes.now())
    page.get_by_role("button", name="Turn on").click()
    expect(page.get_by_text("On: every sign-in asks for a code.")).to_be_visible(
        timeout=PATIENCE_MS
    )

    other = BoardPage(window(), crm.url)
    other.page.goto(crm.url)
    other.prove_password(email)
    expect(other.page.get_by_role("heading", name="Second factor")).to_be_visible(
        timeout=PATIENCE_MS
    )
    other.page.reload()
    other.page.get_by_label("Code").fill(codes.now())
    other.page.get_by_role("button", name="Continue").click()
    other.see_boards()

    page.get_by_role("button", name="Turn off").click()
    expect(page.get_by_role("button", name="Set up")).to_be_visible(timeout=PATIENCE_MS)
    again = BoardPage(window(), crm.url)
    again.sign_in(email)


def mail_of(crm: RunningStack, email: str) -> dict[str, Any]:
    """Return the newest mail to an address, as soon as it was caught."""
    told = json.loads(crm.gavan("inbox", "wait", "--to", email, "--json"))
    mail: dict[str, Any] = told["data"]
    return mail


def test_a_mailed_link_signs_in_the_browser_that_asked_for_it(
    crm: RunningStack, window: Window
) -> None:
    email = new_email("grace")
    BoardPage(window(), crm.url).sign_up(email)
    grace = BoardPage(window(), crm.url)
    grace.page.goto(crm.url)
    grace.page.get_by_role("button", name="Mail me a sign-in link").click()
    expect(grace.page.get_by_label("E-mail")).to_be_focused()
    grace.page.get_by_label("E-mail").fill(email)
    grace.page.get_by_role("button", name="Mail me a sign-in link").click()
    expect(grace.page.get_by_text(f"We have sent a letter to {email}.")).to_be_visible(
        timeout=PATIENCE_MS
    )
    link = mail_of(crm, email)["link"]
    grace.page.goto(link)
    grace.see_boards()
    assert grace.page.url.startswith(crm.url)
    assert "code=" not in grace.page.url

    used = BoardPage(window(), crm.url)
    used.page.goto(link)
    expect(used.page.get_by_text("That did not work:")).to_be_visible(timeout=PATIENCE_MS)


def test_the_code_of_a_mail_signs_in_a_new_person_anywhere(
    crm: RunningStack, window: Window
) -> None:
    email = new_email("new")
    person = BoardPage(window(), crm.url)
    person.page.goto(crm.url)
    person.page.get_by_label("E-mail").fill(email)
    person.page.get_by_role("button", name="Mail me a sign-in link").click()
    person.page.get_by_label("Code").fill("123456")
    person.page.get_by_role("button", name="Continue").click()
    expect(person.page.get_by_text("This code is wrong or too old.")).to_be_visible(
        timeout=PATIENCE_MS
    )
    person.page.get_by_label("Code").fill(mail_of(crm, email)["code"])
    person.page.get_by_role("button", name="Continue").click()
    person.see_boards()


def test_a_provider_signs_in_who_it_says_and_links_by_the_proved_address(
    crm: RunningStack, forge: Forge, window: Window
) -> None:
    email = new_email("octo")
    forge.visitor = "octo"
    forge.users["octo"] = {"id": 583231, "login": "octo", "name": "The Octopus", "email": None}
    forge.emails["octo"] = [{"email": email, "primary": True, "verified": True}]
    octo = BoardPage(window(), crm.url)
    octo.page.goto(crm.url)
    octo.page.get_by_role("button", name="Continue with GitHub").click()
    octo.see_boards()
    octo.create_board("Reef")
    expect(octo.page.get_by_role("button", name=f"Account of {email}")).to_be_visible()

    by_mail = BoardPage(window(), crm.url)
    by_mail.page.goto(crm.url)
    by_mail.page.get_by_label("E-mail").fill(email)
    by_mail.page.get_by_role("button", name="Mail me a sign-in link").click()
    by_mail.page.get_by_label("Code").fill(mail_of(crm, email)["code"])
    by_mail.page.get_by_role("button", name="Continue").click()
    expect(by_mail.page.get_by_test_id("boards").get_by_text("Reef")).to_be_visible(
        timeout=PATIENCE_MS
    )
