"""Cards of the CRM move atomically, in a clean order, within the limits of their columns."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.stacks.crm.database import Crm, User

Connection = psycopg.Connection[Any]


def new_board(connection: Connection, name: str = "Work") -> dict[str, Any]:
    board: dict[str, Any] = one(connection, "select * from create_board(%s)", name)
    return board


def one(connection: Connection, query: str, *parameters: object) -> Any:
    row = connection.execute(query.encode(), parameters).fetchone()
    assert row is not None
    return row


def columns(connection: Connection, board: dict[str, Any]) -> dict[str, str]:
    rows = connection.execute(
        'select key, id from "column" where board_id = %s order by position', (board["id"],)
    )
    return {row["key"]: str(row["id"]) for row in rows}


def add_card(connection: Connection, column_id: str, title: str) -> str:
    return str(one(connection, "select id from create_card(%s, %s)", column_id, title)["id"])


def move(connection: Connection, card_id: str, column_id: str, position: int | None = None) -> Any:
    return one(connection, "select * from move_card(%s, %s, %s)", card_id, column_id, position)


def titles(connection: Connection, column_id: str) -> list[str]:
    rows = connection.execute(
        "select t.title from card c join task t on t.id = c.task_id"
        " where c.column_id = %s and not c.archived order by c.position",
        (column_id,),
    )
    return [row["title"] for row in rows]


@pytest.fixture
def ada(crm: Crm) -> User:
    return crm.sign_up("ada@example.org")


def test_a_new_board_has_its_five_columns_and_its_creator_as_owner(crm: Crm, ada: User) -> None:
    with crm.acting(ada) as connection:
        board = new_board(connection)
        assert list(columns(connection, board)) == [
            "backlog", "ready", "inprogress", "review", "done",
        ]  # fmt: skip
        member = one(connection, "select * from board_member where board_id = %s", board["id"])
    assert (str(member["user_id"]), member["role"], member["email"]) == (ada.id, "owner", ada.email)


def test_a_card_lands_at_every_index_a_list_would_put_it(crm: Crm, ada: User) -> None:
    """Two hundred random moves agree with the same moves on Python lists."""
    chance = random.Random(20)
    with crm.acting(ada) as connection:
        board = new_board(connection)
        ids = columns(connection, board)
        places = {ids["backlog"]: [], ids["ready"]: [], ids["done"]: []}  # type: dict[str, list[str]]
        cards = {}
        for number in range(12):
            title = f"card {number}"
            cards[title] = add_card(connection, ids["backlog"], title)
            places[ids["backlog"]].append(title)
        for _ in range(200):
            title = chance.choice(list(cards))
            target = chance.choice(list(places))
            index = chance.choice([None, 0, 0, 1, 2, 5, 99])
            move(connection, cards[title], target, index)
            for place in places.values():
                if title in place:
                    place.remove(title)
            places[target].insert(len(places[target]) if index is None else index, title)
        for column_id, expected in places.items():
            assert titles(connection, column_id) == expected


def test_a_move_rewrites_one_card_row(crm: Crm, ada: User) -> None:
    with crm.acting(ada) as connection:
        ids = columns(connection, new_board(connection))
        cards = [add_card(connection, ids["backlog"], f"card {n}") for n in range(20)]
    with crm.connect() as owner:
        before = {row["id"]: row["xmin"] for row in owner.execute("select id, xmin from card")}
        with crm.acting(ada) as connection:
            move(connection, cards[19], ids["backlog"], 0)
        after = {row["id"]: row["xmin"] for row in owner.execute("select id, xmin from card")}
    changed = [str(card_id) for card_id in before if before[card_id] != after[card_id]]
    assert changed == [cards[19]]


def test_moving_a_card_where_it_stands_writes_nothing(crm: Crm, ada: User) -> None:
    with crm.acting(ada) as connection:
        ids = columns(connection, new_board(connection))
        cards = [add_card(connection, ids["backlog"], f"card {n}") for n in range(3)]
        before = one(connection, "select xmin, position from card where id = %s", cards[1])
        move(connection, cards[1], ids["backlog"], 1)
        assert one(connection, "select xmin, position from card where id = %s", cards[1]) == before


def test_a_full_column_refuses_a_card_and_says_its_limit(crm: Crm, ada: User) -> None:
    with crm.acting(ada) as connection:
        ids = columns(connection, new_board(connection))
        cards = [add_card(connection, ids["backlog"], f"card {n}") for n in range(4)]
        for card in cards[:3]:
            move(connection, card, ids["review"])
        with pytest.raises(psycopg.Error) as refusal:
            move(connection, cards[3], ids["review"])
        assert refusal.value.diag.sqlstate == "PT409"
        assert refusal.value.diag.message_detail == (
            '{"key": "review", "limit": 3, "column": "In Review"}'
        )
        assert titles(connection, ids["backlog"]) == ["card 3"]
        with pytest.raises(psycopg.Error, match="WIP limit reached"):
            add_card(connection, ids["review"], "one more")


def test_cards_inside_a_full_column_still_change_places(crm: Crm, ada: User) -> None:
    with crm.acting(ada) as connection:
        ids = columns(connection, new_board(connection))
        cards = [add_card(connection, ids["review"], f"card {n}") for n in range(3)]
        move(connection, cards[2], ids["review"], 0)
        assert titles(connection, ids["review"]) == ["card 2", "card 0", "card 1"]


def test_concurrent_moves_keep_one_clean_order_and_the_limit(crm: Crm, ada: User) -> None:
    """Eight people drag forty cards about at once: no deadlock, no card lost, no limit passed."""
    with crm.acting(ada) as connection:
        board = new_board(connection)
        ids = columns(connection, board)
        cards = [add_card(connection, ids["backlog"], f"card {n}") for n in range(40)]

    def drag(seed: int) -> int:
        chance = random.Random(seed)
        refused = 0
        with crm.acting(ada) as connection:
            for _ in range(60):
                target = ids[chance.choice(["backlog", "inprogress", "review", "done"])]
                try:
                    move(
                        connection, chance.choice(cards), target, chance.choice([0, 0, 1, 3, None])
                    )
                except psycopg.Error as error:
                    assert error.diag.sqlstate == "PT409", error
                    refused += 1
        return refused

    with ThreadPoolExecutor(8) as people:
        refused = sum(people.map(drag, range(8)))
    assert refused > 0, "the limits were never reached: the test shows nothing"
    with crm.connect() as owner:
        rows = owner.execute(
            "select c.key, c.wip_limit, array_agg(k.position) as positions"
            ' from card k join "column" c on c.id = k.column_id group by c.id'
        ).fetchall()
    assert sum(len(row["positions"]) for row in rows) == len(cards)
    for row in rows:
        assert len(set(row["positions"])) == len(row["positions"])
        assert len(row["positions"]) <= (row["wip_limit"] or len(cards))


def test_an_archived_card_leaves_the_column_and_comes_back_at_its_end(crm: Crm, ada: User) -> None:
    with crm.acting(ada) as connection:
        ids = columns(connection, new_board(connection))
        cards = [add_card(connection, ids["review"], f"card {n}") for n in range(3)]
        one(connection, "select archive_card(%s)", cards[0])
        assert titles(connection, ids["review"]) == ["card 1", "card 2"]
        with pytest.raises(psycopg.Error, match="card not found"):
            move(connection, cards[0], ids["done"])
        add_card(connection, ids["review"], "card 3")
        with pytest.raises(psycopg.Error, match="WIP limit reached"):
            one(connection, "select archive_card(%s, false)", cards[0])
        move(connection, cards[1], ids["done"])
        one(connection, "select archive_card(%s, false)", cards[0])
        assert titles(connection, ids["review"]) == ["card 2", "card 3", "card 0"]


def test_the_history_tells_who_moved_a_card_from_where_to_where(crm: Crm, ada: User) -> None:
    with crm.acting(ada) as connection:
        ids = columns(connection, new_board(connection))
        card = add_card(connection, ids["backlog"], "card")
        move(connection, card, ids["inprogress"])
        move(connection, card, ids["inprogress"], 0)
        move(connection, card, ids["done"])
        one(connection, "select archive_card(%s)", card)
        one(connection, "select archive_card(%s, false)", card)
        moves = connection.execute("select * from card_move order by id").fetchall()
    assert [(m["kind"], m["from_status"], m["to_status"], m["to_stage"]) for m in moves] == [
        ("created", None, "backlog", "todo"),
        ("moved", "backlog", "inprogress", "doing"),
        ("moved", "inprogress", "done", "done"),
        ("archived", "done", "done", "done"),
        ("restored", "done", "done", "done"),
    ]
    assert {str(m["moved_by"]) for m in moves} == {ada.id}
    times = [m["moved_at"] for m in moves]
    assert times == sorted(times)


def test_the_status_of_a_task_is_the_key_of_its_column(crm: Crm, ada: User) -> None:
    with crm.acting(ada) as connection:
        ids = columns(connection, new_board(connection))
        card = add_card(connection, ids["backlog"], "card")
        move(connection, card, ids["review"])
        assert one(connection, "select status from task")["status"] == "review"
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("update task set status = 'done'")


def test_deleting_a_task_takes_its_card_and_history_with_it(crm: Crm, ada: User) -> None:
    with crm.acting(ada) as connection:
        ids = columns(connection, new_board(connection))
        add_card(connection, ids["backlog"], "card")
        connection.execute("delete from task")
        assert connection.execute("select id from card").fetchall() == []
        assert connection.execute("select id from card_move").fetchall() == []


def test_a_column_with_cards_cannot_be_deleted_but_a_board_with_them_can(
    crm: Crm, ada: User
) -> None:
    with crm.acting(ada) as connection:
        board = new_board(connection)
        ids = columns(connection, board)
        card = add_card(connection, ids["backlog"], "card")
        move(connection, card, ids["ready"])
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            connection.execute('delete from "column" where id = %s', (ids["ready"],))
        connection.execute("delete from board where id = %s", (board["id"],))
        assert connection.execute("select id from card").fetchall() == []
