"""Splitting follows Postgres' grammar and trims as the supabase CLI does."""

from __future__ import annotations

import pytest

from gavan.database.migration.split import SplitError, checksum, place, split


def texts(sql: str) -> list[str]:
    return [statement.text for statement in split(sql)]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select 1; select 2;", ["select 1", "select 2"]),
        ("select ';', E'\\';', $$;$$, $a$;$$;$a$;select 2", None),
        ("-- head\nselect 1;\n\n-- tail\n", ["-- head\nselect 1", "-- tail"]),
        ("/* a /* ; */ ; */ select 1;;;", ["/* a /* ; */ ; */ select 1"]),
        ("create rule r as on insert to a do (select 1; select 2); select 3", None),
        ('select "a;b" from c;', ['select "a;b" from c']),
        ("", []),
        ("select 1 -- a; */ b\n; -- /* ;\nselect 2", None),
        ("select 1; /* -- ; /* ; */ */ ; /* ; */ select 2", None),
        ("select 1;\n-- only; this\n;\nselect 2;", ["select 1", "-- only; this", "select 2"]),
        ("-- only a comment", ["-- only a comment"]),
        ("\\restrict abc\nselect 1;\n\\unrestrict abc\n", None),
    ],
)
def test_statements_end_where_postgres_ends_them(sql: str, expected: list[str] | None) -> None:
    found = texts(sql)
    if expected is not None:
        assert found == expected
    else:
        assert len(found) >= 2


def test_atomic_bodies_stay_whole() -> None:
    sql = "create function f() returns int begin atomic select 1; select 2; end;\nselect 3;"
    assert texts(sql) == [
        "create function f() returns int begin atomic select 1; select 2; end",
        "select 3",
    ]


def test_places_count_characters_and_not_bytes() -> None:
    sql = "select 'привет, 世界';\n  select 2;"
    second = split(sql)[1]
    assert sql[second.offset :].startswith("select 2")
    assert place(sql, second.offset) == (2, 3)


def test_first_words_and_comments_are_told_apart() -> None:
    one, two = split("-- head\n/* x */ Create table é (id int);\n-- tail")
    assert (one.first_word, one.is_comment) == ("create", False)
    assert type(one.tree()).__name__ == "CreateStmt"
    assert one.tree() is one.tree()
    assert (two.first_word, two.is_comment) == ("", True)


def test_whoever_changes_a_tree_changes_it_for_nobody_else() -> None:
    (one,) = split("create table a (b int)")
    one.own_tree().relation.relname = "c"
    assert one.tree().relation.relname == one.own_tree().relation.relname == "a"


def test_trees_keep_names_outside_ascii_and_stand_behind_what_pg_dump_writes() -> None:
    (one, _) = split('\\restrict abc\ncreate table "Доска" (id int);\n\\unrestrict abc\nselect 1;')
    tree = one.tree()
    assert tree.relation.relname == "Доска"
    assert one.text[tree.relation.location :].startswith('"Доска"')


def test_blanks_around_a_statement_are_those_of_javascript() -> None:
    assert texts("\u00a0select 1\u2003;\n\ufeffselect 2\n-- \x85\x1c") == [
        "select 1",
        "select 2\n-- \x85\x1c",
    ]
    assert texts("-- a\x85;\nselect 'é'") == ["-- a\x85;\nselect 'é'"]


def test_an_error_quotes_the_word_of_the_file() -> None:
    with pytest.raises(SplitError, match='at or near "выбрать"'):
        split("select 1;\nвыбрать 2;")


def test_lines_of_pg_dump_are_history_and_not_sent() -> None:
    one = split("\\restrict abc\nselect 1;")[0]
    assert one.text == "\\restrict abc\nselect 1"
    assert one.command == "             \nselect 1"


def test_a_syntax_error_names_its_place() -> None:
    with pytest.raises(SplitError) as caught:
        split("select 'é';\ncreate table column (id int);")
    assert place("select 'é';\ncreate table column (id int);", caught.value.offset) == (2, 14)


def test_checksum_ignores_blanks_and_comments_but_not_words() -> None:
    one = checksum(texts("create table a (id int); -- x\nselect 1;"))
    assert one == checksum(texts("create   table a(id int);\nselect /* y */ 1;"))
    assert one != checksum(texts("create table a (id bigint); select 1;"))
