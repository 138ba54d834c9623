"""The CRM board as a person uses it in a browser window, in words of the board."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from playwright.sync_api import Locator, Page, expect

PASSWORD = "correct horse battery"
PATIENCE_MS = 15_000


def new_email(name: str) -> str:
    """Return an address that nobody has."""
    return f"{name}-{uuid.uuid4().hex[:8]}@example.org"


@dataclass(frozen=True, slots=True)
class BoardPage:
    """One window of one person, in English."""

    page: Page
    site: str

    def sign_up(self, email: str) -> None:
        self.page.goto(self.site)
        self.page.get_by_role("button", name="Sign up").click()
        self.page.get_by_label("Name").fill(email.partition("@")[0])
        self._enter(email, PASSWORD)

    def sign_in(self, email: str, password: str = PASSWORD) -> None:
        self.page.goto(self.site)
        self._enter(email, password)

    def _enter(self, email: str, password: str) -> None:
        self.prove_password(email, password)
        self.see_boards()

    def prove_password(self, email: str, password: str = PASSWORD) -> None:
        self.page.get_by_label("E-mail").fill(email)
        self.page.get_by_label("Password").fill(password)
        self.page.locator("form button[type=submit]").click()

    def see_boards(self) -> None:
        expect(self.page.get_by_role("heading", name="Boards")).to_be_visible(timeout=PATIENCE_MS)

    def create_board(self, name: str) -> str:
        """Make a board and return its address."""
        self.page.get_by_label("Name of a new board").fill(name)
        self.page.get_by_role("button", name="Create board").click()
        expect(self.page.get_by_test_id("column")).to_have_count(5, timeout=PATIENCE_MS)
        return self.page.url

    def open_board(self, name: str) -> None:
        self.page.get_by_test_id("boards").get_by_text(name).click(timeout=PATIENCE_MS)
        expect(self.column("done")).to_be_visible(timeout=PATIENCE_MS)

    def invite(self, email: str) -> None:
        self.page.get_by_role("button", name="Members").click()
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_label("Invite by e-mail").fill(email)
        dialog.get_by_role("button", name="Invite").click()
        expect(dialog.get_by_text(f"{email} is now a member.")).to_be_visible(timeout=PATIENCE_MS)
        self.page.keyboard.press("Escape")

    def column(self, key: str) -> Locator:
        return self.page.locator(f'[data-testid="column"][data-column-key="{key}"]')

    def card(self, title: str, key: str | None = None) -> Locator:
        """The card with this title, anywhere or in one column."""
        where = self.column(key) if key else self.page
        return where.get_by_test_id("card").filter(has_text=title)

    def expect_cards(self, key: str, *titles: str) -> None:
        """Wait until a column shows exactly these cards in this order."""
        cards = self.column(key).get_by_test_id("card")
        expect(cards).to_have_count(len(titles), timeout=PATIENCE_MS)
        if titles:
            expect(cards).to_contain_text(list(titles), timeout=PATIENCE_MS)

    def add_cards(self, key: str, *titles: str) -> None:
        self.column(key).get_by_role("button", name="Add a card").click()
        field = self.column(key).get_by_role("textbox")
        for title in titles:
            field.fill(title)
            field.press("Enter")
            expect(self.card(title, key)).to_be_visible(timeout=PATIENCE_MS)
        field.press("Escape")

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
        mouse.move(target["x"] + target["width"] / 2, target["y"] + 4, steps=3)
        mouse.up()

    def move_by_keys(self, title: str, *keys: str) -> None:
        """Lift a card with Space, carry it with the given keys, put it down with Space."""
        self.card(title).get_by_role("button").focus()
        for key in ("Space", *keys, "Space"):
            self.page.keyboard.press(key)

    def mark(self) -> None:
        """Leave a mark that a reload would wipe out."""
        self.page.evaluate("window.notReloaded = true")

    def is_marked(self) -> bool:
        return bool(self.page.evaluate("window.notReloaded === true"))
