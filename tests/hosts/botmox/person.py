"""What a person does on the page of botmox, wherever it is served."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Error, Locator, Page, expect

from tests.servers import wait_until

PATIENCE_MS = 30_000
PASSWORD = "a long pass phrase 42"


def visit(page: Page, url: str) -> None:
    """Open the page, again while a container's network comes or goes: the browser gives up then."""

    def is_open() -> bool:
        try:
            page.goto(url)
            page.get_by_role("heading", level=1).wait_for(timeout=5000)
        except Error:
            return False
        return True

    wait_until(is_open, PATIENCE_MS / 1000)


def sign_up(page: Page, url: str, email: str = "ada@example.com") -> None:
    """Open the page, wait for the live status, make an account."""
    visit(page, url)
    expect(page.get_by_role("status")).to_have_text("Backend: ready", timeout=PATIENCE_MS)
    page.get_by_role("button", name="I have no account yet").click()
    enter(page, email, "Create account")
    expect(page.get_by_text("Nothing here yet")).to_be_visible(timeout=PATIENCE_MS)


def enter(page: Page, email: str, button: str) -> None:
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name=button).click()


def upload(page: Page, name: str, content: bytes) -> Locator:
    """Upload an installer and return its row, the only one."""
    page.get_by_label("Kind").select_option("installers")
    page.locator("input[type=file]").set_input_files(
        {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    )
    row = page.get_by_test_id("artifact")
    expect(row).to_have_count(1, timeout=PATIENCE_MS)
    expect(row).to_contain_text(name)
    return row


def download(row: Locator, page: Page, file: Path) -> str:
    """Save the artifact of a row and return the name that it is saved under."""
    with page.expect_download() as started:
        row.get_by_role("button", name="Download").click()
    started.value.save_as(file)
    return str(started.value.suggested_filename)
