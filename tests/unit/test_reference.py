"""The reference pages say what the code says."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from gavan.stack.findings import render
from gavan.stack.load import load
from gavan.stack.schema.key import Section
from gavan.stack.schema.sections import SECTIONS
from tools import reference

ROOT = Path(__file__).parents[2]


def test_generated_pages_are_up_to_date() -> None:
    assert reference.stale() == [], "run: make docs"


def test_annotated_example_loads_without_a_finding(tmp_path: Path) -> None:
    file = tmp_path / "gavan.toml"
    file.write_text(reference.example())
    for folder in ("backend", "web", "supabase/migrations", "supabase/seeds"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("supabase/seed.sql", "supabase/seeds/mock.sql"):
        (tmp_path / name).touch()
    named = re.findall(r"secret://(\w+)", reference.example())
    findings = load(file, environ=_values([*named, "XAI_API_KEY"])).findings
    assert findings == (), render(findings)


def _values(names: list[str]) -> dict[str, str]:
    return {name: "https://example.com/x" if name.endswith("_URL") else "x" for name in names}


def _blocks() -> Iterator[tuple[str, str]]:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("stacks/*/*.md")]
    for page in pages:
        for block in re.findall(r"^```toml\n(.*?)^```", page.read_text(), re.M | re.S):
            yield str(page.relative_to(ROOT)), block


@pytest.mark.parametrize(("page", "block"), list(_blocks()))
def test_toml_in_the_documents_loads(page: str, block: str, tmp_path: Path) -> None:
    file = tmp_path / "gavan.toml"
    file.write_text(block if "[stack]" in block else f'[stack]\nname = "docs"\n{block}')
    findings = [f for f in load(file, environ={}).findings if f.code not in ("GV150", "GV160")]
    assert findings == [], f"{page}\n{render(findings)}"


def _keys(section: Section) -> Iterator[str]:
    for key in section.keys:
        yield key.name
        if key.section is not None:
            yield from _keys(key.section)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.title)
def test_example_and_page_name_every_key(section: Section) -> None:
    text = reference.example()
    path = [section.example if part == "*" else part for part in section.path]
    table = tomllib.loads(text)
    for part in path:
        table = table[part]
    page = reference.page()
    assert f"## [{section.title}]" in page
    for name in _keys(section):
        assert re.search(rf"\b{name}(?: = |[].])", text) or name in ("tcp", "exec"), name
        assert f"| `{name}` |" in page, name


def test_every_error_code_is_explained() -> None:
    page = (ROOT / "docs" / "reference" / "errors.md").read_text()
    explained = set(re.findall(r"GV\d{3}", page))
    for first, last in re.findall(r"GV(\d{3})-GV(\d{3})", page):
        explained |= {f"GV{number:03}" for number in range(int(first), int(last) + 1)}
    raised = {
        code
        for file in (ROOT / "gavan").rglob("*.py")
        for code in re.findall(r'"(GV\d{3})"', file.read_text())
    }
    assert raised - explained == set(), "explain them in docs/reference/errors.md"
