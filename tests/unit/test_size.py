"""The size budget: files, functions, classes, parameters; nesting is ruff's and the reader's."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "gavan"
FILES = sorted(PACKAGE.rglob("*.py"))
FILE_LINES = 600
FUNCTION_LINES = 60
CLASS_LINES = 300

# path:name -> (date, reason). An entry is a debt with a date, not a licence.
EXCEPTIONS: dict[str, tuple[str, str]] = {}


def _definitions(path: Path) -> Iterator[tuple[str, ast.AST, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            key = f"{path.relative_to(PACKAGE.parent)}:{node.name}"
            yield key, node, (node.end_lineno or node.lineno) - node.lineno + 1


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_file_is_within_the_budget(path: Path) -> None:
    over = []
    lines = len(path.read_text().splitlines())
    if lines > FILE_LINES:
        over.append(f"{path.name}: {lines} lines > {FILE_LINES}")
    for key, node, length in _definitions(path):
        if key in EXCEPTIONS:
            continue
        cap = CLASS_LINES if isinstance(node, ast.ClassDef) else FUNCTION_LINES
        if length > cap:
            over.append(f"{key}: {length} lines > {cap}")
    assert over == []


def test_nine_in_ten_files_and_functions_are_short() -> None:
    files = sorted(len(path.read_text().splitlines()) for path in FILES)
    functions = sorted(
        length
        for path in FILES
        for _, node, length in _definitions(path)
        if not isinstance(node, ast.ClassDef)
    )
    assert files[int(len(files) * 0.9)] <= 350
    assert functions[int(len(functions) * 0.9)] <= 30


def test_no_exception_outlives_its_function() -> None:
    known = {key for path in FILES for key, _, _ in _definitions(path)}
    assert set(EXCEPTIONS) <= known
