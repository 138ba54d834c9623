"""Ways into the CRM in a real browser: password, mailed link and code, second factor."""

from __future__ import annotations

import pyotp
import pytest
from playwright.sync_api import expect

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
