"""Files of cards in real browser windows against `gavan up`: what people were promised."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from playwright.sync_api import FilePayload, Locator, expect

from tests.stacks.board_page import PATIENCE_MS, BoardPage, new_email
from tests.stacks.conftest import Window
from tests.stacks.running_stack import RunningStack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
BUCKET = "attachments"


def photograph() -> FilePayload:
    """Return a picture with a Russian name."""
    made = io.BytesIO()
    Image.linear_gradient("L").resize((900, 600)).save(made, "JPEG")
    return {"name": "Закат над гаванью.jpg", "mimeType": "image/jpeg", "buffer": made.getvalue()}


def document(name: str = "Смета & «план» #1.pdf", size: int = 300_000) -> FilePayload:
    """Return bytes that no picture can be made of."""
    return {"name": name, "mimeType": "application/pdf", "buffer": os.urandom(size)}


def open_card(board: BoardPage, title: str = "Moor the ship") -> Locator:
    """Open a card and return the part with its files."""
    board.card(title).get_by_role("button").click()
    files = board.page.get_by_test_id("attachments")
    expect(files.get_by_text("each up to 20 MB")).to_be_visible(timeout=PATIENCE_MS)
    return files


def choose(files: Locator, *chosen: FilePayload) -> None:
    """Choose files as the dialog of the system would."""
    files.locator("input[type=file]").set_input_files(list(chosen))


def expect_files(files: Locator, *names: str) -> None:
    """Wait until exactly these files are there, in any order, and none is on its way."""
    rows = files.get_by_test_id("attachment")
    expect(rows).to_have_count(len(names), timeout=PATIENCE_MS)
    for name in names:
        expect(rows.filter(has_text=name)).to_have_count(1)
    expect(files.get_by_test_id("upload")).to_have_count(0, timeout=PATIENCE_MS)


def download(files: Locator, name: str, into: Path) -> tuple[str, bytes]:
    """Download a file; return the name it is saved under and its bytes."""
    with files.page.expect_download() as started:
        files.get_by_role("button", name=f"Download {name}").click()
    target = into / "download"
    started.value.save_as(target)
    return started.value.suggested_filename, target.read_bytes()


@pytest.fixture
def ada(crm: RunningStack, window: Window) -> BoardPage:
    """A new person at a board of her own with two cards."""
    board = BoardPage(window(), crm.url)
    board.sign_up(new_email("ada"))
    board.create_board("Harbour")
    board.add_cards("backlog", "Moor the ship", "Paint the hull")
    return board


def test_files_are_added_looked_at_downloaded_and_stay(ada: BoardPage, tmp_path: Path) -> None:
    picture, paper = photograph(), document()
    files = open_card(ada)
    expect(files.get_by_text("No files yet.")).to_be_visible()

    choose(files, picture, paper)

    expect_files(files, picture["name"], paper["name"])
    ada.page.reload()
    files = open_card(ada)
    expect_files(files, picture["name"], paper["name"])
    preview = files.get_by_alt_text(f"Preview of {picture['name']}")
    expect(preview).to_have_js_property("naturalWidth", 96, timeout=PATIENCE_MS)
    assert "/render/image/sign/" in (preview.get_attribute("src") or "")
    expect(files.locator("img")).to_have_count(1)
    for each in (picture, paper):
        name, data = download(files, each["name"], tmp_path)
        assert (name, data) == (each["name"], each["buffer"])
    ada.page.keyboard.press("Escape")
    expect(open_card(ada, "Paint the hull").get_by_text("No files yet.")).to_be_visible()


def test_a_file_is_dropped_in_and_deleted_by_keys_alone(ada: BoardPage) -> None:
    files = open_card(ada)
    ada.page.evaluate(
        """() => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File(['ahoy'], 'note.txt', { type: 'text/plain' }));
            for (const type of ['dragover', 'drop']) {
                document.querySelector('dialog').dispatchEvent(
                    new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
            }
        }"""
    )
    expect_files(files, "note.txt")

    files.get_by_role("button", name="Choose files").focus()
    keys = ada.page.keyboard
    for key in ("Tab", "Tab", "Enter"):
        keys.press(key)
    expect(files.get_by_role("button", name="Keep")).to_be_focused()
    keys.press("Shift+Tab")
    keys.press("Enter")

    expect(files.get_by_text("No files yet.")).to_be_visible(timeout=PATIENCE_MS)
    expect(files.get_by_role("button", name="Choose files")).to_be_focused()
    ada.page.reload()
    expect(open_card(ada).get_by_text("No files yet.")).to_be_visible(timeout=PATIENCE_MS)


def test_progress_is_shown_goes_on_in_a_closed_card_and_can_be_stopped(ada: BoardPage) -> None:
    files = open_card(ada)
    slow = ada.page.context.new_cdp_session(ada.page)
    slow.send("Network.enable")
    slow.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 800_000},
    )
    choose(files, document("kept.pdf", 4_000_000), document("stopped.pdf", 4_000_000))
    progress = files.get_by_role("progressbar", name="Uploading kept.pdf")
    expect(progress).to_be_visible()
    ada.page.wait_for_function(
        "bar => bar.value > 0.02 && bar.value < 1", arg=progress.element_handle()
    )
    files.get_by_role("button", name="Cancel the upload of stopped.pdf").click()

    ada.page.keyboard.press("Escape")
    files = open_card(ada)
    expect(files.get_by_role("progressbar", name="Uploading kept.pdf")).to_be_visible()
    slow.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1},
    )

    expect_files(files, "kept.pdf")


def test_what_is_not_taken_is_told_in_words(
    crm: RunningStack, ada: BoardPage, tmp_path: Path
) -> None:
    files = open_card(ada)
    large = tmp_path / "large.pdf"
    with large.open("wb") as file:
        file.truncate(20 * 1024 * 1024 + 1)
    files.locator("input[type=file]").set_input_files(large)
    refused = files.get_by_test_id("upload")
    expect(refused).to_contain_text("Not uploaded: the file is larger than the board takes.")
    files.get_by_role("button", name="Remove large.pdf from the list").click()
    expect(refused).to_have_count(0)

    allow = "update storage.buckets set allowed_mime_types = {} where id = 'attachments'"
    crm.gavan("db", "query", allow.format("array['image/*']"))
    try:
        choose(files, document("paper.pdf"))
        expect(refused).to_contain_text(
            "Not uploaded: files of this type are not taken here.", timeout=PATIENCE_MS
        )
    finally:
        crm.gavan("db", "query", allow.format("null"))
    expect(files.get_by_test_id("attachment")).to_have_count(0)


class Person:
    """What someone signed in can ask of the API, past the page."""

    def __init__(self, crm: RunningStack, board: BoardPage) -> None:
        stored = board.page.evaluate(
            "Object.entries(localStorage).find(([key]) => key.endsWith('-auth-token'))[1]"
        )
        self._url = f"http://127.0.0.1:{crm.ports['core']}"
        self._headers = {"authorization": f"Bearer {json.loads(stored)['access_token']}"}

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Return the answer to one call."""
        return httpx.request(method, self._url + path, headers=self._headers, **options)


