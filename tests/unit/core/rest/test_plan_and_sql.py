"""Plans and statements over a schema cache written by hand: no database."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gavan.core.rest.config import RestConfig, overlay
from gavan.core.rest.errors import RestError
from gavan.core.rest.parse.body import Payload, call_payload, table_payload
from gavan.core.rest.plan.build import Snapshot, build_plan
from gavan.core.rest.plan.model import CallPlan, MutatePlan, ReadPlan
from gavan.core.rest.relationships import ForeignKey, build_relationships
from gavan.core.rest.request import Headers, read_request
from gavan.core.rest.schema_cache import (
    Cardinality,
    Column,
    Name,
    Parameter,
    Relationship,
    Returns,
    Routine,
    SchemaCache,
    Table,
)
from gavan.core.rest.sql.statement import write_statement
from gavan.database.session import Statement


def table(name: str, *columns: str, key: tuple[str, ...] = ("id",)) -> Table:
    types = {"data": "jsonb", "words": "tsvector"}
    made = [
        Column(name=item, type=types.get(item, "text"), base_type=types.get(item, "text"))
        for item in columns
    ]
    return Table(
        name=Name("api", name), columns={item.name: item for item in made}, primary_key=key
    )


TABLES = {
    item.name: item
    for item in (
        table("client", "id", "name"),
        table("project", "id", "name", "client_id", "data", "words"),
        table("tag", "id", "name"),
        table("project_tag", "project_id", "tag_id", key=("project_id", "tag_id")),
    )
}
KEYS = [
    ForeignKey(
        constraint=constraint,
        table=Name("api", near),
        foreign=Name("api", far),
        columns=((column, "id"),),
        one_to_one=False,
    )
    for constraint, near, column, far in (
        ("project_client_fk", "project", "client_id", "client"),
        ("pt_project_fk", "project_tag", "project_id", "project"),
        ("pt_tag_fk", "project_tag", "tag_id", "tag"),
    )
]
ADD = Routine(
    name=Name("api", "add"),
    parameters=(
        Parameter(name="a", type="integer", required=True),
        Parameter(name="b", type="integer", required=False),
    ),
    returns=Returns.SCALAR,
    returns_set=False,
    volatility="i",
)
SNAPSHOT = Snapshot(
    RestConfig(schemas=("api",), max_rows=100),
    SchemaCache(
        tables=TABLES,
        relationships=build_relationships(TABLES, KEYS, (), {}, ("api",)),
        routines={ADD.name: (ADD,)},
    ),
)


def statement_of(url: str, method: str = "GET", body: bytes = b"", **headers: str) -> Statement:
    path, _, query = url.partition("?")
    scope: dict[str, Any] = {
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [],
    }
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    request = read_request(scope, Headers(raw), SNAPSHOT.config)
    payload: Payload | None = None
    if request.has_body:
        read = call_payload if request.is_routine else table_payload
        payload = read(body, request.content_type, request.params.columns)
    plan = build_plan(request, payload, SNAPSHOT)
    assert isinstance(plan, ReadPlan | MutatePlan | CallPlan)
    return write_statement(plan)


def inner(statement: Statement) -> str:
    found = re.search(r"FROM \((.*)\) AS pgrst_rows$", statement.text)
    assert found is not None
    return found[1]


def test_a_filter_is_a_parameter_on_a_quoted_column() -> None:
    statement = statement_of("/client?name=eq.x&limit=5")
    assert inner(statement) == (
        'SELECT "client".* FROM "api"."client" AS "client" WHERE "client"."name" = $1 LIMIT $2'
    )
    assert statement.params == (b"x", b"5")


def test_max_rows_bounds_every_level() -> None:
    statement = statement_of("/client?select=id,project(id)&project.limit=1000")
    assert statement.params == (b"100", b"100")


def test_lists_of_any_length_give_one_text() -> None:
    short = statement_of("/client?id=in.(1)")
    long = statement_of("/client?id=in.(1,2,3)")
    assert short.text == long.text
    assert long.params[0] == b'{"1","2","3"}'


def test_an_embed_is_a_lateral_join() -> None:
    text = inner(statement_of("/project?select=id,client(name)"))
    assert text.startswith(
        'SELECT "project"."id", row_to_json("project_client_1".*)::jsonb AS "client" '
        'FROM "api"."project" AS "project" LEFT JOIN LATERAL (SELECT "client_1"."name" '
        'FROM "api"."client" AS "client_1" WHERE "client_1"."id" = "project"."client_id"'
    )


def test_a_junction_gives_many_to_many_both_ways() -> None:
    found = SNAPSHOT.cache.relationships[Name("api", "tag")]
    kinds = {
        (item.foreign.name, item.cardinality) for item in found if isinstance(item, Relationship)
    }
    assert kinds == {
        ("project_tag", Cardinality.ONE_TO_MANY),
        ("project", Cardinality.MANY_TO_MANY),
    }
    text = inner(statement_of("/tag?select=project(id)"))
    assert '"api"."project_tag" AS "project_1_junction"' in text
    assert '"project_1_junction"."tag_id" = "tag"."id"' in text


def test_text_search_wraps_known_columns_that_are_no_tsvector() -> None:
    assert "to_tsvector(" in statement_of("/project?name=fts.x").text
    assert "to_tsvector(" not in statement_of("/project?words=fts.x").text
    assert "to_tsvector(" not in statement_of("/project?computed=fts.x").text


def test_arrows_on_json_use_the_column_itself() -> None:
    assert 'to_jsonb("project"."name")->$1' in statement_of("/project?name->k=eq.1").text
    assert '"project"."data"->$1' in statement_of("/project?data->k=eq.1").text


def test_counts_ask_exists_instead_of_joining() -> None:
    statement = statement_of("/client?select=id,project!inner(id)&limit=1", prefer="count=exact")
    assert (
        '(SELECT count(*) FROM (SELECT 1 FROM "api"."client" AS "client" WHERE EXISTS (SELECT 1'
        ' FROM "api"."project" AS "project_1" WHERE "project_1"."client_id" = "client"."id"))'
        " AS pgrst_count)" in statement.text
    )


def test_minimal_writes_return_no_columns() -> None:
    statement = statement_of("/client?select=nope", "POST", b'{"id": 1}')
    assert statement.text.startswith(
        'WITH pgrst_source AS (INSERT INTO "api"."client" AS "client" ("id")'
        ' SELECT pgrst_body."id" FROM json_to_record($1::json) AS pgrst_body("id" text)'
        " RETURNING 1)"
    )


def test_a_representation_returns_what_embeds_join_on() -> None:
    text = statement_of(
        "/project?select=name,client(name)", "POST", b'{"id": 1}', prefer="return=representation"
    ).text
    assert 'RETURNING "project"."name", "project"."client_id", "project"."id"' in text


def test_a_call_names_its_arguments() -> None:
    statement = statement_of("/rpc/add?a=1")
    assert '"api"."add"("a" := $1::integer)' in statement.text
    assert statement.params[0] == b"1"


def test_an_update_of_everything_is_refused() -> None:
    for method, body in (("PATCH", b'{"name": "x"}'), ("DELETE", b"")):
        with pytest.raises(RestError) as caught:
            statement_of("/client", method, body)
        assert (caught.value.code, caught.value.status) == ("21000", 400)


def test_settings_of_the_database_overlay_the_own() -> None:
    base = SNAPSHOT.config
    changed = overlay(
        base,
        {
            "db_max_rows": "7",
            "db_schemas": "a, b",
            "db_tx_end": "nonsense",
            "other": "x",
        },
    )
    assert (changed.max_rows, changed.schemas, changed.tx_end) == (7, ("a", "b"), "commit")


VALUE = "v4lu3'\"; drop table client; --"


@pytest.mark.parametrize(
    "place",
    [
        "/client?id=eq.{}",
        "/client?id=like.{}",
        "/client?id=in.({})",
        "/client?name=fts.{}",
        '/client?or=(id.eq."x",name.eq.{})',
        "/rpc/add?a={}",
    ],
)
def test_a_value_never_reaches_the_text(place: str) -> None:
    statement = statement_of(place.format(quote(VALUE)))
    assert "v4lu3" not in statement.text
    assert any(value is not None and b"v4lu3" in value for value in statement.params)


NAME = "N@m3"
LITERALS = re.compile(r"\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'")


@settings(deadline=None)
@given(
    st.text(max_size=12),
    st.sampled_from(
        [
            '/client?select="{}"',
            '/client?select="{}":id',
            '/client?"{}"=eq.1',
            '/client?order="{}"',
            '/client?select=id,x:project(id)&x."{}"=eq.1',
            '/project?data->"{}"=eq.1',
            '/client?or=("{}".eq.1)',
        ]
    ),
)
def test_a_name_only_ever_stands_in_quotes(noise: str, place: str) -> None:
    escaped = (NAME + noise).replace("\\", "\\\\").replace('"', '\\"')
    url = place.format(escaped.replace("\x00", ""))
    path, _, query = url.partition("?")
    pairs = (part.partition("=") for part in [query] if part)
    encoded = "&".join(
        f"{quote(key, safe='')}={quote(value, safe='=&.()')}" for key, _, value in pairs
    )
    try:
        text = statement_of(f"{path}?{encoded}").text
    except RestError as error:
        assert error.status == 400
        return
    # Whatever is left once quoted names and literals are taken out holds nothing of the client's.
    assert NAME not in LITERALS.sub("", text)
