"""The realtime test suites of the published clients, unmodified, against our core."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.suites.running import JS, PY, expected, run_jest, run_pytest
from tests.conftest import Database
from tests.live import running_core

CONFIRMED = {"GOTRUE_MAILER_AUTOCONFIRM": "true"}
"""The config.toml of both suites has no confirmations by mail"""


@pytest.mark.slow
def test_the_integration_suite_of_supabase_js_passes_but_for_the_listed(
    request: pytest.FixtureRequest, database: Database, tmp_path: Path
) -> None:
    root = JS.path() / "packages/core/supabase-js"
    npm: Path = request.getfixturevalue("npm")  # nothing is installed without a suite
    seed = root / "supabase/seed/seed_todos.sql"
    with database.connect() as connection:
        for file in (*sorted((root / "supabase/migrations").glob("*.sql")), seed):
            connection.execute(file.read_bytes())
    with running_core(database, tmp_path / "core.log", CONFIRMED) as core:
        addresses = {"http://127.0.0.1:54321": core.url}
        done = run_jest(root, npm, ["integration.test.ts"], addresses, tmp_path / "report.json")
    assert done.count > 30
    assert done.failed == expected("supabase_js"), done.output


@pytest.mark.slow
def test_the_suite_of_realtime_py_passes_but_for_the_listed(
    request: pytest.FixtureRequest, database: Database, tmp_path: Path
) -> None:
    root = PY.path() / "src/realtime"
    packages: Path = request.getfixturevalue("packages")
    with database.connect() as connection:
        for file in sorted((root / "infra/supabase/migrations").glob("*.sql")):
            connection.execute(file.read_bytes())
    with running_core(database, tmp_path / "core.log", CONFIRMED) as core:
        done = run_pytest(
            root,
            [],
            {"SUPABASE_URL": core.url, "SUPABASE_PUBLISHABLE_KEY": core.anon_key},
            tmp_path / "report.xml",
            [packages],
        )
    assert done.count > 20
    assert done.failed == expected("realtime_py"), done.output