def test_only_members_of_the_board_reach_its_files(
    crm: RunningStack, ada: BoardPage, window: Window, tmp_path: Path
) -> None:
    picture = photograph()
    choose(open_card(ada), picture)
    expect_files(ada.page.get_by_test_id("attachments"), picture["name"])
    [file] = Person(crm, ada).ask("GET", "/rest/v1/attachment?select=path").json()
    path, folder = file["path"], file["path"].rpartition("/")[0]

    eve = BoardPage(window(), crm.url)
    email = new_email("eve")
    eve.sign_up(email)
    eve.create_board("Lighthouse")
    stranger = Person(crm, eve)
    storage = "/storage/v1"

    def codes() -> dict[str, Any]:
        """Return what each road to the file answers to Eve."""
        asked = {"expiresIn": 60, "transform": {"width": 9}}
        return {
            "rows": stranger.ask("GET", "/rest/v1/attachment").json(),
            "list": stranger.ask(
                "POST", f"{storage}/object/list/{BUCKET}", json={"prefix": folder}
            ).json(),
            "read": stranger.ask(
                "GET", f"{storage}/object/authenticated/{BUCKET}/{path}"
            ).status_code,
            "render": stranger.ask(
                "GET", f"{storage}/render/image/authenticated/{BUCKET}/{path}"
            ).status_code,
            "sign": stranger.ask(
                "POST", f"{storage}/object/sign/{BUCKET}/{path}", json=asked
            ).status_code,
            "add": stranger.ask(
                "POST", f"{storage}/object/{BUCKET}/{folder}/x", content=b"x"
            ).status_code,
            "replace": stranger.ask(
                "PUT", f"{storage}/object/{BUCKET}/{path}", content=b"x"
            ).status_code,
            "delete": stranger.ask(
                "DELETE", f"{storage}/object/{BUCKET}", json={"prefixes": [path]}
            ).json(),
        }

    assert codes() == {
        "rows": [],
        "list": [],
        "read": 400,
        "render": 400,
        "sign": 400,
        "add": 400,
        "replace": 400,
        "delete": [],
    }
    public = httpx.get(
        f"http://127.0.0.1:{crm.ports['core']}{storage}/object/public/{BUCKET}/{path}"
    )
    assert public.status_code == 400

    ada.page.keyboard.press("Escape")
    ada.invite(email)
    eve.page.goto(crm.url)
    eve.open_board("Harbour")
    files = open_card(eve)
    expect_files(files, picture["name"])
    assert download(files, picture["name"], tmp_path)[1] == picture["buffer"]
    choose(files, document("from eve.pdf"))
    expect_files(files, picture["name"], "from eve.pdf")
    expect(files.get_by_test_id("attachment").filter(has_text="from eve.pdf")).to_contain_text(
        email
    )


def test_at_400_pixels_in_russian_files_fit(crm: RunningStack, window: Window) -> None:
    phone = BoardPage(window(width=400, height=800, locale="ru-RU"), crm.url)
    phone.page.add_init_script("localStorage['crm.language'] ??= 'en'")
    phone.sign_up(new_email("phone"))
    phone.create_board("Harbour")
    phone.add_cards("backlog", "Moor the ship")
    choose(open_card(phone), document("Очень длинное имя файла, " * 6 + ".pdf"))
    expect(phone.page.get_by_test_id("attachment")).to_have_count(1, timeout=PATIENCE_MS)
    phone.page.evaluate("localStorage['crm.language'] = 'ru'")
    phone.page.reload()
    phone.card("Moor the ship").get_by_role("button").click()
    files = phone.page.get_by_test_id("attachments")
    files.get_by_role("button", name="Удалить").click(timeout=PATIENCE_MS)
    expect(files.get_by_text("Удалить для всех?")).to_be_visible()

    body = phone.page.get_by_role("dialog")
    for part in (body, files, files.get_by_test_id("attachment")):
        assert part.evaluate("part => part.scrollWidth - part.clientWidth") <= 0
