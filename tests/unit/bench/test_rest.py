"""Reading what generators print, and writing tables into a page."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.rest.compare import Series
from bench.rest.load import LoadFailed, Round, read_output
from bench.rest.page import rewrite
from bench.rest.questions import GOAL_CONNECTIONS, ROW
from bench.rest.report import lines_of, verdicts_of
from bench.rest.servers import GAVAN, POSTGREST_ONE

PRINTED = """Running 1s test @ http://127.0.0.1:20001/rest/v1
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     5.13ms    1.20ms  33.70ms   88.00%
    Req/Sec     3.10k   100.00     3.20k    70.00%
  Latency Distribution
     50%  500.00us
     75%    5.50ms
     90%    6.00ms
     99%    1.03s
  2000 requests in 1.00s, 1.10MB read
Requests/sec:   1998.50
Transfer/sec:      1.10MB
"""


def test_rates_latencies_and_costs_are_read() -> None:
    assert read_output(PRINTED, server_s=0.5, postgres_s=0.2) == Round(
        per_s=1998.5, p50_ms=0.5, p99_ms=1030.0, cpu_us=250.0, postgres_us=100.0
    )


@pytest.mark.parametrize(
    ("line", "because"),
    [
        ("  Non-2xx or 3xx responses: 3", "errors under load"),
        ("  Socket errors: connect 0, read 0, write 0, timeout 2", "errors under load"),
    ],
)
def test_errors_under_load_are_no_rate(line: str, because: str) -> None:
    with pytest.raises(LoadFailed, match=because):
        read_output(f"{PRINTED}{line}\n", server_s=0.5, postgres_s=0.2)


def test_a_server_that_answered_nothing_has_no_rate() -> None:
    with pytest.raises(LoadFailed, match="nothing was answered"):
        read_output(PRINTED.replace("2000 requests", "0 requests"), server_s=0.5, postgres_s=0.2)


def test_only_the_marked_part_of_the_page_is_rewritten(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("above\n<!-- a -->\nold\n<!-- /a -->\nbelow\n")
    for _ in range(2):
        rewrite("a", "| new |\n", page)
        assert page.read_text() == "above\n<!-- a -->\n\n| new |\n\n<!-- /a -->\nbelow\n"
    with pytest.raises(ValueError, match="no marks"):
        rewrite("b", "| new |\n", page)


def test_a_ratio_is_the_median_of_its_rounds() -> None:
    def series(contender: str, *rates: float) -> Series:
        return Series(ROW, GOAL_CONNECTIONS, contender, tuple(Round(per_s=one) for one in rates))

    # The machine was slow in the second round: it hit both, so the ratio of that round holds.
    lines = lines_of([series(GAVAN, 300, 30, 280), series(POSTGREST_ONE, 100, 20, 200)])
    assert [line.ratio for line in lines] == [None, 1.5]
    (verdict,) = verdicts_of(lines)
    assert (verdict.ratio, verdict.goal, verdict.is_met) == (1.5, 1.3, True)
    assert (lines[0].per_s, lines[0].low, lines[0].high) == (280, 30, 300)
