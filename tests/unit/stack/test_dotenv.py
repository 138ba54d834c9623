"""The .env parser and the layers made of its files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gavan.stack.dotenv import format_entry, parse, read
from gavan.stack.findings import Level

FILE = Path(".env")


def _values(text: str) -> dict[str, str]:
    return {name: entry.value for name, entry in parse(text, FILE).entries.items()}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=1", "1"),
        ("A=", ""),
        ("export A=1", "1"),
        ("  export\tA = 1", "1"),
        ("A=a b", "a b"),
        ("A=a#b", "a#b"),
        ("A=a # b", "a"),
        ("A=# b", ""),
        ("A='a # $b \\n'", "a # $b \\n"),
        ('A="a # b"', "a # b"),
        ('A="a\nb"', "a\nb"),
        ('A="a\r\nb"\r\n', "a\nb"),
        ('A="a\\nb\\t\\"c\\" \\\\ \\$d \\x"', 'a\nb\t"c" \\ $d \\x'),
        ('A="x"  # comment', "x"),
        ("A=a=b==", "a=b=="),
        ("A=${B}", "${B}"),
        ("A=p@s$w%d", "p@s$w%d"),
        ("\ufeffA=1\r\n", "1"),
        ("A=x'y\"z", "x'y\"z"),
    ],
)
def test_value_is_read_as_it_is_meant(text: str, value: str) -> None:
    parsed = parse(text, FILE)
    assert ({n: e.value for n, e in parsed.entries.items()}, parsed.findings) == ({"A": value}, ())


def test_entries_know_their_line_and_column() -> None:
    entries = parse('# head\n\nA="1\n2"\n  export B=2\n', FILE).entries
    assert [(e.name, e.line, e.column) for e in entries.values()] == [("A", 3, 1), ("B", 5, 10)]


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        ("A=1\nnonsense\nB=2", "GV170", 2, 1),
        ("1A=2", "GV170", 1, 1),
        ('A=1\nB="open\nC=3', "GV170", 2, 3),
        ("A='open\nB=2", "GV170", 1, 3),
        ('A="x"y', "GV170", 1, 6),
        ("A=1\nB=x\0y", "GV170", 2, 1),
        ("A=1\nB=2\nA=3", "GV171", 3, 1),
        ("A=1 \n", "GV172", 1, 4),
    ],
)
def test_mistake_has_its_place(text: str, code: str, line: int, column: int) -> None:
    (finding,) = parse(text, FILE).findings
    place = finding.position
    assert (finding.code, place.line, place.column) == (code, line, column)
    assert finding.level is (Level.ERROR if code == "GV170" else Level.WARNING)


def test_mistake_does_not_show_the_value() -> None:
    (finding,) = parse("PASSWORD=hunter2 \n", FILE).findings
    assert "hunter2" not in repr(finding)


def test_rest_of_the_file_is_read_after_a_mistake() -> None:
    assert _values("A=1\n???\nB='x\nC=3") == {"A": "1", "C": "3"}


def test_later_value_of_a_name_holds() -> None:
    parsed = parse("A=1\nA=2", FILE)
    assert parsed.entries["A"].value == "2"
    assert "line 1 and line 2" in parsed.findings[0].message


def test_file_that_is_not_utf8_is_a_finding(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(b"A=1\nB=\xff\n")
    (finding,) = read(file).findings
    assert (finding.code, finding.position.line) == ("GV109", 2)


_NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
_VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@given(
    values=st.dictionaries(
        _NAMES, _VALUES | st.sampled_from(["$", "#", " # ", "'\"\\\n\r\t", "a\r\nb"])
    ),
    newline=st.sampled_from(["\n", "\r\n"]),
)
def test_what_is_written_is_read_back_byte_for_byte(values: dict[str, str], newline: str) -> None:
    text = newline.join(format_entry(name, value) for name, value in values.items()) + newline
    parsed = parse(text, FILE)
    assert {name: entry.value for name, entry in parsed.entries.items()} == values
    assert parsed.findings == ()


@given(text=st.text(max_size=60))
def test_no_text_breaks_the_parser(text: str) -> None:
    parsed = parse(text, FILE)
    lines = text.replace("\r\n", "\n").count("\n") + 1
    assert all(1 <= finding.position.line <= lines for finding in parsed.findings)
