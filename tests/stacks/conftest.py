"""Browser windows for the acceptance tests of the stacks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.oidc.servers import SECRET, Forge, running_forge
from tests.stacks.running_stack import RunningStack, running_stack

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
Window = Callable[..., Page]


GITHUB = """
[core.auth.external.github]
client_id = "crm"
secret = "secret://GITHUB_SECRET"
url = "{url}"
"""


def chromium_binary() -> str:
    """Return where Debian's Chromium is."""
    binary = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert binary, "the browser tests need Chromium: make programs"
    return binary


@pytest.fixture(scope="session")
def forge() -> Iterator[Forge]:
    """A code forge that speaks GitHub's interface."""
    with running_forge() as running:
        yield running


@pytest.fixture(scope="session")
def crm(forge: Forge) -> Iterator[RunningStack]:
    """The CRM, brought up once for all tests that look at it; it knows the forge as GitHub."""
    more, dotenv = GITHUB.format(url=forge.url), f"GITHUB_SECRET='{SECRET}'\n"
    with running_stack("crm", more, dotenv) as stack:
        yield stack


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, driven from outside; nothing is downloaded."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=chromium_binary(), args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def window(browser: Browser) -> Iterator[Window]:
    """Open windows that share nothing; any script error in one of them fails the test."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def open_window(width: int = 1400, height: int = 900, locale: str = "en-GB") -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height}, locale=locale, timezone_id="UTC"
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        return page

    yield open_window
    for context in contexts:
        context.close()
    assert errors == [], "scripts failed in the page"
