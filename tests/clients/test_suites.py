"""The data-API test suites of the published clients, unmodified, against our core.

Each has a file of the tests that fail, each with its reason; anything else is a fault.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gavan.database.embedded import ADMIN
from tests.alone import running_alone
from tests.clients.suites.checkout import Checkout
from tests.conftest import Database
from tests.live import running_core

SUITES = Path(__file__).parent / "suites"
JS = Checkout("supabase/supabase-js", "v2.109.0", "GAVAN_SUPABASE_JS")
PY = Checkout("supabase/supabase-py", "v2.30.0", "GAVAN_SUPABASE_PY")
POSTGIS = re.compile(
    r"create extension if not exists postgis[^;]*;|extensions\.geometry\([^)]*\)", re.IGNORECASE
)
"""The embedded Postgres has no PostGIS: its one column becomes text, its one test is listed"""


def expected(name: str) -> dict[str, str]:
    """Return the failing tests of a suite and why each fails."""
    return dict(tomllib.loads((SUITES / f"{name}.toml").read_text())["failures"])


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
            options = [f"--config={SUITES / 'jest.config.cjs'}", "--ci", f"--outputFile={report}"]
            done = subprocess.run(
                [str(npm / ".bin/jest"), "--json", *options],
                cwd=root,
                env=os.environ
                | {
                    "NODE_PATH": str(npm),
                    "SUITE_ROOT": str(root),
                    "SUITE_FILES": '["*.test.ts"]',
                    "SUITE_ADDRESSES": json.dumps({"http://localhost:54321": core.url}),
                },
                capture_output=True,
                text=True,
                timeout=170,
                check=False,
            )
    assert report.exists(), done.stderr
    results = json.loads(report.read_text())["testResults"]
    tests = [test for file in results for test in file["assertionResults"]]
    failed = {test["fullName"] for test in tests if test["status"] == "failed"}
    failed |= {Path(file["name"]).name for file in results if not file["assertionResults"]}
    assert len(tests) > 200
    assert failed == set(expected("postgrest_js")), done.stderr[-20000:]


@pytest.mark.slow
def test_the_suite_of_postgrest_py_passes_but_for_the_listed(
    database: Database, tmp_path: Path
) -> None:
    root = PY.path() / "src/postgrest"
    report = tmp_path / "report.xml"
    with database.connect() as connection:
        connection.execute((root / "infra/init.sql").read_bytes())
    options = {
        "PGRST_DB_SCHEMAS": "public,personal",
        "PGRST_DB_EXTRA_SEARCH_PATH": "extensions",
        "PGRST_DB_ANON_ROLE": "postgres",
        "PGRST_DB_PLAN_ENABLED": "1",
        "PGRST_DB_TX_END": "commit-allow-override",
    }
    plugins = ["-p", "redirect", "-p", "no:cacheprovider", "-W", "ignore"]
    with running_alone(database.url(), tmp_path / "core.log", options) as core:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                *plugins,
                f"--junitxml={report}",
                "--rootdir=.",
                "tests",
            ],
            cwd=root,
            # The client of the checkout, not the one installed: tests and client are of one tag.
            env=os.environ
            | {"CORE_URL": str(core.client.base_url), "PYTHONPATH": f"{root / 'src'}:{SUITES}"},
            capture_output=True,
            text=True,
            timeout=170,
            check=False,
        )
    assert report.exists(), done.stdout + done.stderr
    cases = list(ET.parse(report).iter("testcase"))
    failed = {
        f"{case.get('classname')}.{case.get('name')}"
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    }
    assert len(cases) > 200
    assert failed == set(expected("postgrest_py")), done.stdout[-20000:]
