"""What a history made and did not take away again."""

from __future__ import annotations

import pytest

from gavan.database.migration.history import Applied
from gavan.database.migration.made import made_by


def made(*migrations: str) -> list[list[str]]:
    rows = [
        Applied(version=f"0{number}0", name="x", statements=text.split(";"))
        for number, text in enumerate(migrations)
    ]
    found = made_by(rows)
    return [
        sorted(".".join(filter(None, one[1:])) for one in found.get(row.version, ()))
        for row in rows
    ]


@pytest.mark.parametrize(
    ("migrations", "left"),
    [
        (["create table a (id int);create index a_id on app.b (id)"], [["a", "app.a_id"]]),
        (["-- note\n/* more */ create view v as select 1;create type m as enum ('a')"],
         [["m", "v"]]),
        (["create schema app;create function app.f() returns int language sql return 1"],
         [["app", "app.f"]]),
        (["create table a (id int)", "drop table a"], [[], []]),
        (["create table public.a (id int)", "drop table a"], [[], []]),
        (["create table a (id int);create index i on a (id)", "drop table a"], [[], []]),
        (["create table a (id int)", "alter table a rename to b"], [[], []]),
        (["create table public.a (id int)", "alter table a set schema app"], [[], []]),
        (["create table app.a (id int);create table b (id int)", "drop schema app cascade"],
         [["b"], []]),
        (["create view v as select 1;create table a (id int)", "drop type t cascade"],
         [["a"], []]),
        (["create function f() returns int language sql return 1", "drop function f()"],
         [[], []]),
        (["create or replace view v as select 1", "create or replace view v as select 2"],
         [["v"], []]),
        (["create table a (id int)", "do $$ begin drop table a\n end $$"], [[], []]),
        (["set search_path = app;create table a (id int);create table public.b (id int)"],
         [["public.b"]]),
        (["create table a (id int);create rule r as on insert to a do also (select 1"], [["a"]]),
        (["create temporary table t (id int);insert into a values (1)"], [[]]),
    ],
)  # fmt: skip
def test_what_is_left(migrations: list[str], left: list[list[str]]) -> None:
    assert made(*migrations) == left


def test_a_version_of_which_no_statement_is_known_made_nothing() -> None:
    assert made_by([Applied(version="000", name="x", statements=None)]) == {}
