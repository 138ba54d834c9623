"""The CRM board as a person uses it in a browser window, in words of the board."""

from __future__ import annotations

from dataclasses import dataclass

from playwright.sync_api import Locator, Page, expect

PASSWORD = "correct horse battery"
TIMEOUT_MS = 10_000


@dataclass(frozen=True, slots=True)
class BoardPage:
    """One window of one person."""

    page: Page

    def sign_up(self, url: str, email: str) -> None:
        self.page.goto(url)
        self.page.get_by_role("button", name="Sign up").first.click()
        self.page.get_by_label("Name").fill(email.partition("@")[0])
        self.page.get_by_label("E-mail").fill(email)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.locator("form button[type=submit]").click()

    def column(self, key: str) -> Locator:
        return self.page.locator(f'[data-testid="column"][data-column-key="{key}"]')

    def card(self, title: str, key: str | None = None) -> Locator:
        """The card with this title, anywhere or in one column."""
        where = self.column(key) if key else self.page
        return where.get_by_test_id("card").filter(has_text=title)

    def expect_cards(self, key: str, titles: list[str]) -> None:
        """Wait until a column shows exactly these cards in this order."""
        cards = self.column(key).get_by_test_id("card")
        expect(cards).to_have_count(len(titles), timeout=TIMEOUT_MS)
        expect(cards).to_contain_text(titles, timeout=TIMEOUT_MS)

    def add_card(self, key: str, title: str) -> None:
        self.column(key).get_by_role("button", name="Add").click()
        field = self.column(key).get_by_role("textbox")
        field.fill(title)
        field.press("Enter")
        field.press("Escape")
        expect(self.card(title, key)).to_be_visible(timeout=TIMEOUT_MS)

    def drag(self, title: str, key: str) -> None:
        """Drag a card by the mouse to the top of a column, as a hand does: in steps."""
        start = self.card(title).bounding_box()
        target = self.column(key).get_by_test_id("column-cards").bounding_box()
        assert start, title
        assert target, key
        mouse = self.page.mouse
        mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
        mouse.down()
        mouse.move(target["x"] + target["width"] / 2, target["y"] + 12, steps=12)
        mouse.move(target["x"] + target["width"] / 2, target["y"] + 8, steps=3)
        mouse.up()

    def move_by_keys(self, title: str, *keys: str) -> None:
        """Lift a card with Space, carry it with the given keys, put it down with Space."""
        handle = self.card(title).get_by_role("button")
        handle.focus()
        for key in ("Space", *keys, "Space"):
            self.page.keyboard.press(key)
