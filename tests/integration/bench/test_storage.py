"""The bench of storage runs and sees what it looks for; nothing here asserts how fast it is."""

from __future__ import annotations

from bench.storage.__main__ import as_markdown, measure
from bench.storage.measure import DISK
from bench.storage.servers import CADDY, GAVAN, RCLONE


def test_small_objects_are_measured_both_ways_and_shown() -> None:
    found = measure(["4 kB"], turns=1, seconds=1)
    assert set(found["down", "4 kB"]) == {GAVAN, CADDY, RCLONE}
    assert set(found["up", "4 kB"]) == {GAVAN, RCLONE, DISK}
    shown = as_markdown("here", found)
    assert all(f"| {who} |" in shown for who in (GAVAN, CADDY, RCLONE, DISK))
