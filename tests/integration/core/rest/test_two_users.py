"""Two users under row-level security: with no verb and no shape of a request one meets the other.

Every case runs for both users, each against the other's rows; after each the rows of the other are
what they were.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conftest import Database
from tests.integration.core.rest.conftest import Api, serve, token_of

SCHEMA = """
create table public.owned (id int primary key, owner uuid not null, text text not null);
create table public.part (id int primary key, owned_id int references public.owned, text text);
create view public.shown with (security_invoker = on) as select * from public.owned;
create function public.mine() returns setof public.owned language sql stable as
    'select * from public.owned';
create function public.number() returns bigint language sql stable as
    'select count(*) from public.owned';
create function public.wipe() returns setof public.owned language sql as
    $$ delete from public.owned where text <> '' returning * $$;
alter table public.owned enable row level security;
alter table public.part enable row level security;
create policy own on public.owned to authenticated
    using (owner = auth.uid()) with check (owner = auth.uid());
create policy own on public.part to authenticated
    using (exists (select from public.owned o where o.id = owned_id));
"""
ROWS = """
truncate public.owned, public.part;
insert into public.owned values (1, '{a}', 'of a'), (2, '{b}', 'of b');
insert into public.part values (11, 1, 'part of a'), (12, 2, 'part of b');
"""
A = "00000000-0000-0000-0000-00000000000a"
B = "00000000-0000-0000-0000-00000000000b"
EXISTING = (
    "select o::text, p::text from public.owned o left join public.part p on p.owned_id = o.id"
)


@dataclass(frozen=True)
class User:
    """One of the two: ``own`` and ``other`` are the keys of their rows."""

    id: str
    own: int
    other: int
    other_id: str


USERS = (User(A, 1, 2, B), User(B, 2, 1, A))
BACK = "return=representation"
MERGE = f"{BACK},resolution=merge-duplicates"
IGNORE = f"{BACK},resolution=ignore-duplicates"
READS = (
    "/owned?select=id",
    "/shown?select=id",
    "/rpc/mine?select=id",
    "/owned?select=id&id=in.(1,2)",
    "/owned?select=id&or=(id.eq.1,id.eq.2)",
    "/owned?select=id&text=like.*of*&order=text",
    "/owned?select=id,part()&part=not.is.null",
)
"""Questions that only the own row answers"""


@pytest.fixture
async def two(database: Database) -> AsyncIterator[Api]:
    with database.connect() as connection:
        connection.execute(SCHEMA)
    options = {"db_aggregates_enabled": "true", "db_safe_update": "false"}
    async for ready in serve(database, rest=options):
        yield ready


def reset(api: Api) -> None:
    with api.database.connect() as connection:
        connection.execute(ROWS.format(a=A, b=B))


def rows(api: Api, owner: int) -> list[Any]:
    with api.database.connect("supabase_admin") as connection:
        return connection.execute(f"{EXISTING} where o.id = {owner} order by 2").fetchall()


async def test_one_reads_nothing_of_the_other(two: Api) -> None:
    reset(two)
    for user in USERS:
        token = token_of("authenticated", sub=user.id)
        for url in READS:
            for count in ("exact", "estimated"):
                answer = await two.get(url, token=token, prefer=f"count={count}")
                assert answer.json() == [{"id": user.own}], url
            head = await two.ask("HEAD", url, token=token, prefer="count=exact")
            assert head.headers["content-range"] == "0-0/1", url
        for url, wanted in (
            (f"/owned?id=eq.{user.other}", []),
            ("/part?select=id", [{"id": 10 + user.own}]),
            ("/part?select=owned(id)", [{"owned": {"id": user.own}}]),
            ("/owned?select=id,part(id)", [{"id": user.own, "part": [{"id": 10 + user.own}]}]),
            ("/owned?select=id.count()", [{"count": 1}]),
            ("/owned?select=part(count)", [{"part": [{"count": 1}]}]),
            ("/rpc/number", 1),
        ):
            assert (await two.get(url, token=token)).json() == wanted, url
        csv = await two.get("/owned?select=text", token=token, accept="text/csv")
        assert csv.text == f'text\n"of {"ab"[user.own - 1]}"'
    for url in READS:
        assert (await two.get(url)).json() == []  # nobody at all


async def test_one_changes_nothing_of_the_other(two: Api) -> None:
    for user in USERS:
        own, other = user.own, user.other
        row = {"id": own, "owner": user.id, "text": "new"}
        taken = {"id": other, "owner": user.id, "text": "taken"}
        given = {"id": 9, "owner": user.other_id, "text": "forged"}
        for method, url, body, prefer, status in (
            ("PATCH", f"/owned?id=eq.{other}", {"text": "x"}, BACK, 200),
            ("PATCH", "/owned?id=gt.0", {"text": "x"}, BACK, 200),
            ("PATCH", "/owned", {"text": "x"}, BACK, 200),
            ("PATCH", "/shown?id=gt.0", {"text": "x"}, BACK, 200),
            ("PATCH", f"/owned?id=eq.{own}", {"owner": user.other_id}, BACK, 403),
            ("PATCH", f"/owned?id=eq.{own}", {"owner": user.other_id}, "return=minimal", 403),
            ("DELETE", f"/part?id=eq.{10 + other}", None, BACK, 200),
            ("DELETE", "/part", None, BACK, 200),
            ("DELETE", f"/owned?id=eq.{other}", None, BACK, 200),
            ("POST", "/owned", given, BACK, 403),
            ("POST", "/owned", given, "return=minimal", 403),
            ("POST", "/owned", [{**row, "id": 8}, given], BACK, 403),
            ("POST", "/shown", given, BACK, 403),
            ("POST", "/owned", taken, BACK, 409),
            ("POST", "/owned", taken, MERGE, 403),
            ("POST", "/owned", [row, taken], MERGE, 403),
            ("POST", "/owned", taken, IGNORE, 201),
            ("POST", "/owned?on_conflict=id", taken, MERGE, 403),
            ("PUT", f"/owned?id=eq.{other}", taken, BACK, 403),
            ("PUT", "/owned?id=eq.9", given, BACK, 403),
            ("POST", "/part", {"id": 20, "owned_id": other, "text": "x"}, BACK, 403),
            ("PATCH", f"/part?id=eq.{10 + own}", {"owned_id": other}, BACK, 403),
        ):
            reset(two)
            before = rows(two, other)
            token = token_of("authenticated", sub=user.id)
            answer = await two.ask(method, url, body=body, prefer=prefer, token=token)
            what = f"{method} {url} {body} {prefer}: {answer.text}"
            assert answer.status_code == status, what
            assert rows(two, other) == before, what
            if status < 400:
                assert all(item["id"] in {own, 10 + own} for item in answer.json()), what
            else:
                assert f"of {'ab'[other - 1]}" not in answer.text, what


async def test_one_does_with_own_rows_what_one_likes(two: Api) -> None:
    for user in USERS:
        own, token = user.own, token_of("authenticated", sub=user.id)
        row = {"id": own, "owner": user.id, "text": "new"}
        for method, url, body, prefer, status in (
            ("PATCH", f"/owned?id=eq.{own}", {"text": "new"}, BACK, 200),
            ("POST", "/owned", row, MERGE, 200),
            ("PUT", f"/owned?id=eq.{own}", row, BACK, 200),
            ("POST", "/owned", {**row, "id": 7}, BACK, 201),
            ("PUT", "/owned?id=eq.7", {**row, "id": 7}, BACK, 201),
        ):
            reset(two)
            answer = await two.ask(method, url, body=body, prefer=prefer, token=token)
            assert answer.status_code == status, f"{method} {url}: {answer.text}"
            assert answer.json() == [{**row, "id": answer.json()[0]["id"]}]
        reset(two)
        with two.database.connect() as connection:
            connection.execute("truncate part")
        answer = await two.ask("POST", "/rpc/wipe?select=id", body={}, token=token)
        assert answer.json() == [{"id": own}]
        assert rows(two, own) == []
        assert len(rows(two, user.other)) == 1


async def test_a_request_leaves_nothing_of_its_user_to_the_next(two: Api) -> None:
    """Connections are shared: identity must end with the transaction, also when it fails."""
    reset(two)
    tokens = [token_of("authenticated", sub=user.id) for user in USERS]
    for turn in range(40):
        user, token = USERS[turn % 2], tokens[turn % 2]
        assert (await two.get("/owned?select=id", token=token)).json() == [{"id": user.own}]
        broken = await two.ask("POST", "/owned", body={"id": "x"}, token=token)
        assert broken.status_code == 400
        assert (await two.get("/owned?select=id")).json() == []
