"""The grammar: what text means, and where a wrong text is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gavan.core.rest.errors import RestError
from gavan.core.rest.parse.accept import MediaType, parse_accept
from gavan.core.rest.parse.filters import parse_predicate
from gavan.core.rest.parse.logic import parse_logic
from gavan.core.rest.parse.model import (
    Field,
    Filter,
    JsonStep,
    Logic,
    OrderTerm,
    Predicate,
    RowRange,
    SelectEmbed,
    SelectField,
)
from gavan.core.rest.parse.order import parse_order
from gavan.core.rest.parse.prefer import Preferences, parse_prefer
from gavan.core.rest.parse.query import parse_query
from gavan.core.rest.parse.ranges import NO_ROWS, root_range
from gavan.core.rest.parse.select import parse_select


def plain(name: str, **more: str) -> SelectField:
    return SelectField(Field(name), **more)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("", (plain("*"),)),
        ("*", (plain("*"),)),
        ("id, name", (plain("id"), plain("name"))),
        ("nr:id::text", (plain("id", alias="nr", cast="text"),)),
        ('"a.b","q""', None),
        ('"a.b",c', (plain("a.b"), plain("c"))),
        ("a-b", (plain("a-b"),)),
        ("été", (plain("été"),)),
        ("data->k->>0", (SelectField(Field("data", (JsonStep("k", False), JsonStep(0, True)))),)),
        ("data->-1", (SelectField(Field("data", (JsonStep(-1, False),))),)),
        ("data->1a", (SelectField(Field("data", (JsonStep("1a", False),))),)),
        ("id.sum()", (plain("id", aggregate="sum"),)),
        ("n:count()::text", (plain("*", alias="n", aggregate="count", aggregate_cast="text"),)),
        ("count", (plain("count"),)),
        ("task()", (SelectEmbed("task", ()),)),
        ("t:task!fk!inner(id)", (SelectEmbed("task", (plain("id"),), "t", "fk", inner=True),)),
        ("task!inner!fk(id)", (SelectEmbed("task", (plain("id"),), None, "fk", inner=True),)),
        ("task!left(id)", (SelectEmbed("task", (plain("id"),)),)),
        ('task!"left_fk"(id)', (SelectEmbed("task", (plain("id"),), None, "left_fk"),)),
        ("...task(id)", (SelectEmbed("task", (plain("id"),), spread=True),)),
        ("a(b(c))", (SelectEmbed("a", (SelectEmbed("b", (plain("c"),)),)),)),
        ("id)", (plain("id"),)),
        ("id]", None),
        ("a(id", None),
        ("alias:...task(id)", None),
        ("id::", None),
        ("name!hint", None),
        ("id::int); drop table x", (plain("id", cast="int"),)),
    ],
)
def test_select_is_read_as_items(text: str, items: tuple[object, ...] | None) -> None:
    if items is None:
        with pytest.raises(RestError) as caught:
            parse_select(text)
        assert caught.value.code == "PGRST100"
    else:
        assert parse_select(text) == items


@pytest.mark.parametrize(
    ("text", "predicate"),
    [
        ("eq.1", Predicate("eq", "1")),
        ("eq.", Predicate("eq", "")),
        ("not.eq.a.b,c", Predicate("eq", "a.b,c", negated=True)),
        ("eq(any).{1,2}", Predicate("eq", "{1,2}", option="any")),
        ("fts(english).a", Predicate("fts", "a", option="english")),
        ("isdistinct.null", Predicate("isdistinct", "null")),
        ("is.nullxyz", Predicate("is", "NULL")),
        ("is.Not_Null", Predicate("is", "NOT NULL")),
        ("in.()", Predicate("in", "", values=("",))),
        ("in.(,)", Predicate("in", "", values=("", ""))),
        ('in.( "a,b" , c)', Predicate("in", "", values=('"a', 'b" ', " c"))),
        ('in.("a,b",c)', Predicate("in", "", values=("a,b", "c"))),
        (r'in.("a\"b")', Predicate("in", "", values=('a"b',))),
        ('in.(a"b)', Predicate("in", "", values=('a"b',))),
        ("neq(any).1", None),
        ("eq().1", None),
        ("in.1", None),
        ("is.maybe", None),
        ("fts().a", None),
        ("", None),
    ],
)
def test_a_predicate_is_read_whole(text: str, predicate: Predicate | None) -> None:
    if predicate is None:
        with pytest.raises(RestError):
            parse_predicate(text)
    else:
        assert parse_predicate(text) == predicate


@pytest.mark.parametrize(
    ("text", "found"),
    [("noop.0", '"o"'), ("val", '"v"'), ("not.x", '"x"'), ("", "end of input")],
)
def test_a_wrong_operator_is_named_where_upstream_names_it(text: str, found: str) -> None:
    with pytest.raises(RestError) as caught:
        parse_predicate(text)
    assert str(caught.value.details).startswith(f"unexpected {found} expecting ")


def test_logic_is_a_tree() -> None:
    path, tree = parse_logic("task.not.or", '(id.eq.1,and(a->b.is.null,name.eq."x,y"))')
    assert path == ("task",)
    assert tree == Logic(
        "or",
        (
            Filter(Field("id"), Predicate("eq", "1")),
            Logic(
                "and",
                (
                    Filter(Field("a", (JsonStep("b", False),)), Predicate("is", "NULL")),
                    Filter(Field("name"), Predicate("eq", "x,y")),
                ),
            ),
        ),
        negated=True,
    )


def test_a_column_may_begin_like_a_logic_operator() -> None:
    _, tree = parse_logic("and", "(order.eq.1,notes.eq.2,android.eq.3)")
    assert isinstance(tree, Logic)
    assert [item.field.name for item in tree.children if isinstance(item, Filter)] == [
        "order",
        "notes",
        "android",
    ]


@pytest.mark.parametrize("depth", [200, 5000])
def test_trees_do_not_nest_without_end(depth: int) -> None:
    with pytest.raises(RestError):
        parse_logic("or", "(" + "and(" * depth + "id.eq.1" + ")" * depth + ")")
    with pytest.raises(RestError):
        parse_select("a(" * depth + "id" + ")" * depth)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("id", (OrderTerm(Field("id")),)),
        ("id.desc.nullslast", (OrderTerm(Field("id"), "desc", "nullslast"),)),
        ("a.nullsfirst, b", (OrderTerm(Field("a"), None, "nullsfirst"), OrderTerm(Field("b")))),
        ("rel(x).asc", (OrderTerm(Field("x"), "asc", relation="rel"),)),
        ("d->k.asc", (OrderTerm(Field("d", (JsonStep("k", False),)), "asc"),)),
        ("id.descc", None),
        ("id.foo", None),
        ("rel(a,b)", None),
        ("", None),
    ],
)
def test_orders_are_read_to_their_end(text: str, terms: tuple[OrderTerm, ...] | None) -> None:
    if terms is None:
        with pytest.raises(RestError):
            parse_order("order", text)
    else:
        assert parse_order("task.order", text) == (("task",), terms)


def test_the_query_string_is_sorted_into_its_parts() -> None:
    params = parse_query(
        b"select=id&a.b=eq.x%20y+z&limit=1&limit=2&t.offset=3&order=id&t.order=n"
        b"&columns=b,a&on_conflict=k&ignored&or=(id.eq.1)"
    )
    assert params.select == (plain("id"),)
    assert params.filters == ((("a",), Filter(Field("b"), Predicate("eq", "x y z"))),)
    assert params.ranges == {(): RowRange(2, 0), ("t",): RowRange(None, 3)}
    assert [path for path, _ in params.order] == [(), ("t",)]
    assert params.columns == ("a", "b")
    assert params.on_conflict == ("k",)
    assert params.canonical.startswith("a.b=eq.x%20y%20z&columns=b%2Ca&ignored=&limit=1,2")


def test_plain_values_of_a_call_are_arguments() -> None:
    params = parse_query(b"a=1&b=eq.2&c=", is_call_read=True)
    assert params.arguments == (("a", "1"), ("c", ""))
    assert params.filters == (((), Filter(Field("b"), Predicate("eq", "2"))),)


@pytest.mark.parametrize(
    ("query", "header", "wanted"),
    [
        (RowRange(), None, RowRange()),
        (RowRange(3), "0-1", RowRange(2)),
        (RowRange(None, 2), "0-", RowRange(None, 2)),
        (RowRange(5, 1), "3-10", RowRange(3, 3)),
        (RowRange(0, 7), "3-10", NO_ROWS),
        (RowRange(), "bytes=0-1", RowRange()),
        (RowRange(), "5-2", None),
        (RowRange(-1), None, None),
        (RowRange(None, 9), "0-1", None),
    ],
)
def test_range_and_limit_intersect(
    query: RowRange, header: str | None, wanted: RowRange | None
) -> None:
    if wanted is None:
        with pytest.raises(RestError) as caught:
            root_range(query, header)
        assert caught.value.code == "PGRST103"
    else:
        assert root_range(query, header) == wanted


def test_the_first_preference_of_a_family_wins() -> None:
    assert parse_prefer(["return=minimal, return=representation", "count=exact"]) == Preferences(
        returning="minimal", count="exact"
    )
    assert parse_prefer(["max-affected=x"]) == Preferences()
    assert parse_prefer(["count=none,Return=minimal"]).unknown == ("count=none", "Return=minimal")


def test_media_types_are_ranked() -> None:
    names = [str(media) for media in parse_accept("a/b;q=0.5, */*, c/d, e/f;x=1")]
    assert names == ["e/f;x=1", "c/d", "*/*", "a/b"]
    plan = parse_accept('application/vnd.pgrst.plan+text; for="application/json"; options=a|b;')
    assert plan == (
        MediaType(
            "application/vnd.pgrst.plan+text",
            (("for", "application/json"), ("options", "a|b")),
        ),
    )


@given(st.binary(max_size=200))
def test_any_query_string_is_read_or_refused(raw: bytes) -> None:
    for is_call_read in (False, True):
        try:
            parse_query(raw, is_call_read=is_call_read)
        except RestError as error:
            assert error.status == 400


@given(st.text(max_size=120))
def test_any_header_is_read(value: str) -> None:
    parse_prefer([value])
    assert parse_accept(value)
