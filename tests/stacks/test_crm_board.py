"""The CRM board in real browser windows against `gavan up`: what people were promised."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.servers import wait_until
from tests.stacks.board_page import PATIENCE_MS, BoardPage, new_email
from tests.stacks.conftest import Window
from tests.stacks.running_stack import REPOSITORY, RunningStack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def ada(crm: RunningStack, window: Window) -> BoardPage:
    """A new person at a board of her own with three cards in Backlog."""
    board = BoardPage(window(), crm.url)
    board.sign_up(new_email("ada"))
    board.create_board("Harbour")
    board.add_cards("backlog", "Moor the ship", "Paint the hull", "Call the pilot")
    return board


def join(ada: BoardPage, crm: RunningStack, window: Window) -> BoardPage:
    """A second person in a second window, invited to Ada's board and looking at it."""
    bob = BoardPage(window(), crm.url)
    email = new_email("bob")
    bob.sign_up(email)
    expect(bob.page.get_by_text("You have no board yet.")).to_be_visible(timeout=PATIENCE_MS)
    bob.mark()
    ada.invite(email)
    bob.open_board("Harbour")
    assert bob.is_marked(), "the invitation arrived by itself"
    return bob


def test_a_card_dragged_in_one_window_moves_in_the_other_and_stays_moved(
    crm: RunningStack, ada: BoardPage, window: Window
) -> None:
    bob = join(ada, crm, window)
    bob.expect_cards("backlog", "Moor the ship", "Paint the hull", "Call the pilot")
    bob.mark()
    ada.drag("Paint the hull", "inprogress")
    ada.expect_cards("inprogress", "Paint the hull")
    bob.expect_cards("inprogress", "Paint the hull")
    bob.expect_cards("backlog", "Moor the ship", "Call the pilot")
    bob.drag("Call the pilot", "inprogress")
    ada.expect_cards("inprogress", "Call the pilot", "Paint the hull")
    assert bob.is_marked(), "the second window followed without a reload"
    for one in (ada, bob):
        one.page.reload()
        one.expect_cards("inprogress", "Call the pilot", "Paint the hull")
        one.expect_cards("backlog", "Moor the ship")


def test_a_stranger_does_not_see_the_board_even_by_its_address(
    crm: RunningStack, ada: BoardPage, window: Window
) -> None:
    eve = BoardPage(window(), crm.url)
    eve.sign_up(new_email("eve"))
    expect(eve.page.get_by_text("You have no board yet.")).to_be_visible(timeout=PATIENCE_MS)
    eve.page.goto(ada.page.url)
    expect(eve.page.get_by_text("No such board")).to_be_visible(timeout=PATIENCE_MS)
    expect(eve.page.get_by_text("Moor the ship")).to_have_count(0)


def test_a_card_is_carried_by_the_keyboard_alone(ada: BoardPage) -> None:
    ada.move_by_keys("Moor the ship", "ArrowRight", "ArrowRight")
    ada.expect_cards("inprogress", "Moor the ship")
    said = ada.page.get_by_test_id("said")
    expect(said).to_contain_text("“Moor the ship” is now in In Progress")
    ada.move_by_keys("Call the pilot", "ArrowUp")
    ada.expect_cards("backlog", "Call the pilot", "Paint the hull")
    ada.page.reload()
    ada.expect_cards("backlog", "Call the pilot", "Paint the hull")
    ada.expect_cards("inprogress", "Moor the ship")


def test_a_full_column_takes_no_card_and_says_why(ada: BoardPage) -> None:
    ada.add_cards("review", "One", "Two", "Three")
    ada.drag("Moor the ship", "review")
    expect(ada.page.get_by_text("In Review is full: its limit is 3.").first).to_be_visible(
        timeout=PATIENCE_MS
    )
    ada.expect_cards("backlog", "Moor the ship", "Paint the hull", "Call the pilot")
    ada.page.reload()
    ada.expect_cards("review", "One", "Two", "Three")


def test_a_card_is_edited_found_and_archived(ada: BoardPage) -> None:
    page = ada.page
    ada.card("Paint the hull").get_by_role("button").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Title").fill("Paint the hull red")
    dialog.get_by_label("Priority").select_option("1")
    dialog.get_by_label("Due date").fill("2031-05-09")
    dialog.get_by_label("Labels").fill("deck")
    dialog.get_by_label("Labels").press("Enter")
    dialog.get_by_role("button", name="Save").click()
    card = ada.card("Paint the hull red")
    expect(card).to_contain_text("deck", timeout=PATIENCE_MS)
    expect(card).to_contain_text("2031")
    page.reload()
    expect(card).to_contain_text("deck", timeout=PATIENCE_MS)

    page.get_by_label("Search cards").fill("hull")
    expect(page.get_by_text("1 card found")).to_be_visible()
    expect(page.get_by_test_id("card")).to_have_count(1)
    page.get_by_role("button", name="Clear filter").click()

    card.get_by_role("button").click()
    page.get_by_role("dialog").get_by_role("button", name="Archive").click()
    ada.expect_cards("backlog", "Moor the ship", "Call the pilot")
    page.reload()
    ada.expect_cards("backlog", "Moor the ship", "Call the pilot")


