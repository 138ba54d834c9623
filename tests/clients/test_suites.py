"""The data-API test suites of the published clients, unmodified, against our core."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gavan.database.embedded import ADMIN
from tests.alone import running_alone
from tests.clients.suites.running import JS, PY, expected, run_jest, run_pytest
from tests.conftest import Database
from tests.live import running_core

POSTGIS = re.compile(
    r"create extension if not exists postgis[^;]*;|extensions\.geometry\([^)]*\)", re.IGNORECASE
)
"""The embedded Postgres has no PostGIS: its one column becomes text, its one test is listed"""


@contextmanager
def role_settings_restored(database: Database) -> Iterator[None]:
    """Undo what a fixture does to the login role: roles belong to the whole cluster."""
    try:
        yield
    finally:
        with database.connect(ADMIN) as admin:
            found = admin.execute(
                "select setting from pg_roles, unnest(rolconfig) setting"
                " where rolname = 'authenticator' and setting like 'pgrst.%'"
            ).fetchall()
            for (setting,) in found:
                admin.execute(f"alter role authenticator reset {setting.partition('=')[0]}")


@pytest.mark.slow
def test_the_suite_of_postgrest_js_passes_but_for_the_listed(
    request: pytest.FixtureRequest, database: Database, tmp_path: Path
) -> None:
    root = JS.path() / "packages/core/postgrest-js"
    npm: Path = request.getfixturevalue("npm")  # nothing is installed without a suite
    report = tmp_path / "report.json"
    with role_settings_restored(database):
        with database.connect() as connection:
            for name in ("migrations/00000000000000_schema.sql", "seed.sql"):
                text = (root / "test/supabase" / name).read_text()
                connection.execute(
                    POSTGIS.sub(
                        lambda found: "" if found[0].endswith(";") else "text", text
                    ).encode()
                )
        with running_core(
            database, tmp_path / "core.log", {"PGRST_DB_SCHEMAS": "public,personal"}
        ) as core:
            done = run_jest(root, npm, ["*.test.ts"], {"http://localhost:54321": core.url}, report)
    assert done.count > 200
    assert done.failed == expected("postgrest_js"), done.output


@pytest.mark.slow
def test_the_suite_of_postgrest_py_passes_but_for_the_listed(
    database: Database, tmp_path: Path
) -> None:
    root = PY.path() / "src/postgrest"
    with database.connect() as connection:
        connection.execute((root / "infra/init.sql").read_bytes())
    options = {
        "PGRST_DB_SCHEMAS": "public,personal",
        "PGRST_DB_EXTRA_SEARCH_PATH": "extensions",
        "PGRST_DB_ANON_ROLE": "postgres",
        "PGRST_DB_PLAN_ENABLED": "1",
        "PGRST_DB_TX_END": "commit-allow-override",
    }
    with running_alone(database.url(), tmp_path / "core.log", options) as core:
        variables = {"CORE_URL": str(core.client.base_url)}
        done = run_pytest(root, ["-p", "redirect"], variables, tmp_path / "report.xml")
    assert done.count > 200
    assert done.failed == expected("postgrest_py"), done.output
