"""What requests mean against expectation: cases that no other test has, each with its reason."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.conftest import Database
from tests.integration.core.rest.cases import Case, check
from tests.integration.core.rest.conftest import SCHEMA, Api, serve, token_of

MORE = """
create table public.loose (
    client_id int references client, tag_id int references person, primary key (client_id)
);
create function public.lying_write() returns int language sql stable as
    $$ select write_row() $$;
create function public.refused() returns text language plpgsql as $$
begin
    insert into keyless values (8, 'kept');
    perform set_config('response.status', '403', true);
    return 'no';
end $$;
create function public.known(name text) returns setof client language sql stable as
    $$ select * from client where client.name = known.name $$;
create function public.doc(id int) returns jsonb language sql immutable as
    $$ select jsonb_build_object('id', id) $$;
create table public.words_of (id int primary key, data json, more jsonb, words tsvector);
insert into public.words_of values (1, '{"t": "sailing ships"}', '{"t": "calm seas"}',
    to_tsvector('english', 'sailing ships'));
create table public.stamp (id int primary key, at timestamptz);
insert into public.stamp values (1, '2026-01-01 00:00:00+00');
"""
FULL = "return=representation"


@pytest.fixture
async def trap(database: Database) -> AsyncIterator[Api]:
    with database.connect() as connection:
        connection.execute(SCHEMA.read_bytes())
        connection.execute(MORE.encode())
    options = {"db_plan_enabled": "true", "db_aggregates_enabled": "true"}
    async for ready in serve(database, rest=options):
        yield ready


async def test_what_is_read(trap: Api) -> None:
    json = {"content-type": "application/json; charset=utf-8"}
    await check(
        trap,
        [
            Case(url="/client?and=(id.eq.1,id.neq.2))&select=id", body=[{"id": 1}]),
            Case(url="/client?city=is.NULLxyz&select=id", body=[{"id": 2}]),
            Case(url="/client?city=is.null%20or%20true&select=id", body=[{"id": 2}]),
            Case(url="/client?id=not.in.()&select=id&limit=1&order=id", body=[{"id": 1}]),
            # PGRST100 shows the character at which the parser gave up.
            Case(
                url="/project?select=data->>--34",
                status=400,
                body={
                    "code": "PGRST100",
                    "message": '"failed to parse select parameter (data->>--34)"'
                    " (line 1, column 9)",
                    "details": 'unexpected "-" expecting digit',
                    "hint": None,
                },
            ),
            Case(url="/project?select=data->>-", status=400, code="PGRST100"),
            Case(url="/project?select=data->>-3x", status=400, code="PGRST100"),
            Case(url="/client", accept="application/*", status=406, code="PGRST107"),
            Case(url="/client", accept="application/vnd.pgrst.array", expect=json),
            Case(url="/client", accept="APPLICATION/JSON", expect=json),
            Case(url="/client?select=id", prefer="count=estimated", status=206),
            Case(
                url="/client?select=id",
                headers={"prefer": "count=exact"},
                prefer="count=exact, handling=lenient, something",
                expect={"preference-applied": "count=exact, handling=lenient"},
            ),
            Case(
                url="/client?select=project(name),id&id=eq.3",
                text='[{"id":3,"project":[]}]',  # plain fields first, wherever they stood
            ),
            Case(
                url="/client?select=id,...project(budget)&id=eq.3", body=[{"id": 3, "budget": []}]
            ),
            Case(
                url="/client?select=id,project(budget.sum(),count())&id=eq.1",
                body=[{"id": 1, "project": [{"sum": 30.5, "count": 2}]}],
            ),
            Case(
                url="/project?select=client_id::text,count()&order=client_id.nullslast&limit=1",
                body=[{"client_id": "1", "count": 2}],
            ),
            Case(
                url="/project?select=budget::int,count()&budget=not.is.null&order=budget",
                body=[
                    {"budget": 5, "count": 1},
                    {"budget": 11, "count": 1},
                    {"budget": 20, "count": 1},
                ],
            ),
            # The key of this junction does not hold both its references: it joins nothing.
            Case(url="/client?select=person(name)", status=400, code="PGRST200"),
            Case(url="/words_of?data->>t=fts(english).ship&select=id", body=[{"id": 1}]),
            Case(url="/words_of?data=fts(english).ship&select=id", body=[{"id": 1}]),
            Case(url="/words_of?more=wfts(english).sea&select=id", body=[{"id": 1}]),
            Case(url="/words_of?more->t=plfts.calm&select=id", body=[{"id": 1}]),
            Case(url="/words_of?words=not.phfts(english).sailing%20ships&select=id", body=[]),
            Case(
                url="/client?name=eq(any).{Ada,Bob}&select=id&order=id.desc&limit=1",
                body=[{"id": 2}],
            ),
            Case(url="/client?name=not.like(all).{A*,*a}&select=id&id=lt.3", body=[{"id": 2}]),
            Case(url="/client?name=neq(any).{A}", status=400, code="PGRST100"),
            Case(
                url="/client?city=isdistinct.Riga&select=id&order=id", body=[{"id": 2}, {"id": 3}]
            ),
            Case(url="/client?city=not.isdistinct.Riga&select=id", body=[{"id": 1}]),
            Case(url="/client?name=imatch.^a&select=id", body=[{"id": 1}]),
            # A POSIX offset has the opposite sign.
            Case(
                url="/stamp?select=at",
                prefer="timezone=+05:30",
                body=[{"at": "2025-12-31T18:30:00-05:30"}],
            ),
            Case(url="/client?select=id&limit=1&limit=2&order=id", range="0-1/*"),
            Case(
                url="/client?id=gt.1&id=lt.3&select=id",
                expect={"content-location": "/client?id=gt.1,lt.3&select=id"},
            ),
            Case(url="/client?limit=x&offset=1", status=416, code="PGRST103"),
            Case(
                url="/client?select=id,project(id)&project.limit=x&project.offset=1&id=eq.1",
                body=[{"id": 1, "project": []}],
            ),
            # An embed without columns can be ordered by all the same.
            Case(
                url="/project?select=id,client!inner()&order=client(name).desc,id",
                body=[{"id": 3}, {"id": 1}, {"id": 2}],
            ),
            Case(url="/project?select=id,client(id)&order=client(name)", status=400, code="42703"),
            Case(
                url="/rpc/pair_out?order=z",
                status=400,
                code="42703",
                message="column record.z does not exist",
            ),
            Case(method="HEAD", url="/client?limit=1", expect={**json, "content-length": None}),
        ],
    )


async def test_what_is_called(trap: Api) -> None:
    await check(
        trap,
        [
            Case(url="/rpc/known?name=Ada&name=like.A*&select=id", body=[{"id": 1}]),
            Case(url="/rpc/known?name=Ada&name=like.B*&select=id", body=[]),
            Case(url="/rpc/lying_write", method="POST", send={}, status=405, code="25006"),
            Case(url="/rpc/refused", method="POST", send={}, status=403, body="no"),
            Case(url="/keyless?id=eq.8&select=name", body=[{"name": "kept"}]),
            Case(
                url="/rpc/raise_pt",
                method="POST",
                send={"state": "PT40A"},
                status=500,
                code="PT40A",
            ),
            Case(url="/rpc/doc?id=5", body={"id": 5}),
            Case(url="/rpc/doc?id=5", prefer="count=exact", range="0-0/1"),
            Case(url="/rpc/numbers", prefer="count=planned", range="0-2/*"),
            Case(url="/rpc/hello", method="POST", send={}, headers={"range": "5-2"}, body="hello"),
            Case(
                url="/rpc/numbers",
                prefer="handling=strict, max-affected=x",
                expect={"preference-applied": "handling=strict"},
            ),
            Case(
                url="/rpc/numbers",
                prefer="max-affected=1",
                expect={"preference-applied": None},
            ),
        ],
    )


async def test_what_is_written(trap: Api) -> None:
    await check(
        trap,
        [
            Case(
                url="/client",
                method="POST",
                send={"id": 30, "name": "p"},
                status=201,
                prefer="count=planned",
                range="*/*",
                expect={
                    "preference-applied": "count=planned",
                    "content-length": "0",
                    "content-type": None,
                },
            ),
            Case(url="/client?columns=id", method="POST", send=b"x", status=400, code="22P02"),
            Case(
                url="/client",
                method="POST",
                send=[{"id": 31, "name": "a"}, {"id": 32, "name": "b"}],
                prefer="return=headers-only",
                status=201,
                expect={"location": None, "preference-applied": "return=headers-only"},
            ),
            Case(url="/client", method="DELETE", status=400, code="21000"),
            Case(url="/client?project.id=eq.1&select=project(id)", method="DELETE", status=400),
            Case(url="/client", method="PATCH", send={"city": "x"}, status=400, code="21000"),
            Case(url="/client", method="PATCH", send=[], status=204, range="*/*"),
            Case(
                url="/client?id=in.(30,31)",
                method="PATCH",
                send={"city": "y"},
                prefer="handling=strict, max-affected=2, missing=null, tx=rollback",
                status=204,
                expect={
                    "preference-applied": "missing=null, handling=strict, max-affected=2",
                    "content-length": None,
                },
            ),
            Case(
                url="/client?id=in.(30,31)&select=id",
                method="DELETE",
                prefer=f"{FULL}, count=exact",
                range="*/2",
                body=[{"id": 30}, {"id": 31}],
            ),
            Case(
                url="/client?id=eq.50",
                method="PUT",
                send={"id": 50, "name": "put"},
                headers={"range": "0-0"},
                status=204,
                expect={"content-range": None, "content-type": None, "content-length": None},
            ),
            Case(
                url="/client?id=eq.50",
                method="PUT",
                send={"id": 51, "name": "put"},
                accept="application/vnd.pgrst.object+json",
                status=400,
                code="PGRST115",
            ),
            Case(url="/client?id=not.eq.50", method="PUT", send={"id": 50}, status=405),
            Case(url="/client?id=eq(any).{50}", method="PUT", send={"id": 50}, status=405),
            Case(url="/client?and=(id.eq.50)", method="PUT", send={"id": 50}, status=405),
            Case(url="/client?id=eq.50&offset=1", method="PUT", send={"id": 50}, status=400),
        ],
    )


async def test_a_plan_of_a_mutation_that_is_analysed_is_carried_out(trap: Api) -> None:
    accept = 'application/vnd.pgrst.plan+json; for="application/json"; options=analyze|wal'
    answer = await trap.ask(
        "POST", "/client", body={"id": 40, "name": "planned"}, accept=accept, prefer=FULL
    )
    assert answer.headers["content-type"] == (
        'application/vnd.pgrst.plan+json; for="application/json"; options=analyze|wal'
        "; charset=utf-8"
    )
    assert "Actual Rows" in answer.text
    assert answer.text.endswith("\n")
    assert (await trap.get("/client?id=eq.40&select=id")).json() == [{"id": 40}]
    text = await trap.get("/client", accept="application/vnd.pgrst.plan; options=verbose")
    assert text.text.startswith("Aggregate")
    assert "Output:" in text.text


async def test_an_anonymous_token_is_nobody_and_an_unknown_role_is_refused(trap: Api) -> None:
    await check(
        trap,
        [
            Case(
                url="/secret",
                token=token_of("anon"),
                status=401,
                code="42501",
                expect={"www-authenticate": "Bearer"},
            ),
            Case(url="/secret", token=token_of("authenticated"), status=403, code="42501"),
            Case(url="/client?limit=0", token=token_of("authenticated", aud=[]), body=[]),
            Case(
                url="/client",
                token=token_of("authenticated", aud=5),
                status=401,
                code="PGRST303",
                expect={
                    "www-authenticate": 'Bearer error="invalid_token", error_description="The JWT'
                    " 'aud' claim must be a string or an array of strings\""
                },
            ),
        ],
    )
