"""Whatever a file says, the answer is findings and never an exception."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gavan.stack.findings import render
from gavan.stack.load import load
from gavan.stack.plan import plan_units
from gavan.stack.schema.sections import SECTIONS
from tests.unit.stack.test_toml import to_toml

_WORDS = ["a", "b", "core", "database", "healthy", "started", "job", "dev", "/", "*", "x-y", ""]
_TEXTS = st.sampled_from(
    [*_WORDS, "${A}", "${core.url}", "${apps.a.url}", "${database.url}", "secret://B", "${", "$$",
     "30s", "@every 5m", "* * * * *", "../..", "\0", "é", "postgres://u:p@h/d", "[", "**"]
)  # fmt: skip
_VALUES = st.recursive(
    st.one_of(_TEXTS, st.integers(-1, 70000), st.booleans()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(_WORDS), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def _files(draw: st.DrawFn) -> dict[str, object]:
    file: dict[str, object] = {}
    for section in draw(st.lists(st.sampled_from(SECTIONS), unique_by=lambda s: s.title)):
        inner = [key.section for key in section.keys if key.section]
        nested = [key.name for part in inner for key in part.keys]
        names = st.sampled_from([*section.by_name, *nested, *_WORDS])
        table: object = draw(st.dictionaries(names, _VALUES, max_size=6) | _VALUES)
        path = [draw(st.sampled_from(_WORDS)) if part == "*" else part for part in section.path]
        place = file
        for part in path[:-1]:
            child = place.setdefault(part, {})
            if not isinstance(child, dict):
                break
            place = child
        else:
            place[path[-1]] = table
    return file


@settings(max_examples=80)
@given(
    file=_files(),
    profile=st.sampled_from([None, "dev", "prod", "a"]),
    overrides=st.lists(st.sampled_from(["A=1", "core.port=1", "apps.a.x=[", "stack=1"])),
)
def test_any_file_gives_findings_and_a_plan(
    file: dict[str, object], profile: str | None, overrides: list[str]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gavan.toml"
        path.write_text("".join(f"{to_toml(k)} = {to_toml(v)}\n" for k, v in file.items()))
        loaded = load(path, profile=profile, environ={"A": "1"}, overrides=overrides)
        assert render(loaded.findings)
        lines = path.read_text().count("\n") + 1
        for finding in loaded.findings:
            if finding.position.file == path:
                assert 1 <= finding.position.line <= lines
            assert finding.message
            assert finding.why
            assert finding.mend
        assert plan_units(loaded.stack)
