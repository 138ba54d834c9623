"""The bench of auth runs and sees what it looks for; nothing here asserts how fast anything is."""

from __future__ import annotations

from pathlib import Path

from bench.auth.__main__ import as_markdown
from bench.auth.measure import HASH, REFRESH, SIGN_IN, USER, ask, checks, hash_rate, serving
from gavan.database.embedded import Server


def test_every_endpoint_is_measured_and_shown(server: Server, tmp_path: Path) -> None:
    rounds = {HASH: [hash_rate(0.2)]}
    with serving(server, tmp_path) as served:
        for what in (SIGN_IN, REFRESH, USER):
            rounds[what] = [ask(served, what, 1, tmp_path)]
    tokens = checks()
    assert [check.algorithm for check in tokens] == ["HS256", "ES256", "RS256"]
    assert all(check.first_us > 0 < check.known_us for check in tokens)
    shown = as_markdown("here", rounds, tokens)
    assert all(f"| {what} |" in shown for what in (HASH, SIGN_IN, REFRESH, USER, "ES256"))
