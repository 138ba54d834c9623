"""A schema that was dumped and restored is the same, however Postgres spells it then."""

from __future__ import annotations

import pytest

from gavan.backups.snapshot import essence, hash_schema

SAME = {
    "label of a cast constant": ("SELECT '-1'::integer", "SELECT '-1'::integer AS int4"),
    "list of varchar": (
        "CHECK (((s)::text = ANY ((ARRAY['a'::character varying,"
        " 'b'::character varying])::text[])))",
        "CHECK (((s)::text = ANY (ARRAY[('a'::character varying)::text,"
        " ('b'::character varying)::text])))",
    ),
    "length and zone": (
        "DEFAULT now()::timestamp without time zone, 'x'::character varying(20)",
        "DEFAULT (now())::timestamp without time zone, ('x'::character varying(20))",
    ),
    "a type of another schema": ("'x'::public.\"Kind\"", "('x')::public.\"Kind\"[]"),
}
DIFFERENT = {
    "a constant": ("CHECK (a > 1)", "CHECK (a > 2)"),
    "a column": ("SELECT a FROM t", "SELECT b FROM t"),
    "an operator": ("USING (owner = uid())", "USING (owner <> uid())"),
    "a literal": ("CHECK (s IN ('a'::text))", "CHECK (s IN ('b'::text))"),
}


@pytest.mark.parametrize("case", SAME)
def test_the_same_meaning_has_one_essence(case: str) -> None:
    before, after = SAME[case]
    assert essence(before) == essence(after)


@pytest.mark.parametrize("case", DIFFERENT)
def test_another_meaning_has_another_one(case: str) -> None:
    before, after = DIFFERENT[case]
    assert essence(before) != essence(after)


def test_the_text_of_a_function_counts_to_the_last_space() -> None:
    one, other = {("function", "f()"): "select 1"}, {("function", "f()"): "select  1"}
    assert hash_schema(one) != hash_schema(other)
