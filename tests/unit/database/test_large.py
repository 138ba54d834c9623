"""A large file has the statements that the split finds in its text, however it is cut."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from gavan.database.migration import large
from gavan.database.migration.errors import StatementError, from_split
from gavan.database.migration.large import ROWS, SILENT, SINGLE, LargeStatements, stored_digest
from gavan.database.migration.split import SplitError, Statement, place, split
from gavan.kit.errors import GavanError

PIECES = (
    "insert into a values ('x;\ny', 1);\n",
    "insert into a values ('код;\nещё;\n', E'\\';\n');\n",
    "/* a;\n /* b;\n */ */ select 1;",
    "create function f() returns text language sql as $f$\nselect ';\n';\n$f$;\r\n",
    "create function g() returns int begin atomic select case 1 when 1 then 1 end;\nend;\n",
    "create rule r as on insert to a do also (select 1;\nselect (2));\n",
    "-- only a comment;\n;\n",
    "\n\\restrict abc\n",
    "\u00a0select 1\u2003;\n\ufeffselect 2;\n",
    "update \"a;\n\" set b = U&'\\0061;\n' where c = $1;\n",
    "select 1;;\n;;\n",
    "begin;\n",
)  # fmt: skip
END = "insert into a values (1)"


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "000_a.sql"
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("seed", range(40))
def test_windows_of_any_size_find_what_the_split_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)
    parts = [one for one in PIECES if one != "begin;\n"]
    text = "".join(chance.choice(parts) for _ in range(60)) + END
    monkeypatch.setattr(large, "WINDOW_BYTES", chance.choice([3, 17, 64, 300, 2000]))
    path = write(tmp_path, text)
    found = LargeStatements(path)
    wanted = split(text)
    assert [piece.decode() for piece in found.pieces()] == [one.text for one in wanted]
    assert [one.first for one in found] == [one.first - one.offset for one in wanted]
    assert [one.is_run for one in found] == [one.is_run for one in wanted]
    number = chance.randrange(len(wanted))
    assert found[number].text == wanted[number].text
    assert found.first_place(number) == place(text, wanted[number].first)


@pytest.mark.parametrize(
    "mistake",
    [
        "create table column (id int);",
        "selekt 1;",
        "select 'never closed;\n",
        "commit;",
        "select (;",
    ],
)
@pytest.mark.parametrize("window", [16, 100, 5000])
def test_a_mistake_is_where_it_is_in_the_whole_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mistake: str, window: int
) -> None:
    monkeypatch.setattr(large, "WINDOW_BYTES", window)
    text = "insert into a values ('ж;\n');\n" * 20 + f"  {mistake}\n" + "select 2;\n" * 20
    path = write(tmp_path, text)
    with pytest.raises(StatementError) as caught:
        LargeStatements(path).find()
    try:
        split(text)
    except SplitError as error:
        wanted = from_split(path, text, error)
        assert (caught.value.where, caught.value.code) == (wanted.where, wanted.code)
        assert str(caught.value.where).split(":")[1] in (caught.value.details or "")
    else:
        assert mistake == "commit;"
        assert str(caught.value.where).endswith(":41:3")


def test_begin_and_commit_are_in_the_history_and_not_for_the_server(tmp_path: Path) -> None:
    found = LargeStatements(write(tmp_path, f"begin;\n{END};\ncreate table b ();\ncommit;\n"))
    assert len(found) == 4
    assert list(found.numbers(SILENT)) == [0, 3]
    assert list(found.numbers(SINGLE)) == [2]
    assert [one.is_run for one in found.without([2])] == [False, True, False, False]
    with pytest.raises(StatementError, match="one transaction"):
        LargeStatements(write(tmp_path, f"begin;\n{END};")).find()


def test_bytes_that_no_text_has_are_named_with_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large, "WINDOW_BYTES", 20)
    path = tmp_path / "000_a.sql"
    for bad in (b"\xe9", b"\0"):
        path.write_bytes(b"select 1;\n" * 30 + b"-- " + bad + b";\nselect 2;\n")
        with pytest.raises(GavanError) as caught:
            LargeStatements(path).find()
        assert caught.value.code == "GV306"
        assert str(caught.value.where).endswith(":31:4")


def test_a_file_that_changes_between_two_readings_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "select 1;\n" * 30)
    found = LargeStatements(path)
    found.find()
    for text in ("select 1;\n" * 29 + "select 2;\n", "select 1;\n" * 31):
        write(tmp_path, text)
        with pytest.raises(GavanError) as caught:
            list(found)
        assert caught.value.code == "GV349"


def test_a_statement_that_no_server_takes_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large, "WINDOW_BYTES", 20)
    monkeypatch.setattr(large, "MOST_BYTES", 300)
    LargeStatements(write(tmp_path, f"select 1;\nselect '{'x' * 100}';\n" * 9)).find()
    with pytest.raises(GavanError, match="more than 1 GB") as caught:
        LargeStatements(write(tmp_path, f"select 1;\nselect '{'x' * 400};\nselect 2;\n")).find()
    assert (caught.value.code, str(caught.value.where).split(":")[1]) == ("GV306", "1")


ROW = "insert into a values (1, 'ж; it''s')"


@pytest.mark.parametrize(
    "text",
    [
        f"{ROW};\n" * 40,
        f"{ROW};\r\n" * 40,
        f"{ROW};\n\n" * 40,
        f"INSERT INTO a VALUES (1);\n{ROW};\n" * 20,
        f"\n\t {ROW};\n" + f"{ROW};\n" * 40 + "\n \n",
        f"{ROW};\n" * 40 + ROW,
        f"{ROW};\n" * 40 + "-- the end\n",
        f"{ROW};\n" * 20 + "select 1;\n" + f"{ROW};\n" * 20,
        f"{ROW};\n" * 20 + f"-- more\n{ROW};\n" + f"{ROW};\n" * 20,
        f"{ROW};\n" * 20 + f"{ROW}; {ROW};;\n" + f"{ROW};\n" * 20,
        f"{ROW};\n" * 20 + "insert into a select b\u00a0;\n" + f"{ROW};\n" * 20,
        f"{ROW};\n" * 20 + f"\u00a0{ROW};\n" + f"{ROW};\n" * 20,
        f"{ROW};\n" * 20 + "insert into a values (E'\\';\n');\n" + f"{ROW};\n" * 20,
        f"{ROW};\n" * 20 + "insert into a values (E'\\n;\n\\restrict x\n');\n" + f"{ROW};\n" * 20,
        f"{ROW};\n" * 20 + "insert into a values ($$;\ninsert $$);\n" + f"{ROW};\n" * 20,
        f"{ROW};\n" * 20 + "create rule r as on delete to a do (insert into b values (1);\n"
        "insert into c values (1));\n" + f"{ROW};\n" * 20,
    ],
)
@pytest.mark.parametrize("window", [100, 333, 1000, 100_000])
def test_rows_that_are_found_together_are_those_that_the_split_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, window: int
) -> None:
    monkeypatch.setattr(large, "WINDOW_BYTES", window)
    path = tmp_path / "000_a.sql"
    path.write_bytes(text.encode())
    found, wanted = LargeStatements(path), split(text)
    assert [one.text for one in found] == [one.text for one in wanted]
    assert [found.at(number).first for number in range(len(found))] == [
        one.first - one.offset for one in wanted
    ]
    kinds = [found.kind(number) for number in range(len(found))]
    assert kinds == [ROWS if is_row(one) else SINGLE for one in wanted if not one.is_comment] + [
        SILENT for one in wanted if one.is_comment
    ]
    assert found.first_place(len(found) // 2) == place(text, wanted[len(wanted) // 2].first)
    texts = [one.text.encode() for one in wanted]
    assert found.checksum() == stored_digest(len(texts), texts)


def is_row(one: Statement) -> bool:
    return one.first_word == "insert" and one.command == one.text


def test_rows_are_sent_together_up_to_a_size(tmp_path: Path) -> None:
    found = LargeStatements(write(tmp_path, "select 1;\n" + "insert into a values (1);\n" * 9))
    found.find()
    assert found.end_of_rows(0, 10, 1000) == 0
    assert found.end_of_rows(1, 10, 1000) == 10
    assert found.end_of_rows(1, 4, 1000) == 4
    assert found.end_of_rows(1, 10, 80) == 4  # 24 bytes each, and two between
    assert found.end_of_rows(1, 10, 3) == 2
    assert found.without([3]).end_of_rows(1, 10, 1000) == 3
