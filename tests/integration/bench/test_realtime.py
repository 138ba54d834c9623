"""The bench of realtime runs and sees what it looks for; nothing here asserts how fast it is."""

from __future__ import annotations

from pathlib import Path

from bench.realtime.__main__ import Found, Size, as_markdown
from bench.realtime.measure import fan_out, idle
from bench.realtime.rows import changes_per_s, delay, prepare
from bench.realtime.servers import GAVAN, core
from gavan.database.embedded import Server


def test_everything_is_measured_and_shown(server: Server, tmp_path: Path) -> None:
    size, found = Size(rounds=1, listeners=20, bursts=(3,), claims=(2,), per_s=50), Found()
    prepare(server)
    with core(server, tmp_path) as target:
        told = fan_out(target, listeners=20, burst=3, seconds=0.2)
        found.fan_outs[3, GAVAN] = [told]
        found.passed[2] = [changes_per_s(target, server, claims=2, rows=20)]
        found.delays.append(delay(target, server, per_s=50, seconds=0.4))
        found.idle = idle(target, 20)
    assert told.per_s > 0 < found.delays[0].p50_ms
    shown = as_markdown("here", size, found)
    for expected in ("| gavan | 3 |", "| 2 |", "At 50 commits a second", "20 idle sockets"):
        assert expected in shown
