"""Pure parts around the catalogue: view rules, suggestions, statuses, bodies."""

from __future__ import annotations

import pytest

from gavan.core.rest.database_errors import database_error, status_of
from gavan.core.rest.errors import RestError
from gavan.core.rest.parse import accept
from gavan.core.rest.parse.accept import MediaType, parse_accept
from gavan.core.rest.parse.body import Payload, call_payload, table_payload
from gavan.core.rest.plan.negotiate import Offer, negotiate
from gavan.core.rest.relationships import ForeignKey, build_relationships
from gavan.core.rest.schema_cache import Name, Relationship, Table
from gavan.core.rest.suggest import closest
from gavan.core.rest.view_keys import Origin, shown_columns, target_origins, view_columns
from gavan.database.session import DatabaseError

RULE = (
    "({QUERY :commandType 1 :cteList ({COMMONTABLEEXPR :ctequery {QUERY :targetList"
    " ({TARGETENTRY :expr {VAR :varno 1} :resno 1 :resname x :resorigtbl 900 :resorigcol 9"
    " :resjunk false})}}) :rtable ({RANGETBLENTRY :alias <> :subquery {QUERY :targetList"
    " ({TARGETENTRY :resno 1 :resname y :resorigtbl 901 :resorigcol 8})}}) :targetList"
    " ({TARGETENTRY :expr {FUNCEXPR :args ({VAR :varno 1} {CONST :constvalue 4 [ 1 0 ]})} :resno 1"
    " :resname odd\\ \\{name :ressortgroupref 0 :resorigtbl 0 :resorigcol 0 :resjunk false}"
    " {TARGETENTRY :expr {VAR :varno 2} :resno 2 :resname id :resorigtbl 100 :resorigcol 1"
    " :resjunk false}) :override 0 :returningList <>})"
)


def test_only_the_outermost_list_of_a_rule_counts() -> None:
    assert target_origins(RULE) == {2: Origin(100, 1)}


def test_a_view_of_a_view_is_traced_to_its_table() -> None:
    lower = "({QUERY :targetList ({TARGETENTRY :resno 1 :resorigtbl 100 :resorigcol 1})})"
    upper = "({QUERY :targetList ({TARGETENTRY :resno 1 :resorigtbl 200 :resorigcol 1})})"
    views = view_columns(
        [
            {"oid": 200, "schema": "s", "name": "lower", "columns": {"1": "a"}, "rule": lower},
            {"oid": 300, "schema": "s", "name": "upper", "columns": {"1": "b"}, "rule": upper},
        ]
    )
    keyed = [
        {"oid": 100, "schema": "s", "name": "t", "columns": {"1": "id"}, "primary_key": ["id"]}
    ]
    assert shown_columns(views, keyed) == {
        (Name("s", "t"), "id"): {Name("s", "lower"): ["a"], Name("s", "upper"): ["b"]}
    }


def key(name: str, table: Name, column: str, foreign: Name) -> ForeignKey:
    return ForeignKey(
        constraint=name, table=table, foreign=foreign, columns=((column, "id"),), one_to_one=False
    )


def test_keys_both_ways_are_listed_with_the_many_first() -> None:
    agent, office = Name("s", "agent"), Name("s", "office")
    keys = [key("a_works", agent, "office_id", office), key("o_head", office, "head_id", agent)]
    found = build_relationships({}, keys, (), {}, ("s",))
    names = [item.constraint for item in found[agent] if isinstance(item, Relationship)]
    assert names == ["o_head", "a_works"]


