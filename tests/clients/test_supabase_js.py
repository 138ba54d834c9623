"""The unmodified @supabase/supabase-js works against the core."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("part", ["auth", "data", "realtime", "storage"])
def test_supabase_js_works_unmodified(run_node: Callable[[str], None], part: str) -> None:
    run_node(f"{part}.test.mjs")
