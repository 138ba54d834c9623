"""Rendering from small catalogues, without a database."""

from __future__ import annotations

from typing import Any

import pytest

from gavan.database.types.model import Argument, Catalogue, Column, Link, Relation, Routine, Type
from gavan.database.types.order import by_name
from gavan.database.types.python import python
from gavan.database.types.typescript import typescript
from gavan.database.types.view_rule import Origin, origins

INT, TEXT, VOID, MOOD, ROW, NUMBERS, JSONB = 1, 2, 3, 4, 5, 6, 7
TYPES = {
    INT: Type(oid=INT, schema="pg_catalog", name="int4"),
    TEXT: Type(oid=TEXT, schema="pg_catalog", name="text"),
    VOID: Type(oid=VOID, schema="pg_catalog", name="void", kind="p"),
    MOOD: Type(oid=MOOD, schema="public", name="mood", kind="e", labels=("calm", 'so "so"')),
    ROW: Type(oid=ROW, schema="public", name="card", kind="c", relation=10),
    NUMBERS: Type(oid=NUMBERS, schema="pg_catalog", name="_int4", element=INT),
    JSONB: Type(oid=JSONB, schema="pg_catalog", name="jsonb"),
}
CARD = Relation(
    oid=10,
    schema="public",
    name="card",
    kind="r",
    events=28,
    columns=(
        Column(number=1, name="title", type=TEXT),
        Column(number=2, name="id", type=INT, is_written=False),
        Column(number=3, name="a-b", type=MOOD, is_nullable=True),
        Column(number=4, name="count", type=INT, has_default=True),
    ),
)


def _catalogue(**changes: Any) -> Catalogue:
    values: dict[str, Any] = {
        "schemas": ("public",),
        "types": TYPES,
        "relations": {10: CARD},
        "routines": (),
        "links": {},
    }
    return Catalogue(**(values | changes))


def _routine(name: str, *arguments: Argument, returns: int = INT, **changes: Any) -> Routine:
    return Routine(schema="public", name=name, signature=str(arguments), arguments=arguments,
                   returns=returns, **changes)  # fmt: skip


def _has(text: str, part: str) -> bool:
    return " ".join(part.split()) in " ".join(text.split())


def test_a_table_has_row_insert_and_update() -> None:
    text = typescript(_catalogue())
    mood = 'Database["public"]["Enums"]["mood"] | null'
    assert _has(text, f'Row: {{ "a-b": {mood} count: number id: number title: string }}')
    assert _has(text, f'Insert: {{ "a-b"?: {mood} count?: number id?: never title: string }}')
    assert _has(text, f'Update: {{ "a-b"?: {mood} count?: number id?: never title?: string }}')
    assert _has(text, r'mood: ["calm", "so \"so\""],')
    assert _has(text, "Views: { [_ in never]: never }")


def test_a_view_that_cannot_be_written_has_only_rows() -> None:
    view = Relation(oid=10, schema="public", name="v", kind="v", events=0, columns=CARD.columns)
    text = typescript(_catalogue(relations={10: view}))
    assert "Insert:" not in text
    assert "class VInsert" not in python(_catalogue(relations={10: view}))


def test_a_relationship_names_both_ends() -> None:
    link = Link(name="fk", columns=("a",), is_one_to_one=True, target="b", target_columns=("id",))
    assert _has(
        typescript(_catalogue(links={10: (link,)})),
        'Relationships: [ { foreignKeyName: "fk" columns: ["a"] isOneToOne: true'
        ' referencedRelation: "b" referencedColumns: ["id"] }, ]',
    )


def test_functions_have_arguments_and_returns() -> None:
    text = typescript(
        _catalogue(
            routines=(
                _routine("none", returns=VOID),
                _routine("add", Argument(name="b", type=INT, has_default=True),
                         Argument(name="a", type=NUMBERS), is_set=True),
                _routine("body", Argument(name="", type=JSONB)),
                _routine("hidden", Argument(name="", type=INT)),
            )
        )
    )  # fmt: skip
    assert _has(text, "none: { Args: Record<PropertyKey, never> Returns: undefined }")
    assert _has(text, "add: { Args: { a: number[] b?: number } Returns: number[] }")
    assert _has(text, 'body: { Args: { "": Json } Returns: number }')
    assert "hidden" not in text


