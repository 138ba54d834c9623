"""Every kind of DDL is seen by itself: the event triggers notify, the data API loads anew."""

from __future__ import annotations

from functools import partial

from tests.integration.core.rest.conftest import Api
from tests.integration.core.rest.test_reload import until

AGGREGATE = """
create aggregate made (kid) (stype = "text/x-kid", initcond = 'kids', sfunc = add_kid)
"""
PREPARED = """
create domain "text/x-kid" as text;
create domain tint as int;
create function tint_out(tint) returns json language sql immutable as
    $$ select to_json('tint ' || $1::int) $$;
create type size as enum ('small');
"""
STEPS: tuple[tuple[str, str, str], ...] = (
    # (DDL, request, what it answers once the change is seen: a status and a part of the text)
    ("create table kin (id int primary key, tint tint, size size)", "GET /kin", "200 []"),
    ("comment on table kin is 'All the kin'", "GET /", '200 "summary":"All the kin"'),
    ("alter table kin add column age int", "POST /kin?columns=age", "201 "),
    ("alter table kin drop column age", "POST /kin?columns=age", "400 PGRST204"),
    ("alter table kin rename to kith", "GET /kith", "200 []"),
    ("alter type size add value 'large'", "GET /", '200 "enum":["small","large"]'),
    ("create table kid (id int primary key, kith_id int)", "GET /kid", "200 []"),
    ("alter table kid add constraint k foreign key (kith_id) references kith",
     "GET /kid?select=kith(id)", "200 []"),
    ("alter table kid drop constraint k", "GET /kid?select=kith(id)", "400 PGRST200"),
    ("create view seen as select * from kith", "GET /seen", "200 []"),
    ("alter view seen rename to looked_at", "GET /looked_at", "200 []"),
    ("drop view looked_at", "GET /looked_at", "404 PGRST205"),
    ("create materialized view kept as select 1 as one", "GET /kept", '200 [{"one":1}]'),
    ("drop materialized view kept", "GET /kept", "404 PGRST205"),
    ("create function said() returns int language sql as 'select 1'", "GET /rpc/said", "200 1"),
    ("alter function said() rename to told", "GET /rpc/told", "200 1"),
    ("comment on function told() is 'What was told'", "GET /", '200 "What was told"'),
    ("drop function told()", "GET /rpc/told", "404 PGRST202"),
    ("insert into kith values (1, 5); create cast (tint as json) with function tint_out(tint)"
     " as implicit", "GET /kith?select=tint", '200 [{"tint":"tint 5"}]'),
    ("drop cast (tint as json)", "GET /kith?select=tint", '200 [{"tint":5}]'),
    ("drop domain tint cascade", "POST /kith?columns=tint", "400 PGRST204"),
    ("create function add_kid(text, kid) returns \"text/x-kid\" language sql as 'select $1'",
     "GET /kid text/x-kid", "406 "),
    (AGGREGATE, "GET /kid text/x-kid", "200 kids"),
    ("drop aggregate made (kid)", "GET /kid text/x-kid", "406 PGRST107"),
    ("drop table kid cascade", "GET /kid", "404 PGRST205"),
)  # fmt: skip


async def answered(api: Api, request: str, wanted: str) -> bool:
    """Whether a request has the answer that is wanted."""
    method, url, *accept = request.split(" ")
    body = b"[]" if method == "POST" else None
    answer = await api.ask(method, url, body=body, accept=accept[0] if accept else None)
    status, _, part = wanted.partition(" ")
    return answer.status_code == int(status) and part in answer.text


async def test_each_kind_of_ddl_is_seen_without_a_word(api: Api) -> None:
    with api.database.connect() as connection:
        for ddl, request, wanted in ((PREPARED, "GET /client", "200 "), *STEPS):
            connection.execute(ddl)
            try:
                await until(partial(answered, api, request, wanted))
            except TimeoutError as error:
                raise AssertionError(f"not seen: {ddl}") from error


async def test_a_grant_holds_at_once_and_needs_no_load(api: Api) -> None:
    before = api.service.watch.snapshot
    with api.database.connect() as connection:
        connection.execute("revoke select on client from anon")
        assert (await api.get("/client?limit=1")).status_code == 401
        connection.execute("grant select on client to anon")
        assert (await api.get("/client?limit=1")).status_code == 200
    assert api.service.watch.snapshot is before
