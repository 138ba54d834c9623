"""Places of keys and values."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gavan.stack.findings import StackErrors
from gavan.stack.model import KeyPath
from gavan.stack.toml import Document, Span, parse, read

FILE = Path("gavan.toml")


def _at(span: Span) -> tuple[int, int, int]:
    return span.line, span.column, span.length


def _shown(document: Document, span: Span) -> str:
    return document.line(span.line)[span.column - 1 : span.column - 1 + span.length]


@pytest.mark.parametrize(
    ("text", "path", "key", "value"),
    [
        ("port = 1", ("port",), (1, 1, 4), (1, 8, 1)),
        ("\t port\t=\t1", ("port",), (1, 3, 4), (1, 10, 1)),
        ("a.b = 1", ("a", "b"), (1, 3, 1), (1, 7, 1)),
        ("[a.b]\nc = 1", ("a", "b"), (1, 4, 1), (1, 4, 1)),
        ("[a.b]\nc = 1", ("a",), (1, 2, 1), (1, 2, 1)),
        ('a = { "ü" = 1 }', ("a", "ü"), (1, 7, 3), (1, 13, 1)),
        ('"é" = "х"\nb = ["😀", 2]', ("b", 1), (2, 11, 1), (2, 11, 1)),
        ("[[a]]\nx=1\n[[a]]\nx=2", ("a", 1, "x"), (4, 1, 1), (4, 3, 1)),
        ("[[a]]\n[a.b]\nx=2", ("a", 0, "b", "x"), (3, 1, 1), (3, 3, 1)),
        ('a = """x\ny"""', ("a",), (1, 1, 1), (1, 5, 4)),
        ("a = [\n  1, # one\n  2,\n]", ("a", 1), (3, 3, 1), (3, 3, 1)),
        ("[a.b]\nx=1\n[a]\ny=2", ("a",), (3, 2, 1), (3, 2, 1)),
    ],
)
def test_key_and_value_are_found(
    text: str, path: KeyPath, key: tuple[int, int, int], value: tuple[int, int, int]
) -> None:
    document = parse(text, FILE)
    assert (_at(document.key(path)), _at(document.value(path))) == (key, value)


def test_windows_file_has_the_places_of_its_unix_twin() -> None:
    text = '[stack]\n\tname = "чайка"\nx = """a\nb"""\n'
    unix = parse(text, FILE)
    windows = parse("\ufeff" + text.replace("\n", "\r\n"), FILE)
    assert (windows.keys, windows.spans) == (unix.keys, unix.spans)
    assert windows.values == unix.values


def test_what_is_not_written_has_the_place_of_what_is_around_it() -> None:
    document = parse("[apps.web]\n", FILE)
    assert _at(document.value(("apps", "web", "port"))) == (1, 7, 3)
    assert _at(document.value(("core", "port"))) == (1, 1, 1)


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        ("a = 1\nb = \n", "GV100", 2, 5),
        ("a = 1\nb", "GV100", 2, 2),
        ('a = "', "GV100", 1, 6),
        ("[a]\n[a]\n", "GV108", 2, 1),
        ("a = 1\n a = 2\n", "GV108", 2, 2),
        ("a = " + "[" * 5000, "GV100", 1, 1),
    ],
)
def test_syntax_error_has_its_place(text: str, code: str, line: int, column: int) -> None:
    with pytest.raises(StackErrors) as failure:
        parse(text, FILE)
    (finding,) = failure.value.findings
    assert (finding.code, finding.position.line) == (code, line)
    assert finding.position.column == column or text.startswith("a = [")


def test_bytes_that_are_not_utf8_are_named_with_their_place(tmp_path: Path) -> None:
    file = tmp_path / "gavan.toml"
    file.write_bytes("é = 1\nx = '".encode() + b"\xe9'\n")
    with pytest.raises(StackErrors) as failure:
        read(file)
    (finding,) = failure.value.findings
    assert (finding.code, finding.message) == ("GV109", "byte 0xe9 is not UTF-8")
    assert (finding.position.line, finding.position.column) == (2, 6)


_NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6)
_SCALARS = st.one_of(
    st.integers(-999, 999),
    st.booleans(),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=8,
)


def _quoted(text: str) -> str:
    return '"' + "".join(c if c.isalnum() else f"\\U{ord(c):08x}" for c in text) + '"'


def to_toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case str():
            return _quoted(value)
        case list():
            return "[" + ", ".join(map(to_toml, value)) + "]"
        case dict():
            return "{" + ", ".join(f"{_quoted(k)} = {to_toml(v)}" for k, v in value.items()) + "}"
    raise TypeError(value)


def _leaves(value: object, path: KeyPath) -> list[tuple[KeyPath, object]]:
    if isinstance(value, dict):
        return [leaf for k, v in value.items() for leaf in _leaves(v, (*path, k))]
    if isinstance(value, list):
        return [leaf for i, v in enumerate(value) for leaf in _leaves(v, (*path, i))]
    return [(path, value)]


@given(
    tables=st.dictionaries(_NAMES, st.dictionaries(_NAMES, _VALUES, max_size=3), max_size=3),
    newline=st.sampled_from(["\n", "\r\n", "\n\n# é\n"]),
    indent=st.sampled_from(["", "  ", "\t"]),
)
def test_the_text_at_every_value_is_that_value(
    tables: dict[str, dict[str, object]], newline: str, indent: str
) -> None:
    lines = []
    for name, table in tables.items():
        lines.append(f"{indent}[{_quoted(name)}]")
        lines += [f"{indent}{_quoted(key)}\t= {to_toml(item)}" for key, item in table.items()]
    document = parse(newline.join(lines) + newline, FILE)
    assert document.values == tables
    for path, value in _leaves(tables, ()):
        shown = _shown(document, document.spans[path])
        assert tomllib.loads(f"x = {shown}") == {"x": value}
        if isinstance(path[-1], str):
            assert _shown(document, document.keys[path]) == _quoted(path[-1])