def test_the_board_speaks_russian_and_english(crm: RunningStack, window: Window) -> None:
    page = window(locale="ru-RU")
    page.goto(crm.url)
    expect(page.get_by_role("button", name="Войти")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("button", name="English").click()
    expect(page.locator("form button[type=submit]")).to_have_text("Sign in")
    page.reload()
    expect(page.locator("form button[type=submit]")).to_have_text("Sign in", timeout=PATIENCE_MS)


def test_at_400_pixels_nothing_sticks_out_sideways(
    crm: RunningStack, window: Window, tmp_path: Path
) -> None:
    phone = BoardPage(window(width=400, height=800), crm.url)
    phone.page.goto(crm.url)
    assert sticks_out(phone.page) == 0
    phone.sign_in("ada@example.com", "gavan-demo")
    assert sticks_out(phone.page) == 0
    phone.open_board("Default")
    assert sticks_out(phone.page) == 0
    picture = tmp_path / "phone.png"
    phone.page.screenshot(path=picture)
    assert picture.stat().st_size > 10_000, "the picture of the board is blank"


def sticks_out(page: Page) -> int:
    """How many pixels the page is wider than its window."""
    return int(
        page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    )


def test_the_charts_draw_what_the_database_counts(crm: RunningStack, window: Window) -> None:
    grace = BoardPage(window(), crm.url)
    grace.sign_in("grace@example.com", "gavan-demo")
    grace.open_board("Default")
    grace.page.get_by_role("link", name="Metrics").click()
    flow = grace.page.get_by_role("figure", name="Cumulative flow")
    expect(flow.locator("svg .recharts-area-area")).to_have_count(5, timeout=PATIENCE_MS)
    flow.get_by_text("Show the numbers").click()
    # Done starts from zero at the left edge of the period; the other bands are plain counts.
    open_columns = flow.locator("tbody tr").last.locator("td").all_inner_texts()[1:5]
    counted = crm.gavan(
        "db",
        "query",
        "select string_agg(count::text, ',' order by c.position) as counts"
        ' from metrics.cfd_daily f join "column" c'
        " on c.board_id = f.board_id and c.key = f.status"
        " where f.board_id = '00000000-0000-4000-8000-000000000001'"
        " and day = (now() at time zone 'UTC')::date",
    )
    assert f"\n{','.join(re.sub(r'[^0-9]', '', text) for text in open_columns)}," in counted
    cycle = grace.page.get_by_role("figure", name="Cycle time", exact=True)
    expect(cycle.locator("svg .recharts-scatter-symbol").first).to_be_visible(timeout=PATIENCE_MS)


def test_the_migration_of_the_tutorial_adds_a_column_to_open_boards(
    crm: RunningStack, ada: BoardPage
) -> None:
    tutorial = (REPOSITORY / "docs/tutorials/first-board.md").read_text()
    statement = re.search(r"```sql\n(.*?)```", tutorial, re.DOTALL)
    assert statement
    ada.mark()
    Path(crm.gavan("migrate", "new", "blocked").strip()).write_text(statement[1])
    crm.gavan("migrate", "up")
    expect(ada.column("blocked")).to_be_visible(timeout=PATIENCE_MS)
    assert ada.is_marked(), "the column appeared without a reload"


@pytest.mark.chaos
@pytest.mark.parametrize("unit", ["core", "postgres"])
def test_the_board_catches_up_after_a_killed(
    crm: RunningStack, ada: BoardPage, window: Window, unit: str
) -> None:
    """kill -9 in the middle: no move is lost, both windows come back by themselves."""
    bob = join(ada, crm, window)
    ada.drag("Paint the hull", "ready")
    bob.expect_cards("ready", "Paint the hull")
    bob.mark()
    kill(crm, unit)
    for one in (ada, bob):
        expect(one.page.get_by_test_id("connection")).to_have_count(0, timeout=60_000)
    ada.drag("Call the pilot", "inprogress")
    ada.expect_cards("inprogress", "Call the pilot")
    bob.expect_cards("inprogress", "Call the pilot")
    bob.expect_cards("ready", "Paint the hull")
    assert bob.is_marked(), "the window caught up without a reload"


@pytest.mark.parametrize("is_short", [True, False], ids=["for a moment", "while the core dies"])
def test_a_window_that_was_offline_catches_up_and_says_so(
    crm: RunningStack, ada: BoardPage, window: Window, is_short: bool
) -> None:
    """For a moment the socket lives and brings what was held up; else it has to be made anew."""
    bob = join(ada, crm, window)
    bob.mark()
    network, banner = bob.page.context, bob.page.get_by_test_id("connection")
    network.set_offline(True)
    expect(banner).to_contain_text("No connection to the stack.", timeout=PATIENCE_MS)
    if not is_short:
        kill(crm, "core")
    ada.add_cards("backlog", "Sound the depth")
    ada.drag("Paint the hull", "ready")
    ada.drag("Paint the hull", "inprogress")
    ada.drag("Moor the ship", "ready")
    ada.expect_cards("ready", "Moor the ship")
    bob.expect_cards("backlog", "Moor the ship", "Paint the hull", "Call the pilot")
    bob.drag("Call the pilot", "review")
    network.set_offline(False)
    expect(banner).to_contain_text("Connected again. The board is up to date.", timeout=60_000)
    for one in (bob, ada):
        one.expect_cards("backlog", "Sound the depth")
        one.expect_cards("ready", "Moor the ship")
        one.expect_cards("inprogress", "Paint the hull")
        one.expect_cards("review", "Call the pilot")
    expect(banner).to_have_count(0, timeout=PATIENCE_MS)
    ada.drag("Sound the depth", "inprogress")
    bob.expect_cards("inprogress", "Sound the depth", "Paint the hull")
    assert bob.is_marked(), "the window caught up without a reload"


def kill(crm: RunningStack, unit: str) -> None:
    """kill -9, and wait for the next one."""
    pid = crm.pid_of(unit)
    assert pid, unit
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: crm.pid_of(unit) not in (pid, None), 60)
    wait_until(crm.is_ready, 60)
