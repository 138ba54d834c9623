"""The storage test suites of the published clients, unmodified, against our core."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.suites.running import JS, PY, expected, run_jest, run_pytest
from tests.conftest import Database
from tests.live import running_core


@pytest.mark.slow
def test_the_suite_of_storage_js_passes_but_for_the_listed(
    request: pytest.FixtureRequest, database: Database, tmp_path: Path
) -> None:
    root = JS.path() / "packages/core/storage-js"
    npm: Path = request.getfixturevalue("npm")  # nothing is installed without a suite
    with database.connect() as connection:
        connection.execute((root / "test/supabase/seed.sql").read_bytes())
    with running_core(database, tmp_path / "core.log") as core:
        addresses = {"http://127.0.0.1:54321": core.url}
        done = run_jest(root, npm, ["*.test.ts"], addresses, tmp_path / "report.json")
    assert done.count > 170
    assert done.failed == expected("storage_js"), done.output


@pytest.mark.slow
def test_the_suite_of_storage_py_passes_but_for_the_listed(
    request: pytest.FixtureRequest, database: Database, tmp_path: Path
) -> None:
    root = PY.path() / "src/storage"
    packages: Path = request.getfixturevalue("packages")
    with database.connect() as connection:
        for file in sorted((root / "infra/supabase/migrations").glob("*.sql")):
            connection.execute(file.read_bytes())
    # Its fixtures empty buckets with the key of anon, as upstream let them until 2026-08-18.
    options = {"GAVAN_STORAGE_EMPTY_REQUIRES_SERVICE_ROLE": "false"}
    with running_core(database, tmp_path / "core.log", options) as core:
        done = run_pytest(
            root,
            ["-o", "asyncio_mode=auto"],
            {"SUPABASE_TEST_URL": f"{core.url}/storage/v1/"},
            tmp_path / "report.xml",
            [packages],
        )
    assert done.count > 80
    assert done.failed == expected("storage_py"), done.output
