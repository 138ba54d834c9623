"""Rows of a few tables from a backup: all of them or none, and no key that points nowhere."""

from __future__ import annotations

import pytest

from gavan.backups.rows import Table, drop_kept, kept_tables
from gavan.database.embedded import ADMIN
from gavan.kit.errors import GavanError
from tests.integration.backups.restore.conftest import House

TABLES = (
    "create type public.mood as enum ('good', 'bad')",
    "create table public.task (id bigint generated always as identity primary key,"
    " card_id int references public.card, moods public.mood[], loud text generated always as"
    " (upper(card_id::text)) stored)",
    "insert into public.task (card_id, moods) select i, '{good,bad}' from generate_series(1, 5) i",
    "create table public.day (at date, n int) partition by range (at)",
    "create table public.day_26 partition of public.day for values from ('2026-01-01') to"
    " ('2027-01-01')",
    "insert into public.day select '2026-01-01'::date + i, i from generate_series(1, 9) i",
)


def only(*titles: str) -> tuple[Table, ...]:
    return tuple(Table.parse(title) for title in titles)


@pytest.fixture(autouse=True)
def tables(house: House) -> None:
    """Tables that point to one another, with all that makes rows hard to move."""
    house.run(*TABLES)
    house.backup()


def test_the_rows_are_back_and_nothing_else_has_changed(house: House) -> None:
    house.run(
        "update task set moods = null", "insert into task (card_id) values (6)",
        "insert into card values (11, 'of today')",
    )  # fmt: skip
    restored = house.restore(only=only("public.task"))
    assert house.run("select count(*), count(moods), min(loud) from task") == [(5, 5, "1")]
    assert house.run("select count(*) from card") == [(11,)]
    (replaced,) = restored.tables
    assert (replaced.rows, replaced.before) == (5, 6)
    assert house.run(f"select count(*) from {replaced.kept}") == [(6,)]
    assert house.run("insert into task (card_id) values (1) returning id > 6") == [(True,)]
    with house.database.connect(ADMIN) as connection:
        assert len(kept_tables(connection)) == 1
        drop_kept(connection, kept_tables(connection))
        assert kept_tables(connection) == []


def test_a_table_in_partitions_is_restored_through_its_parent(house: House) -> None:
    house.run("delete from day")
    house.restore(only=only("day"))
    assert house.run("select count(*), sum(n) from day_26") == [(9, 45)]


def test_a_parent_that_others_need_today_is_refused_and_named(house: House) -> None:
    house.run("insert into card values (11, 'of today')", "insert into task (card_id) values (11)")
    with pytest.raises(GavanError) as caught:
        house.restore(only=only("public.card"))
    assert caught.value.code == "GV444"
    assert caught.value.message.startswith(
        "1 rows of public.task would point to nothing in public.card"
    )
    assert house.run("select count(*) from card") == [(11,)]
    house.restore(only=only("public.card", "public.task"))
    assert house.run("select (select count(*) from card), (select count(*) from task)") == [(10, 5)]


def test_other_columns_today_are_named(house: House) -> None:
    house.run("alter table card add column due date")
    with pytest.raises(GavanError) as caught:
        house.restore(only=only("public.card"))
    assert (caught.value.code, caught.value.details) == ("GV443", "due date")


def test_a_table_that_the_backup_does_not_have_is_refused(house: House) -> None:
    house.run("create table public.later (id int)")
    with pytest.raises(GavanError) as caught:
        house.restore(only=only("public.later"))
    assert caught.value.code == "GV443"
