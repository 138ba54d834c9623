"""The benches of size run and see what they look for; nothing here asserts how fast anything is."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from bench.rest.scale.cache import measure_cache
from bench.rest.scale.figures import Failed, Figure, as_json, as_markdown, as_text
from bench.rest.scale.idle import measure_idle
from bench.rest.scale.memory import measure_memory
from gavan.database.embedded import Server


def test_a_schema_is_loaded_and_reloaded(server: Server, tmp_path: Path) -> None:
    load, *_ = measure_cache(server, tmp_path, tables=60)
    assert load.value > 0
    log = (tmp_path / "gavan.log").read_text()
    assert "61 relations" in log  # the tables and the one that was there before them


def test_idle_connections_hold(server: Server, tmp_path: Path) -> None:
    each, whole, *_ = measure_idle(server, tmp_path, connections=50, hold_s=0)
    assert whole.value * 1024 > each.value * 50


def test_more_connections_than_files_are_refused_before_they_fail(
    server: Server, tmp_path: Path
) -> None:
    _, hard = psutil.Process(os.getpid()).rlimit(psutil.RLIMIT_NOFILE)
    if hard < 0:
        pytest.skip("no limit of open files here")
    with pytest.raises(Failed, match="ulimit -Hn"):
        measure_idle(server, tmp_path, connections=hard, hold_s=0)


def test_memory_is_looked_at_between_requests(server: Server, tmp_path: Path) -> None:
    first, _, last, *_ = measure_memory(server, tmp_path, requests=1, slice_s=1)
    assert first.value > 0
    assert last.value > 0


def test_a_goal_is_met_up_to_its_value_and_missed_beyond() -> None:
    met = Figure(name="one", value=1.0, unit="s", goal=1.0)
    missed = Figure(name="other", value=1.5, unit="s", goal=1.0)
    assert (met.verdict, missed.verdict) == ("met", "missed")
    for shown in (as_text([missed]), as_markdown("here", "make it", [missed])):
        assert "missed" in shown
        assert "1.50 s" in shown
    assert as_json("here", [met])["figures"][0]["goal"] == 1.0
