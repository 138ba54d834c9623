"""Files of cards in the database: only members of the board see, add and remove them."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.stacks.crm.database import Crm, User
from tests.stacks.crm.test_cards import add_card, columns, new_board, one

INSERT = (
    "insert into storage.objects (bucket_id, name, owner_id, user_metadata, metadata)"
    " values (%s, %s, (select auth.uid()::text), %s, %s)"
)


@pytest.fixture
def ada(crm: Crm) -> User:
    return crm.sign_up("ada@example.org")


@pytest.fixture
def bob(crm: Crm) -> User:
    """A stranger to Ada's board, with a board of his own."""
    bob = crm.sign_up("bob@example.org")
    with crm.acting(bob) as connection:
        new_board(connection)
    return bob


@pytest.fixture
def card(crm: Crm, ada: User) -> dict[str, Any]:
    """A card on a board of Ada's with one file; the bucket is there as in a running stack."""
    with crm.connect() as owner:
        owner.execute(
            "insert into storage.buckets (id, name) values ('attachments', 'attachments')"
        )
    with crm.acting(ada) as connection:
        board = new_board(connection)
        made = add_card(connection, columns(connection, board)["backlog"], "Moor the ship")
        row: dict[str, Any] = one(
            connection, "select id, board_id, task_id from card where id = %s", made
        )
        attach(connection, f"{row['board_id']}/{row['id']}/1.pdf", name="Смета.pdf")
    return row


def attach(connection: psycopg.Connection[Any], path: str, **metadata: str) -> None:
    """Put the row of a file in as the storage service does."""
    values = Jsonb(metadata), Jsonb({"size": 3})
    connection.execute(INSERT, ("attachments", path, *values))


def names(connection: psycopg.Connection[Any]) -> list[str]:
    """Return what the files are called, for whoever asks."""
    return [row["name"] for row in connection.execute("select name from attachment order by name")]


def remove(connection: psycopg.Connection[Any], path: str) -> int:
    """Delete a file as the storage service does; return how many are gone."""
    connection.execute("select set_config('storage.allow_delete_query', 'true', false)")
    return connection.execute("delete from storage.objects where name = %s", (path,)).rowcount


def test_a_file_is_shown_with_the_name_people_gave_it(
    crm: Crm, ada: User, card: dict[str, Any]
) -> None:
    with crm.acting(ada) as connection:
        row = one(connection, "select card_id, path, name, mime, size, owner_id from attachment")

    assert row == {
        "card_id": str(card["id"]),
        "path": f"{card['board_id']}/{card['id']}/1.pdf",
        "name": "Смета.pdf",
        "mime": "application/octet-stream",
        "size": 3,
        "owner_id": ada.id,
    }


def test_a_stranger_sees_adds_and_removes_nothing(
    crm: Crm, ada: User, bob: User, card: dict[str, Any]
) -> None:
    folder = f"{card['board_id']}/{card['id']}"

    with crm.acting(bob) as connection:
        assert names(connection) == []
        assert remove(connection, f"{folder}/1.pdf") == 0
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            attach(connection, f"{folder}/2.pdf")
    with crm.acting(None) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        names(connection)

    with crm.acting(ada) as connection:
        assert names(connection) == ["Смета.pdf"]


def test_a_file_of_one_board_is_not_put_under_a_card_of_another(
    crm: Crm, bob: User, card: dict[str, Any]
) -> None:
    with crm.acting(bob) as connection:
        mine = one(connection, "select id from board")["id"]
        for path in (
            f"{mine}/{card['id']}/x",
            f"{mine}/{uuid.uuid4()}/x",
            f"{mine}/x",
            f"{mine}/{card['id']}/a/b",
            "x",
            "../x/y",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                attach(connection, path)


def test_the_invited_share_the_files_and_lose_them_with_the_membership(
    crm: Crm, ada: User, bob: User, card: dict[str, Any]
) -> None:
    with crm.acting(ada) as connection:
        connection.execute("select invite_member(%s, %s)", (card["board_id"], bob.email))
    with crm.acting(bob) as connection:
        assert names(connection) == ["Смета.pdf"]
        connection.execute("delete from board_member where user_id = %s", (bob.id,))
        assert names(connection) == []


def test_files_ask_for_the_second_factor(crm: Crm, ada: User, card: dict[str, Any]) -> None:
    path = f"{card['board_id']}/{card['id']}/1.pdf"
    with crm.connect() as owner:
        owner.execute(
            "insert into auth.mfa_factors (id, user_id, friendly_name, factor_type, status,"
            " created_at, updated_at, secret)"
            " values (gen_random_uuid(), %s, 'phone', 'totp', 'verified', now(), now(), 'x')",
            (ada.id,),
        )

    with crm.acting(ada) as connection:
        assert names(connection) == []
        assert remove(connection, path) == 0
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            attach(connection, f"{path}x")
    with crm.acting(ada.proved()) as connection:
        assert names(connection) == ["Смета.pdf"]
        assert remove(connection, path) == 1


def test_nobody_renames_or_moves_a_file(crm: Crm, ada: User, card: dict[str, Any]) -> None:
    with crm.acting(ada) as connection:
        moved = connection.execute("update storage.objects set name = name || 'x'").rowcount

        assert moved == 0
        assert names(connection) == ["Смета.pdf"]


def test_a_deleted_card_takes_its_files_along_and_no_others(
    crm: Crm, ada: User, card: dict[str, Any]
) -> None:
    with crm.acting(ada) as connection:
        column = columns(connection, {"id": card["board_id"]})["backlog"]
        other = add_card(connection, column, "Paint the hull")
        attach(connection, f"{card['board_id']}/{other}/2.pdf", name="other.pdf")

        connection.execute("delete from task where id = %s", (card["task_id"],))

        assert names(connection) == ["other.pdf"]
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="Direct deletion"):
            connection.execute("delete from storage.objects")
