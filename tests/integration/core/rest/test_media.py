"""Media types of the user's: functions and aggregates that return a domain of that name."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.conftest import Database
from tests.integration.core.rest.cases import Case, check
from tests.integration.core.rest.conftest import Api, serve

SCHEMA = """
create domain public."text/html" as text;
create domain public."text/plain" as text;
create domain public."image/png" as bytea;
create domain public."application/vnd.note+json" as json;
create domain public."*/*" as bytea;
create domain public."a/b c" as text;
create function public.page() returns "text/html" language sql as $$ select '<p>"é"</p>' $$;
create function public.plain(t text) returns "text/plain" language sql as 'select t';
create function public.picture() returns "image/png" language sql as
    $$ select '\\x00ff89'::bytea $$;
create function public.note() returns "application/vnd.note+json" language sql as
    $$ select '{"a": 1}'::json $$;
create function public.anything() returns "*/*" language plpgsql as $$
begin
    if current_setting('request.headers')::json ->> 'x-type' is not null then
        perform set_config('response.headers', '[{"content-type": "app/x"}]', true);
    end if;
    return 'raw';
end $$;
create function public.odd() returns "a/b c" language sql as $$ select 'odd' $$;
"""
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
async def media(database: Database) -> AsyncIterator[Api]:
    with database.connect() as connection:
        connection.execute(SCHEMA.encode())
    async for ready in serve(database, rest={"db_plan_enabled": "true"}):
        yield ready


def kind(name: str) -> dict[str, str | None]:
    return {"content-type": name}


async def test_a_function_answers_in_the_type_of_its_domain(media: Api) -> None:
    text = "text/plain; charset=utf-8"
    json = "application/json; charset=utf-8"
    page = '<p>"é"</p>'
    await check(
        media,
        [
            Case(url="/rpc/page", accept=BROWSER, text=page, expect=kind("text/html")),
            Case(url="/rpc/page", accept="*/*", body=page, expect=kind(json)),
            Case(url="/rpc/page", accept="application/json", body=page, expect=kind(json)),
            Case(url="/rpc/page", accept="image/png", status=406, code="PGRST107"),
            Case(url="/rpc/plain?t=x%0Ay", accept="text/plain", text="x\ny", expect=kind(text)),
            Case(
                url="/rpc/plain",
                method="POST",
                send={"t": None},
                accept="text/plain",
                text="",
                expect=kind(text),
            ),
            Case(
                url="/rpc/note",
                accept="application/vnd.note+json",
                body={"a": 1},
                expect=kind("application/vnd.note+json"),
            ),
            Case(
                url="/rpc/anything",
                accept="app/bingo",
                text="raw",
                expect=kind("application/octet-stream"),
            ),
            Case(url="/rpc/anything", headers={"x-type": "1"}, text="raw", expect=kind("app/x")),
            Case(url="/rpc/odd", accept="a/b c", status=406),
            Case(url="/rpc/odd", body="odd", expect=kind(json)),
            Case(url="/rpc/page", accept="application/vnd.pgrst.plan+json"),
        ],
    )


async def test_bytes_arrive_as_bytes(media: Api) -> None:
    answer = await media.get("/rpc/picture", accept="image/png")
    assert (answer.content, answer.headers["content-type"]) == (b"\x00\xff\x89", "image/png")
    assert answer.headers["content-length"] == "3"
    head = await media.ask("HEAD", "/rpc/picture", accept="image/*, image/png")
    assert (head.status_code, head.content, head.headers["content-type"]) == (200, b"", "image/png")


AGGREGATES = """
create domain public."text/x-lines" as text;
create domain public."text/csv" as text;
create domain public."application/json" as json;
create domain public."pg/row" as text;
create table public.city (id int primary key, name text);
create table public.road (id int primary key, city_id int references public.city, width int);
create table public.number (val int);
create view public.city_view as select * from public.city;
insert into public.city values (1, 'Riga'), (2, 'Oslo');
insert into public.road values (1, 1, 7);
insert into public.number values (1), (2);
create function public.cities() returns setof public.city language sql stable as
    'select * from public.city order by id';
create function public.words() returns setof text language sql as
    $$ values ('a'), ('b') $$;

create function public.add_line(state text, c public.city) returns "text/x-lines"
    language sql as $$ select (state || c.id || '=' || c.name || E'\n')::"text/x-lines" $$;
create aggregate public.lines (public.city)
    (stype = "text/x-lines", initcond = '', sfunc = public.add_line);

create function public.csv_add(state text, c public.city) returns "text/csv" language sql as
    $$ select (state || c.name || E'\n')::"text/csv" $$;
create function public.csv_end(state "text/csv") returns "text/csv" language plpgsql as $$
begin
    perform set_config('response.headers', '[{"Content-Disposition": "attachment"}]', true);
    return state;
end $$;
create aggregate public.csv (public.city)
    (stype = "text/csv", initcond = 'city\n', sfunc = public.csv_add, finalfunc = public.csv_end);

create function public.keep(state "application/json", r public.road) returns "application/json"
    language sql as 'select state';
create aggregate public.own_json (public.road)
    (stype = "application/json", initcond = '{"own": true}', sfunc = public.keep);

create function public.row_add(state text, r anyelement) returns "pg/row" language sql as
    $$ select (state || r::text || ';')::"pg/row" $$;
create aggregate public.rows_out (anyelement)
    (stype = "pg/row", initcond = '', sfunc = public.row_add);

