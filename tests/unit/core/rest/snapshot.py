"""A schema cache written by hand, and the way of one request through the stages: no database."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from gavan.core.rest.config import RestConfig
from gavan.core.rest.parse.body import Payload, call_payload, table_payload
from gavan.core.rest.plan.build import Snapshot, build_plan
from gavan.core.rest.plan.model import CallPlan, MutatePlan, Plan, ReadPlan
from gavan.core.rest.relationships import ForeignKey, build_relationships
from gavan.core.rest.request import Headers, read_request
from gavan.core.rest.schema_cache import (
    Column,
    ComputedRelationship,
    Media,
    Name,
    Parameter,
    Representation,
    Returns,
    Routine,
    SchemaCache,
    Table,
)
from gavan.core.rest.sql.statement import write_statement
from gavan.database.session import Statement

TYPES = {"data": "jsonb", "words": "tsvector", "id": "integer", "tags": "text[]"}
DEFAULTS = {"made": "now()"}
API = "api"


def table(name: str, *columns: str, key: tuple[str, ...] = ("id",), is_view: bool = False) -> Table:
    made = [
        Column(
            name=item,
            type=TYPES.get(item, "text"),
            base_type=TYPES.get(item, "text"),
            default=DEFAULTS.get(item),
        )
        for item in columns
    ]
    return Table(
        name=Name(API, name),
        columns={item.name: item for item in made},
        primary_key=key,
        is_view=is_view,
    )


TABLES = {
    item.name: item
    for item in (
        table("client", "id", "name", "made"),
        table("project", "id", "name", "client_id", "data", "words", "tags"),
        table("tag", "id", "name"),
        table("project_tag", "project_id", "tag_id", key=("project_id", "tag_id")),
        table("person", "id", "name", "boss_id"),
        table("passport", "person_id", "number", key=("person_id",)),
        table("shipment", "id", "sender_id", "receiver_id"),
        table("project_view", "id", "title", "client_id", is_view=True),
        table("keyless", "name", key=()),
        table("pair", "a", "b", "note", key=("a", "b")),
        table("film", "id", "name"),
        table("actor", "id", "name"),
        table("role", "film_id", "actor_id", key=("film_id", "actor_id")),
        table("cameo", "film_id", "actor_id", key=("film_id", "actor_id")),
    )
}
LOOK = Representation(
    to_json=Name("looks", "shown"), from_json=Name("looks", "read"), from_text=Name("looks", "said")
)
TABLES[Name(API, "paint")] = replace(table("paint", "id", "colour"), represented={"colour": LOOK})
MEDIAS = {
    Name(API, "client"): {
        "text/x-lines": Media("text/x-lines", False, Name(API, "lines"), Name(API, "client"))
    },
    None: {"x/bits": Media("x/bits", True, Name(API, "bits"))},
}
KEYS = [
    ForeignKey(
        constraint=constraint,
        table=Name(API, near),
        foreign=Name(API, far),
        columns=((column, "id"),),
        one_to_one=near == "passport",
    )
    for constraint, near, column, far in (
        ("project_client_fk", "project", "client_id", "client"),
        ("pt_project_fk", "project_tag", "project_id", "project"),
        ("pt_tag_fk", "project_tag", "tag_id", "tag"),
        ("person_boss_fk", "person", "boss_id", "person"),
        ("passport_person_fk", "passport", "person_id", "person"),
        ("shipment_sender_fk", "shipment", "sender_id", "person"),
        ("shipment_receiver_fk", "shipment", "receiver_id", "person"),
        ("role_film_fk", "role", "film_id", "film"),
        ("role_actor_fk", "role", "actor_id", "actor"),
        ("cameo_film_fk", "cameo", "film_id", "film"),
        ("cameo_actor_fk", "cameo", "actor_id", "actor"),
    )
]
SHOWN = {
    (Name(API, "project"), column): {Name(API, "project_view"): [name]}
    for column, name in (("id", "id"), ("name", "title"), ("client_id", "client_id"))
}
COMPUTED = [
    ComputedRelationship(
        table=Name(API, "client"),
        foreign=Name(API, "project"),
        function=Name(API, "biggest"),
        to_one=True,
    )
]


def routine(
    name: str,
    *parameters: Parameter,
    returns: Returns = Returns.SCALAR,
    many: bool = False,
    volatility: str = "i",
    relation: str | None = None,
) -> Routine:
    return Routine(
        name=Name(API, name),
        parameters=parameters,
        returns=returns,
        returns_set=many,
        volatility=volatility,
        relation=Name(API, relation) if relation else None,
    )


def parameter(name: str, kind: str, *, required: bool = True, variadic: bool = False) -> Parameter:
    return Parameter(name=name, type=kind, required=required, variadic=variadic)


ROUTINES = (
    routine("add", parameter("a", "integer"), parameter("b", "integer", required=False)),
    routine("over", parameter("a", "integer")),
    routine("over", parameter("a", "text")),
    routine("joined", parameter("parts", "text[]", variadic=True)),
    routine("echo", parameter("", "json")),
    routine("blob", parameter("", "bytea")),
    routine("nothing", returns=Returns.VOID, volatility="v"),
    routine("numbers", many=True),
    routine(
        "projects_of",
        parameter("client", "integer"),
        returns=Returns.COMPOSITE,
        many=True,
        volatility="s",
        relation="project",
    ),
    routine("one_project", returns=Returns.COMPOSITE, volatility="s", relation="project"),
)
CACHE = SchemaCache(
    tables=TABLES,
    relationships=build_relationships(TABLES, KEYS, COMPUTED, SHOWN, (API,)),
    routines={
        item.name: tuple(other for other in ROUTINES if other.name == item.name)
        for item in ROUTINES
    },
    medias=MEDIAS,
)
SNAPSHOT = Snapshot(RestConfig(schemas=(API,), max_rows=100, plans=True, aggregates=True), CACHE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request as a case writes it."""

    method: str = "GET"
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"")


def plan_of(ask: Ask, snapshot: Snapshot = SNAPSHOT) -> Plan:
    """Return what is planned; raise the RestError of the first failing stage."""
    path, _, query = ask.url.partition("?")
    scope: dict[str, Any] = {
        "method": ask.method,
        "path": path,
        "query_string": query.encode(),
        "headers": [],
    }
    raw = [(name.encode(), value.encode()) for name, value in ask.headers]
    request = read_request(scope, Headers(raw), snapshot.config)
    payload: Payload | None = None
    if request.has_body:
        read = call_payload if request.is_routine else table_payload
        payload = read(ask.body, request.content_type, request.params.columns)
    return build_plan(request, payload, snapshot)


def statement_of(url: str, method: str = "GET", body: bytes = b"", **headers: str) -> Statement:
    """Return the statement of a request that has one."""
    asked = Ask(method=method, url=url, headers=tuple(headers.items()), body=body)
    plan = plan_of(asked)
    assert isinstance(plan, ReadPlan | MutatePlan | CallPlan)
    return write_statement(plan)
