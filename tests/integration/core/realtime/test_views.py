"""Random writes by several users: what each subscriber has heard is what SELECT gives that user."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from gavan.core.realtime.app import build
from tests.conftest import Database
from tests.integration.core.realtime.conftest import serving, settings_of
from tests.integration.core.realtime.wire import RawClient, Server, token

USERS = [f"{digit * 8}-1111-4111-8111-111111111111" for digit in "123"]
SCHEMA = """
create table public.task (
    id int primary key, owner uuid not null, shared boolean not null, title text, big text
);
alter table public.task enable row level security;
create policy seen on public.task using (shared or owner = auth.uid());
grant all on public.task to authenticated;
alter publication supabase_realtime add table public.task;
"""
WRITES = 250
END = -1
View = dict[int, dict[str, Any]]


@pytest.fixture
def admin(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with database.connect("supabase_admin") as connection:
        connection.execute(SCHEMA.encode())
        yield connection


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_every_view_adds_up_to_what_its_user_may_select(
    database: Database, admin: psycopg.Connection[Any], seed: int
) -> None:
    async with serving(build(settings_of(database))) as server:
        clients = [await following(server, user) for user in USERS]
        left = write_at_random(admin, random.Random(seed))
        for user, client in zip(USERS, clients, strict=True):
            view = await heard(client)
            allowed = selected(admin, user)
            # A row that is moved out of somebody's sight is not announced to them: only their
            # next SELECT tells (supabase/realtime does the same).
            for row_id in view.keys() - allowed.keys():
                assert row_id in left[user]
                del view[row_id]
            assert view == allowed


async def following(server: Server, user: str) -> RawClient:
    client = await server.client()
    wanted = {"event": "*", "schema": "public", "table": "task"}
    config = {"postgres_changes": [wanted]}
    assert (await client.join("realtime:t", config, access_token=token(sub=user)))["status"] == "ok"
    await client.expect("system")
    return client


def write_at_random(admin: psycopg.Connection[Any], chance: random.Random) -> dict[str, set[int]]:
    """Write as random users; return which rows were moved out of whose sight."""
    left: dict[str, set[int]] = {user: set() for user in USERS}
    rows: dict[int, tuple[str, bool]] = {}
    for number in range(WRITES):
        user = chance.choice(USERS)
        seen = [key for key, (owner, shared) in rows.items() if shared or owner == user]
        with admin.transaction():
            if not seen or chance.random() < 0.35:
                shared = chance.random() < 0.4
                admin.execute(
                    "insert into task values (%s, %s, %s, %s, %s)",
                    (number, user, shared, f"t{number}", chance.choice(["", "b"])),
                )
                rows[number] = (user, shared)
                continue
            target = chance.choice(seen)
            if chance.random() < 0.25:
                admin.execute("delete from task where id = %s", (target,))
                del rows[target]
                continue
            owner, shared = chance.choice(USERS), chance.random() < 0.5
            admin.execute(
                "update task set owner = %s, shared = %s, title = %s where id = %s",
                (owner, shared, f"u{number}", target),
            )
            rows[target] = (owner, shared)
            for other in USERS:
                if not shared and other != owner:
                    left[other].add(target)
    admin.execute("insert into task values (%s, %s, true, 'end', '')", (END, USERS[0]))
    return left


async def heard(client: RawClient) -> View:
    """Put what a client hears together, up to the last row written."""
    view: View = {}
    while END not in view:
        data = (await client.expect("postgres_changes")).payload["data"]
        if data["type"] == "DELETE":
            view.pop(data["old_record"]["id"], None)
            continue
        row = data["record"]
        view[row["id"]] = row
    return view


def selected(admin: psycopg.Connection[Any], user: str) -> View:
    with admin.transaction():
        admin.execute("select set_config('request.jwt.claims', %s, true)", (f'{{"sub":"{user}"}}',))
        admin.execute("set local role authenticated")
        rows = admin.execute("select id, to_jsonb(task) from task").fetchall()
    return dict(rows)