create function public.bits(state "*/*", n public.number) returns "*/*" language sql as
    $$ select (state || decode(lpad(to_hex(n.val), 2, '0'), 'hex'))::"*/*" $$;
create function public.bits_end(state "*/*") returns "*/*" language plpgsql as $$
begin
    if current_setting('request.headers')::json ->> 'accept' = 'magic/number' then
        perform set_config('response.headers', '[{"content-type": "magic/number"}]', true);
    end if;
    return state || '\\xff'::bytea;
end $$;
create aggregate public.any_bits (public.number)
    (stype = "*/*", initcond = '', sfunc = public.bits, finalfunc = public.bits_end);
grant all on all tables in schema public to anon;
"""


@pytest.fixture
async def made(database: Database) -> AsyncIterator[Api]:
    with database.connect() as connection:
        connection.execute(SCHEMA.encode() + AGGREGATES.encode())
    async for ready in serve(database, rest={"db_plan_enabled": "true"}):
        yield ready


async def test_aggregates_make_the_answer_of_the_rows_they_are_for(made: Api) -> None:
    lines, row, json = "text/x-lines", "pg/row", "application/json; charset=utf-8"
    both = "1=Riga\n2=Oslo\n"
    await check(
        made,
        [
            Case(url="/city", accept=lines, text=both, expect=kind(lines)),
            Case(url="/city?id=eq.2", accept=lines, text="2=Oslo\n"),
            Case(url="/city?id=eq.7", accept=lines, text=""),
            Case(url="/city?select=*", accept=f"{lines};q=0.5, image/png", text=both),
            Case(url="/rpc/cities", accept=lines, text=both, expect=kind(lines)),
            Case(url="/rpc/cities?limit=1", accept=lines, text="1=Riga\n"),
            Case(
                url="/city?id=eq.1",
                method="PATCH",
                send={"name": "Roma"},
                prefer="return=representation",
                accept=lines,
                text="1=Roma\n",
                expect=kind(lines),
            ),
            Case(
                url="/city?id=eq.1",
                method="PATCH",
                send={"name": "Riga"},
                accept=lines,
                status=204,
                expect={"content-type": None},
            ),
            Case(url="/city", method="HEAD", accept=lines, text="", expect=kind(lines)),
            *(
                Case(url=f"/city?select={select}", accept=lines, status=406, code="PGRST107")
                for select in ("id,name", "id", "*,road(id)", "name,id")
            ),
            Case(url="/city_view", accept=lines, status=406, code="PGRST107"),
            Case(url="/road", accept=lines, status=406, code="PGRST107"),
            Case(url="/road", accept="application/json", text='{"own": true}', expect=kind(json)),
            Case(url="/road", accept="*/*", body=[{"id": 1, "city_id": 1, "width": 7}]),
            Case(url="/road?select=id", accept="application/json", body=[{"id": 1}]),
            Case(
                url="/road?id=eq.1",
                accept="application/vnd.pgrst.object",
                body={"id": 1, "city_id": 1, "width": 7},
            ),
            Case(
                url="/city?order=id",
                accept="text/csv",
                text="city\nRiga\nOslo\n",
                expect={**kind("text/csv; charset=utf-8"), "content-disposition": "attachment"},
            ),
            Case(url="/road", accept="text/csv", text="id,city_id,width\n1,1,7"),
            Case(url="/city?order=id", accept=row, text="(1,Riga);(2,Oslo);", expect=kind(row)),
            Case(url="/city?select=name&order=id.desc", accept=row, text="(Oslo);(Riga);"),
            Case(url="/rpc/words", accept=row, text="a;b;", expect=kind(row)),
            Case(
                url="/city?select=id,road(width)&id=eq.1",
                accept=row,
                text='(1,"[{""width"": 7}]");',
            ),
            Case(url="/city", accept=f'application/vnd.pgrst.plan; for="{lines}"'),
            Case(url="/road", accept=f'application/vnd.pgrst.plan; for="{lines}"', status=406),
        ],
    )


async def test_a_handler_of_any_type_names_the_type_itself(made: Api) -> None:
    octets = "application/octet-stream"
    for accept, wanted in (("*/*", octets), ("magic/number", "magic/number"), ("a/b", octets)):
        answer = await made.get("/number", accept=accept)
        assert (answer.status_code, answer.content) == (200, b"\x01\x02\xff")
        assert answer.headers["content-type"] == wanted
    assert (await made.get("/number?select=val", accept="*/*")).json() == [{"val": 1}, {"val": 2}]
    assert (await made.get("/number?select=val", accept="magic/number")).status_code == 406


async def test_geojson_is_made_by_the_function_of_postgis(made: Api) -> None:
    geo = "application/geo+json"
    answer = await made.get("/city", accept=geo)
    assert (answer.status_code, answer.json()["code"]) == (404, "42883")
    with made.database.connect() as connection:
        # PostGIS is no part of the embedded Postgres: a function of its signature in its place.
        connection.execute(
            "create function extensions.st_asgeojson(record) returns text language plpgsql as"
            " $$ begin return json_build_object('type', 'Feature', 'properties',"
            " to_json($1)); end $$"
        )
    answer = await made.get("/city?select=name&id=eq.1", accept=geo)
    assert answer.headers["content-type"] == f"{geo}; charset=utf-8"
    feature = {"type": "Feature", "properties": {"name": "Riga"}}
    assert answer.json() == {"type": "FeatureCollection", "features": [feature]}
    assert (await made.get("/city?id=eq.9", accept=geo)).json()["features"] == []