def test_a_table_whose_only_ways_are_hidden_is_still_an_origin() -> None:
    one, two, hidden = Name("s", "one"), Name("s", "two"), Name("private", "both")
    keys = [key("to_one", hidden, "one_id", one), key("to_two", hidden, "two_id", two)]
    both = Table(name=hidden, columns={}, primary_key=("one_id", "two_id"))
    found = build_relationships({hidden: both}, keys, (), {}, ("s",))
    # Otherwise the hint of a failed embed would be about the origin instead of the target.
    assert found == {one: (), two: ()}


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ("application/json", "application/json"),
        ("application/vnd.pgrst.object", "application/vnd.pgrst.object+json"),
        (
            "application/vnd.pgrst.object+json;nulls=stripped",
            "application/vnd.pgrst.object+json;nulls=stripped",
        ),
    ],
)
def test_a_plan_says_in_full_what_it_is_for(wanted: str, shown: str) -> None:
    asked = parse_accept(f'application/vnd.pgrst.plan+json; for="{wanted}"')
    found = negotiate(asked, Offer(plans=True))
    assert found.content_type == (f'application/vnd.pgrst.plan+json; for="{shown}"; charset=utf-8')


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("car_model_sales_2021", None),
        ("projectx", "projects"),
        ("projecxx", "projects"),
        ("projxxxx", None),
        ("", None),
    ],
)
def test_a_near_name_is_suggested_and_a_far_one_is_not(wrong: str, right: str | None) -> None:
    assert closest(wrong, {"projects", "clients", "users"}, 0.75) == right


def test_parameter_lists_are_suggested_generously() -> None:
    lists = {"(name, param, val)", "(attr, id)"}
    assert closest("(nam, pqaram, vall)", lists, 0.33) == "(name, param, val)"
    assert closest("(attrs, id)", lists, 0.33) == "(attr, id)"
    assert closest("(noclosealternative)", lists, 0.33) is None


@pytest.mark.parametrize(
    ("sqlstate", "message", "status"),
    [
        ("23505", "", 409),
        ("22P02", "", 400),
        ("42501", "", 403),
        ("42P01", "", 404),
        ("25006", "", 405),
        ("57014", "", 500),
        ("57P01", "", 503),
        ("53400", "", 500),
        ("53300", "", 503),
        ("21000", "UPDATE requires a WHERE clause", 400),
        ("21000", "more than one row", 500),
        ("22023", 'role "x" does not exist', 401),
        ("22023", "bad", 400),
        ("PT418", "", 418),
        ("PT40A", "", 500),
        ("PT999", "", 999),
        ("PT000", "", 500),
        ("P0001", "", 400),
        ("P0002", "", 500),
        ("XX000", "", 500),
        ("99999", "", 400),
    ],
)
def test_sqlstates_have_their_status(sqlstate: str, message: str, status: int) -> None:
    assert status_of(sqlstate, message) == status


def test_an_unreachable_database_says_when_to_come_back() -> None:
    error = database_error(DatabaseError("08006", "lost"), 4, is_anonymous=True)
    assert (error.code, error.status) == ("PGRST000", 503)
    assert (b"retry-after", b"4") in error.headers


def test_a_raised_answer_cannot_break_the_header_block() -> None:
    error = DatabaseError(
        "PGRST",
        '{"code": "x", "message": "y"}',
        details='{"status": 200, "headers": {"a": "b\\r\\nc: d"}}',
    )
    assert database_error(error, 1, is_anonymous=False).code == "PGRST121"


JSON = MediaType("application/json")
ROWS = b'[{"a": 1, "b": 2}, {"b": 3, "a": 4}]'


def test_json_bodies_are_looked_at_for_their_keys_only() -> None:
    assert table_payload(ROWS, JSON, None) == Payload(raw=ROWS, keys=("a", "b"), is_array=True)
    assert table_payload(b"5", JSON, None).is_empty
    assert table_payload(b"null", JSON, None).is_empty
    unseen = table_payload(b"garbage", JSON, ("a",))
    assert unseen == Payload(raw=b"garbage", keys=("a",), is_array=True)
    assert call_payload(b"  ", JSON, None) == Payload(raw=b"{}")


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[1]", b'[{"a":1},{}]', b'[{"a":1},2]', b"[" * 100_000]
)
def test_bodies_that_are_no_rows_are_refused(raw: bytes) -> None:
    with pytest.raises(RestError) as caught:
        table_payload(raw, JSON, None)
    assert caught.value.code == "PGRST102"


def test_long_accept_headers_are_read_and_not_remembered() -> None:
    before = accept._accepted.cache_info().currsize
    long = ", ".join(f"text/x{number};q=0.{number % 9 + 1}" for number in range(200))
    assert len(parse_accept(long)) == 200
    assert accept._accepted.cache_info().currsize == before
