"""The flow metrics equal a plain Python computation from the moves, on mock data and by hand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.conftest import Cluster
from tests.stacks.crm.database import DEFAULT_BOARD, MOCK, Crm, clone
from tests.stacks.crm.test_cards import add_card, columns, move, new_board, one

Connection = psycopg.Connection[Any]
Row = dict[str, Any]


@pytest.fixture(scope="module")
def busy(cluster: Cluster, crm_template: str) -> Iterator[Crm]:
    """The board with two thousand cards, and one of Ada's own with a life of its own."""
    with clone(cluster, crm_template) as crm:
        fill(crm)
        yield crm


def fill(crm: Crm) -> None:
    crm.seed(MOCK)
    ada = crm.sign_up("ada@example.org")
    with crm.acting(ada) as connection:
        ids = columns(connection, new_board(connection))
        cards = [add_card(connection, ids["backlog"], f"card {n}") for n in range(6)]
        connection.execute("update task set estimate = 3")
        for card, path in zip(
            cards,
            [
                ["inprogress", "done"],
                ["done", "review", "done"],
                ["inprogress", "done", "inprogress"],
                ["ready"],
                [],
                ["done"],
            ],
            strict=True,
        ):
            for key in path:
                move(connection, card, ids[key])
        for card in cards[4:]:
            one(connection, "select archive_card(%s)", card)
    with crm.connect() as owner:
        one(owner, "select metrics.refresh()")


def moves_by_card(connection: Connection) -> dict[str, list[Row]]:
    cards: dict[str, list[Row]] = defaultdict(list)
    for row in connection.execute(
        "select m.*, t.estimate, now() as now from card_move m"
        " join card c on c.id = m.card_id join task t on t.id = c.task_id order by m.moved_at, m.id"
    ):
        cards[str(row["card_id"])].append(row)
    return cards


def state_at(moves: list[Row], day: date) -> Row | None:
    """Where a card is at the end of a day; None while it is not on the board."""
    past = [m for m in moves if m["moved_at"].astimezone(UTC).date() <= day]
    if not past or (past[-1]["kind"] == "archived" and past[-1]["to_stage"] != "done"):
        return None
    return past[-1]


def days_of(cards: list[list[Row]]) -> Iterator[date]:
    first = min(moves[0]["moved_at"].astimezone(UTC).date() for moves in cards)
    today = cards[0][0]["now"].astimezone(UTC).date()
    for number in range((today - first).days + 1):
        yield first + timedelta(days=number)


def boards(connection: Connection) -> dict[str, list[list[Row]]]:
    by_board: dict[str, list[list[Row]]] = defaultdict(list)
    for moves in moves_by_card(connection).values():
        by_board[str(moves[0]["board_id"])].append(moves)
    return by_board


def finished(moves: list[Row]) -> datetime | None:
    """When the card was done for good: the first move of the last unbroken stay in done."""
    at = None
    for m in reversed(moves):
        if m["to_stage"] != "done":
            break
        at = m["moved_at"]
    return at


def test_cumulative_flow_equals_counting_every_card_on_every_day(busy: Crm) -> None:
    with busy.connect() as connection:
        expected: dict[tuple[str, date, str], int] = {}
        for board, cards in boards(connection).items():
            for day in days_of(cards):
                for key in ("backlog", "ready", "inprogress", "review", "done"):
                    expected[board, day, key] = 0
                for moves in cards:
                    state = state_at(moves, day)
                    if state:
                        expected[board, day, state["to_status"]] += 1
        rows = connection.execute("select * from metrics.cfd_daily").fetchall()
    assert {(str(r["board_id"]), r["day"], r["status"]): r["count"] for r in rows} == expected
    assert len(rows) == len(expected) > 900


def test_burndown_equals_counting_every_card_on_every_day(busy: Crm) -> None:
    with busy.connect() as connection:
        expected = {}
        for board, cards in boards(connection).items():
            for day in days_of(cards):
                states = [s for s in (state_at(moves, day) for moves in cards) if s]
                done = [s for s in states if s["to_stage"] == "done"]
                points = sum(s["estimate"] or 0 for s in states)
                done_points = sum(s["estimate"] or 0 for s in done)
                expected[board, day] = (
                    len(states), len(done), len(states) - len(done),
                    points, done_points, points - done_points,
                )  # fmt: skip
        rows = connection.execute("select * from metrics.burndown").fetchall()
    found = {
        (str(r["board_id"]), r["day"]): (
            r["scope_cards"], r["done_cards"], r["remaining_cards"],
            r["scope_points"], r["done_points"], r["remaining_points"],
        )
        for r in rows
    }  # fmt: skip
    assert found == expected


