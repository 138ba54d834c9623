"""Statements that reach beyond their database, which a shadow must not repeat."""

from __future__ import annotations

import pytest

from gavan.database.migration.server_wide import is_server_wide
from gavan.database.migration.split import split


@pytest.mark.parametrize(
    "sql",
    [
        "create role x",
        "create user x password 'y'",
        "alter role x rename to y",
        "alter role x set search_path to ''",
        "drop role if exists x",
        "grant x to y with admin option",
        "create database x",
        "drop database x",
        "alter database postgres set timezone to 'UTC'",
        "alter database postgres owner to x",
        "alter system set work_mem to '1MB'",
        "create tablespace t location '/t'",
        "drop owned by x",
        "reassign owned by x to y",
        "grant connect on database postgres to x",
        "comment on role x is 'y'",
        "create subscription s connection '' publication p",
        "do $$ begin create role x; end $$",
        "do $$ begin if true then drop owned by x; end if; end $$",
    ],
)
def test_it_reaches_beyond(sql: str) -> None:
    assert is_server_wide(split(sql)[0])


@pytest.mark.parametrize(
    "sql",
    [
        "create table role (id int)",
        "create table a (role text)",
        "grant select on a to anon",
        "alter table a owner to postgres",
        "comment on table a is 'a role'",
        "select 'create role x'",
        "do $$ begin perform 1; end $$",
        "create policy p on a using (current_user = 'x')",
        "alter default privileges for role postgres grant select on tables to anon",
    ],
)
def test_it_stays_within(sql: str) -> None:
    assert not is_server_wide(split(sql)[0])
