"""The root document: what it says of relations and functions, and to whom."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.conftest import Database
from tests.integration.core.rest.cases import Case, check
from tests.integration.core.rest.conftest import Api, serve, token_of

SCHEMA = """
create schema shop;
create table shop.item (id int primary key, name text not null, tags text[]);
comment on table shop.item is E'Things for sale\n\nOne row per thing.';
comment on column shop.item.name is 'What it is called';
comment on schema shop is E'The shop\n\nIts shelves.';
create table shop.offer (
    id serial primary key,
    item_id int unique references shop.item,
    code char(3) default 'abc',
    price numeric default 1.5,
    open boolean default true,
    since date default '2026-01-01',
    made timestamptz default now()
);
create table shop.hidden (id int);
create table shop.partly (a int, b int);
create view shop.names as select distinct name from shop.item;
create function shop.sum(a int, variadic b int[]) returns int stable language sql as 'select 1';
create function shop.wipe(j json, t int[] default '{}') returns void language sql as '';
revoke execute on function shop.wipe from public;
grant usage on schema shop to anon, authenticated;
grant select on shop.item, shop.names to anon;
grant select (a) on shop.partly to anon;
grant all on all tables in schema shop to authenticated;
grant execute on function shop.wipe to authenticated;
"""


@pytest.fixture
async def shop(database: Database) -> AsyncIterator[Api]:
    with database.connect() as connection:
        connection.execute(SCHEMA.encode())
    async for ready in serve(database, schemas=("shop",)):
        yield ready


def references(operation: Any) -> list[str]:
    return [item["$ref"].removeprefix("#/parameters/") for item in operation["parameters"]]


async def test_every_reference_leads_somewhere_and_paths_name_their_parameters(shop: Api) -> None:
    document = (await shop.get("/", token=token_of("authenticated"))).json()
    item = document["paths"]["/item"]
    filters = ["rowFilter.item.id", "rowFilter.item.name", "rowFilter.item.tags"]
    paging = ["select", "order", "range", "rangeUnit", "offset", "limit", "preferCount"]
    assert references(item["get"]) == [*filters, *paging]
    assert references(item["post"]) == ["body.item", "select", "preferPost"]
    assert references(item["patch"]) == [*filters, "body.item", "preferReturn"]
    assert references(item["delete"]) == [*filters, "preferReturn"]
    assert item["get"]["responses"]["200"]["schema"]["items"] == {"$ref": "#/definitions/item"}
    assert (item["get"]["summary"], item["get"]["description"]) == (
        "Things for sale",
        "One row per thing.",
    )
    assert set(document["paths"]["/names"]) == {"get"}
    for path in document["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", ()):
                name = parameter.get("$ref", "").removeprefix("#/parameters/")
                assert not name or name in document["parameters"]
    assert document["parameters"]["rowFilter.item.name"]["description"] == "What it is called"
    assert document["parameters"]["body.item"]["schema"] == {"$ref": "#/definitions/item"}
    tags = document["definitions"]["item"]["properties"]["tags"]
    assert tags == {"format": "text[]", "type": "array", "items": {"type": "string"}}
    assert (document["host"], document["basePath"]) == ("127.0.0.1:54321", "/rest/v1")


async def test_columns_tell_their_format_default_and_key(shop: Api) -> None:
    document = (await shop.get("/", token=token_of("authenticated"))).json()
    assert (document["info"]["title"], document["info"]["description"]) == (
        "The shop",
        "Its shelves.",
    )
    offer = document["definitions"]["offer"]["properties"]
    assert offer["item_id"] == {
        "format": "int32",
        "type": "integer",
        "description": "Note:\nThis is a Foreign Key to `item.id`.<fk table='item' column='id'/>",
    }
    assert offer["code"] == {
        "format": "character",
        "type": "string",
        "default": "abc",
        "maxLength": 3,
    }
    # Only Postgres can tell the next number: no default at all, rather than text for a number.
    assert "default" not in offer["id"]
    shown = {name: column.get("default") for name, column in offer.items()}
    del shown["id"], shown["item_id"], shown["code"]
    assert shown == {"price": 1.5, "open": True, "since": "2026-01-01", "made": "now()"}
    # The other side of a one-to-one key has no key of its own.
    assert "Foreign Key" not in str(document["definitions"]["item"])


async def test_functions_tell_their_arguments(shop: Api) -> None:
    paths = (await shop.get("/", token=token_of("authenticated"))).json()["paths"]
    one, many = paths["/rpc/sum"]["get"]["parameters"]
    assert one == {
        "name": "a",
        "in": "query",
        "required": True,
        "type": "integer",
        "format": "int32",
    }
    assert (many["collectionFormat"], many["items"]["type"]) == ("multi", "integer")
    assert set(paths["/rpc/wipe"]) == {"post"}
    body, _ = paths["/rpc/wipe"]["post"]["parameters"]
    assert body["schema"]["required"] == ["j"]
    assert body["schema"]["properties"]["j"] == {"format": "json"}


async def test_a_role_sees_what_it_may_touch(shop: Api) -> None:
    document = (await shop.get("/")).json()
    assert set(document["paths"]) == {"/", "/item", "/names", "/partly", "/rpc/sum"}
    assert set(document["definitions"]) == {"item", "names", "partly"}
    document = (await shop.get("/", token=token_of("authenticated"))).json()
    assert {"/hidden", "/rpc/wipe"} <= set(document["paths"])


async def test_the_root_may_show_everything_or_nothing(database: Database) -> None:
    with database.connect() as connection:
        connection.execute(SCHEMA.encode())
    everything = {"openapi_mode": "ignore-privileges", "openapi_server_proxy_uri": "https://a.b/c"}
    async for api in serve(database, schemas=("shop",), rest=everything):
        document = (await api.get("/")).json()
        assert {"/hidden", "/rpc/wipe"} <= set(document["paths"])
        place = (document["schemes"], document["host"], document["basePath"])
        assert place == (["https"], "a.b", "/c")
    async for api in serve(database, schemas=("shop",), rest={"openapi_mode": "disabled"}):
        await check(
            api,
            [
                Case(url="/", status=404, code="PGRST126"),
                Case(url="/item?select=id", body=[]),
            ],
        )