def test_overloads_that_http_cannot_tell_apart_return_an_error() -> None:
    one, two = (_routine("f", Argument(name="a", type=kind)) for kind in (INT, TEXT))
    text = typescript(_catalogue(routines=(one, two)))
    assert text.count("candidate function between: public.f(a => int4), public.f(a => text)") == 2


def test_a_computed_field_is_part_of_the_row_unless_a_column_has_its_name() -> None:
    field = _routine("field", Argument(name="", type=ROW), returns=TEXT)
    taken = _routine("title", Argument(name="", type=ROW), returns=INT)
    text = typescript(_catalogue(routines=(field, taken)))
    assert _has(text, "title: string field: string | null }")
    assert _has(text, 'ComputedFields: "field" ')


def test_python_has_typed_dicts_and_literals() -> None:
    text = python(_catalogue(routines=(_routine("add", Argument(name="a", type=INT)),)))
    assert r'Mood: TypeAlias = Literal["calm", "so \"so\""]' in text
    assert 'CardRow = TypedDict(\n    "CardRow",\n    {\n        "a-b": "Mood | None",' in text
    assert '"title": "str",' in text
    assert '"count": "NotRequired[int]",' in text
    assert "class AddArgs(TypedDict):\n    a: int\n" in text
    assert 'AddReturns: TypeAlias = "int"' in text


def test_python_gives_each_thing_a_name_of_its_own() -> None:
    enum = Type(oid=8, schema="public", name="card_row", kind="e", labels=("x",))
    text = python(_catalogue(types={**TYPES, 8: enum}))
    assert "CardRow: TypeAlias" in text
    assert 'CardRow_2 = TypedDict(\n    "CardRow_2"' in text


@pytest.mark.parametrize(
    "names",
    [
        ["1st", "a-b", "class", "full Name", "id", "name", "None", "order"],
        ["A b", "a_b", "a-b", "a$", "ab", "aB", "éa", "имя"],
        ["pair", "pair_part", "pairs"],
    ],
)
def test_names_are_sorted_as_a_browser_does(names: list[str]) -> None:
    assert sorted(sorted(names, reverse=True), key=by_name) == names


ENTRY = (
    "{{TARGETENTRY :expr {{VAR :varno 1 :varattno {number} :varnullingrels (b{by})"
    " :varlevelsup 0}} :resno {number} :resname a\\ \\{{b :ressortgroupref 0 :resorigtbl 16"
    " :resorigcol {number} :resjunk false}}"
)
KEPT, EMPTIED = ENTRY.format(by="", number=1), ENTRY.format(by=" 3", number=2)
TABLE = "{RANGETBLENTRY :rtekind 0 :relid 16}"


def _query(*entries: str, join: int = 0, table: str = TABLE) -> str:
    return (
        f"{{QUERY :rtable ({table}) :jointree {{JOINEXPR :jointype {join}}} :targetList"
        f" ({' '.join(entries)}) :groupingSets <> :setOperations <>}}"
    )


def test_a_rule_tells_where_a_column_comes_from_and_what_a_join_may_empty() -> None:
    found = origins(f"({_query(KEPT, EMPTIED, join=1)})")
    assert found == {1: Origin(16, 1, False), 2: Origin(16, 2, True)}
    assert origins(f"({_query(KEPT)})") == {1: Origin(16, 1, False)}


def test_a_join_inside_a_subquery_empties_the_column_outside() -> None:
    inner = _query(KEPT, EMPTIED, join=3)
    around = f"{{RANGETBLENTRY :rtekind 1 :subquery {inner}}}"
    outer = [ENTRY.format(by="", number=number) for number in (1, 2)]
    found = origins(f"({_query(*outer, table=around)})")
    assert [origin.is_lost for origin in found.values()] == [False, True]


def test_a_rule_without_result_columns_tells_nothing() -> None:
    assert origins("<>") == {}
