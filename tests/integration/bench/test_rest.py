"""The benches of the data API run and tell the truth; nothing here asserts how fast anything is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.rest.compare import Plan, compare_on, load_schema
from bench.rest.dialects import POSTGREST
from bench.rest.equality import Differs, check_equal
from bench.rest.limit import LIMIT, PIPELINE
from bench.rest.questions import GOAL_CONNECTIONS, KEY, LIST, QUESTIONS, Question
from bench.rest.report import as_json, as_markdown, as_text, lines_of, verdicts_of
from bench.rest.servers import GAVAN, Target, start_gavan
from gavan.database.embedded import Server


def test_one_round_beside_the_limit_is_reported(server: Server, tmp_path: Path) -> None:
    plan = Plan(connections={GOAL_CONNECTIONS: 1}, seconds=1, servers=(GAVAN,), questions=(LIST,))
    found = compare_on(server, tmp_path, plan)
    rates = {series.contender: series.rounds[0].per_s for series in found}
    assert set(rates) == {GAVAN, LIMIT, PIPELINE}
    assert all(rates.values())
    ours = found[0].rounds[0]
    assert min(ours.p99_ms - ours.p50_ms + 1, ours.p50_ms, ours.cpu_us, ours.postgres_us) > 0
    lines = lines_of(found)
    (verdict,) = verdicts_of(lines)
    assert verdict.ratio == rates[GAVAN] / rates[LIMIT]
    for shown in (as_text("here", lines), as_markdown("here", "make it", lines)):
        assert f"x {verdict.ratio:.2f}" in shown
    assert as_json("here", found)["goals"][0]["beside"] == LIMIT


def test_servers_that_answer_differently_are_not_measured(server: Server, tmp_path: Path) -> None:
    load_schema(server)
    with start_gavan(server, tmp_path) as target:
        check_equal([target, target])
        for question in QUESTIONS:
            with pytest.raises(Differs, match=question.name):
                check_equal([target, _asking_otherwise(target, question)])


def _asking_otherwise(target: Target, wanted: Question) -> Target:
    """Return the same server, which is asked for other rows where ``wanted`` is asked."""
    requests = dict(POSTGREST.requests)
    request = requests[wanted]
    requests[wanted] = replace(
        request,
        path=request.path.replace(KEY, f"{KEY}0"),
        body=request.body and request.body.replace("bench", "other"),
    )
    return replace(target, dialect=replace(POSTGREST, requests=requests))
