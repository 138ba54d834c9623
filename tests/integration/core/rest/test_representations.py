"""Domains with a look of their own: casts to json, from json and from text."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.conftest import Database
from tests.integration.core.rest.cases import Case, check
from tests.integration.core.rest.conftest import Api, serve

SCHEMA = """
create domain public.colour as int check (value >= 0);
create function public.colour(text) returns public.colour language sql immutable as
    $$ select (('x' || lpad(ltrim($1, '#'), 8, '0'))::bit(32)::int)::public.colour $$;
create function public.colour(json) returns public.colour language sql immutable as
    $$ select public.colour($1 #>> '{}') $$;
create function public.colour_out(public.colour) returns json language sql immutable as
    $$ select to_json(coalesce('#' || lpad(to_hex($1), 6, '0'), 'none')) $$;
create cast (text as public.colour) with function public.colour(text) as implicit;
create cast (json as public.colour) with function public.colour(json) as implicit;
create cast (public.colour as json) with function public.colour_out(public.colour) as implicit;

create domain public.cents as numeric(17, 2);
create function public.cents_out(public.cents) returns json language sql immutable as
    $$ select to_json($1::text) $$;
create cast (public.cents as json) with function public.cents_out(public.cents) as implicit;

create domain public.explicit as int;
create function public.explicit_out(public.explicit) returns json language sql as
    $$ select to_json('never'::text) $$;
create cast (public.explicit as json) with function public.explicit_out(public.explicit);

create table public.label (
    id int primary key, name text, colour public.colour default 0, price public.cents,
    plain public.explicit default 1
);
create table public.thing (
    id int primary key, label_id int references public.label, paint public.colour
);
create view public.label_view as
    select id, colour, (colour / 2)::public.colour as dark from public.label;
create function public.labels() returns setof public.label language sql stable as
    'select * from public.label';
create function public.paint(c public.colour) returns int language sql as 'select c::int';
insert into public.label values
    (1, 'a', 0, 1.5), (2, 'b', 256, 100000000000.13), (3, 'c', null, null);
insert into public.thing values (1, 2, 255), (2, 1, 16);
grant all on all tables in schema public to anon;
"""


@pytest.fixture
async def shown(database: Database) -> AsyncIterator[Api]:
    with database.connect() as connection:
        connection.execute(SCHEMA.encode())
    async for ready in serve(database, rest={"db_aggregates_enabled": "true"}):
        yield ready


async def test_columns_are_shown_as_their_domain_says(shown: Api) -> None:
    first = {"id": 1, "name": "a", "colour": "#000000", "price": "1.50", "plain": 1}
    await check(
        shown,
        [
            Case(url="/label?id=eq.1", body=[first]),
            Case(url="/label?select=*&id=eq.1", body=[first]),
            Case(url="/label?select=colour,*&id=eq.1", body=[first]),
            Case(url="/label?select=c:colour&id=lt.3", body=[{"c": "#000000"}, {"c": "#000100"}]),
            Case(
                url="/label?select=colour,price&id=gt.2", body=[{"colour": "none", "price": None}]
            ),
            Case(url="/label?select=colour::text&id=eq.2", body=[{"colour": '"#000100"'}]),
            Case(url="/label?select=price&id=eq.2", body=[{"price": "100000000000.13"}]),
            Case(
                url="/label_view?id=eq.2", body=[{"id": 2, "colour": "#000100", "dark": "#000080"}]
            ),
            Case(
                url="/thing?select=paint,label(colour)&id=eq.1",
                body=[{"paint": "#0000ff", "label": {"colour": "#000100"}}],
            ),
            Case(url="/thing?select=id,label(*)&id=eq.2", body=[{"id": 2, "label": first}]),
            Case(url="/thing?select=...label(colour)&id=eq.1", body=[{"colour": "#000100"}]),
            Case(
                url="/label?select=id,...thing(paint)&id=lt.3&order=id",
                body=[{"id": 1, "paint": ["#000010"]}, {"id": 2, "paint": ["#0000ff"]}],
            ),
            Case(url="/label?select=colour.max()", body=[{"max": 256}]),
            Case(url="/rpc/labels?id=eq.1", body=[first]),
            Case(url="/rpc/labels?select=colour&colour=eq.000100", body=[{"colour": "#000100"}]),
            Case(url="/label?select=id,nope", status=400, code="42703"),
        ],
    )


async def test_values_of_filters_are_read_as_their_domain_says(shown: Api) -> None:
    two = [{"id": 2}]
    await check(
        shown,
        [
            Case(url="/label?select=id&colour=eq.%23000100", body=two),
            Case(url="/label?select=id&colour=eq.100", body=two),
            Case(url="/label?select=id&colour=neq.0", body=two),
            Case(url="/label?select=id&colour=gt.ff", body=two),
            Case(url="/label?select=id&colour=in.(100,ff)", body=two),
            Case(url="/label?select=id&colour=not.in.(0,ff)", body=two),
            Case(url="/label?select=id&colour=in.()", body=[]),
            Case(url="/label?select=id&colour=eq(any).{100,ff}", body=two),
            Case(url="/label?select=id&or=(colour.eq.100,colour.eq.ff)", body=two),
            Case(url="/label?select=id&colour=is.null", body=[{"id": 3}]),
            Case(
                url="/thing?select=id,label(id)&label.colour=eq.100&order=id",
                body=[{"id": 1, "label": {"id": 2}}, {"id": 2, "label": None}],
            ),
            Case(url="/label?select=id&colour=ilike.*1*", status=404, code="42883"),
            # Without a cast from text the value is read as the base type reads it.
            Case(url="/label?select=id&price=eq.1.5", body=[{"id": 1}]),
            Case(url="/label?select=id&price=eq.x", status=400, code="22P02"),
            Case(
                url="/label?select=id&colour=eq.100", prefer="count=exact", body=two, range="0-0/1"
            ),
        ],
    )


async def test_bodies_are_read_as_their_domain_says(shown: Api) -> None:
    back = "return=representation"
    await check(
        shown,
        [
            Case(
                url="/label",
                method="POST",
                send={"id": 5, "colour": "#001100", "price": 7},
                status=201,
                prefer=back,
                body=[{"id": 5, "name": None, "colour": "#001100", "price": "7.00", "plain": 1}],
            ),
            Case(
                url="/label?columns=id,colour&select=id,colour",
                method="POST",
                send=[{"id": 6, "colour": "#000001", "price": "no"}, {"id": 7}],
                status=201,
                prefer=f"{back},missing=default",
                body=[{"id": 6, "colour": "#000001"}, {"id": 7, "colour": "#000000"}],
            ),
            Case(
                url="/label",
                method="POST",
                send={"id": 8, "colour": "#000002"},
                status=201,
                prefer="return=headers-only",
                expect={"location": "/label?id=eq.8"},
            ),
            Case(
                url="/label?id=in.(5,6)&select=colour&order=id",
                method="PATCH",
                send={"colour": "#0000ff"},
                prefer=back,
                body=[{"colour": "#0000ff"}, {"colour": "#0000ff"}],
            ),
            Case(
                url="/label_view?colour=eq.ff&id=eq.5",
                method="PATCH",
                send={"colour": "#000020"},
                prefer=back,
                body=[{"id": 5, "colour": "#000020", "dark": "#000010"}],
            ),
            Case(
                url="/label?select=id,colour",
                method="POST",
                send=[{"id": 5, "colour": "#000009"}],
                prefer=f"{back},resolution=merge-duplicates",
                body=[{"id": 5, "colour": "#000009"}],
            ),
            Case(
                url="/label?id=eq.5&select=colour",
                method="PUT",
                send={"id": 5, "colour": "#00000a"},
                prefer=back,
                body=[{"colour": "#00000a"}],
            ),
            Case(
                url="/label?colour=eq.a&select=id", method="DELETE", prefer=back, body=[{"id": 5}]
            ),
            # Arguments are not represented: they are read as their base type.
            Case(url="/rpc/paint", method="POST", send={"c": 3}, body=3),
            Case(url="/rpc/paint", method="POST", send={"c": "#1"}, status=400, code="22P02"),
        ],
    )
