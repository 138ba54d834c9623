"""Every rule has a bad and a good example: bad lines are named by ``<-``, good ones are silent."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gavan.database.lint.rule import Kind
from gavan.database.lint.rules import BY_CODE, RULES
from gavan.database.lint.run import Rules, Sources, lint_files
from gavan.database.migration.split import split
from gavan.stack.findings import Finding
from gavan.stack.schema.lint import MIGRATIONS_LINT

EXAMPLES = Path(__file__).parent / "examples"
LEVELS = {key.name: str(key.default) for key in MIGRATIONS_LINT.keys}
CODES = [rule.code for rule in RULES]
_SQL = re.compile(r"^(?:create|alter|drop|insert)[^\n]*;$")
_BLANK = re.compile(r"\((?:a value|its key)\)")
_NEXT = re.compile(r"; (?:in the next file:|then)")


def judge(code: str, name: str) -> tuple[Finding, ...]:
    folder = EXAMPLES / code
    file = folder / f"{name}.sql"
    others = {part: folder / f"{part}.sql" for part in ("before", "after")}
    before, after = ([path] if path.is_file() else [] for path in others.values())
    kinds = BY_CODE[code].kinds
    rules = Rules(levels=LEVELS, exposed=("public",))
    if Kind.UP in kinds:
        sources = Sources(ups=[*before, file, *after])
    elif Kind.DOWN in kinds:
        sources = Sources(downs=[file])
    else:
        sources = Sources(seeds=[file])
    # The examples are named after what they show, not as migrations.
    found = lint_files(sources, rules, only=[file])
    return tuple(finding for finding in found if finding.code != "GV302")


@pytest.mark.parametrize("code", CODES)
def test_a_bad_example_is_found_at_its_lines_and_nowhere_else(code: str) -> None:
    text = (EXAMPLES / code / "bad.sql").read_text()
    wanted = {n for n, line in enumerate(text.splitlines(), start=1) if line.endswith("<-")}
    found = judge(code, "bad")
    assert {finding.position.line for finding in found if finding.code == code} == wanted
    assert wanted


@pytest.mark.parametrize("code", CODES)
def test_a_good_example_is_silent(code: str) -> None:
    assert judge(code, "good") == ()


@pytest.mark.parametrize("code", CODES)
def test_mends_that_look_like_sql_are_sql(code: str) -> None:
    findings = [finding for finding in judge(code, "bad") if finding.code == code]
    assert all(finding.why and finding.mend for finding in findings)
    for finding in findings:
        if _SQL.match(finding.mend):
            split(_NEXT.sub(";", _BLANK.sub("(x)", finding.mend)))


def test_every_rule_is_a_key_of_the_stack_file_and_has_examples() -> None:
    assert sorted(LEVELS) == sorted(CODES)
    assert sorted(folder.name for folder in EXAMPLES.iterdir()) == sorted(CODES)