def test_velocity_counts_what_was_finished_for_good_in_each_week(busy: Crm) -> None:
    with busy.connect() as connection:
        expected: dict[tuple[str, date], list[int]] = {}
        for board, cards in boards(connection).items():
            for day in days_of(cards):
                expected.setdefault((board, day - timedelta(days=day.weekday())), [0, 0])
            for moves in cards:
                at = finished(moves)
                if at:
                    day = at.astimezone(UTC).date()
                    week = expected[board, day - timedelta(days=day.weekday())]
                    week[0] += 1
                    week[1] += moves[0]["estimate"] or 0
        rows = connection.execute("select * from metrics.velocity").fetchall()
    found = {(str(r["board_id"]), r["week"]): [r["cards"], r["points"]] for r in rows}
    assert found == expected
    assert sum(cards for cards, _ in found.values()) > 1500


def test_cycle_time_runs_from_the_first_work_to_the_last_done(busy: Crm) -> None:
    with busy.connect() as connection:
        expected = {}
        for card, moves in moves_by_card(connection).items():
            done = finished(moves)
            if done:
                started = next(m["moved_at"] for m in moves if m["to_stage"] != "todo")
                expected[card] = (
                    pytest.approx((done - started).total_seconds() / 3600),
                    pytest.approx((done - moves[0]["moved_at"]).total_seconds() / 3600),
                )
        rows = connection.execute("select * from metrics.cycle_time").fetchall()
    assert {str(r["card_id"]): (r["cycle_hours"], r["lead_hours"]) for r in rows} == expected
    assert len(rows) > 1500


def test_a_refresh_without_news_does_nothing_and_a_move_is_news(busy: Crm) -> None:
    with busy.connect() as connection:
        assert one(connection, "select metrics.refresh() as did")["did"] is False
        connection.execute("update task set estimate = 5 where title like 'card 0'")
        assert one(connection, "select metrics.refresh() as did")["did"] is True


def test_readers_are_not_locked_out_by_a_refresh(busy: Crm) -> None:
    with busy.connect() as writer, busy.connect() as reader, writer.transaction():
        writer.execute("update task set estimate = 8 where title like 'card 0'")
        one(writer, "select metrics.refresh()")
        reader.execute("set statement_timeout = '5s'")
        assert one(reader, "select count(*) as n from metrics.cfd_daily")["n"] > 900


def test_the_mock_data_respects_the_limits_and_has_the_promised_size(busy: Crm) -> None:
    with busy.connect() as connection:
        cards = one(connection, "select count(*) as n from card where board_id = %s", DEFAULT_BOARD)
        live = one(
            connection,
            "select count(*) as n from card where board_id = %s and not archived",
            DEFAULT_BOARD,
        )
        over = connection.execute(
            'select f.* from metrics.cfd_daily f join "column" c'
            " on c.board_id = f.board_id and c.key = f.status where f.count > c.wip_limit"
        ).fetchall()
        days = one(
            connection,
            "select count(distinct day) as n from metrics.cfd_daily where board_id = %s",
            DEFAULT_BOARD,
        )
    assert cards["n"] == 2000
    assert 150 < live["n"] < 450
    assert over == []
    assert days["n"] == 180


def test_seeds_run_twice_leave_what_one_run_leaves(busy: Crm) -> None:
    def picture(connection: Connection) -> list[Row]:
        return [
            one(
                connection,
                "select count(*) as n, md5(string_agg(t::text, ',' order by t)) as rows"
                f" from {table} t",
            )
            for table in ["board", "board_member", '"column"', "task", "card", "card_move", "edge",
                          "closure", "auth.users", "auth.identities"]
        ]  # fmt: skip

    with busy.connect() as connection:
        before = picture(connection)
        busy.seed(MOCK)
        assert picture(connection) == before
