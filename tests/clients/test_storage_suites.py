"""The storage test suites of the published clients, unmodified, against our core."""

from __future__ import annotations

import secrets
import shutil
import time
from pathlib import Path
from uuid import uuid4

import pytest

from gavan.kit.jwt import sign
from gavan.kit.secret import Secret
from tests.clients.suites.running import (
    JS,
    PY,
    STORAGE,
    expected,
    run_jest,
    run_pytest,
    run_vitest,
)
from tests.conftest import JWT_SECRET, Database
from tests.live import running_core

# The bucket and the folder of which that suite's README speaks.
RLS = """
insert into storage.buckets (id, name) values ('bucket2', 'bucket2');
create policy "a folder of all users" on storage.objects for all to authenticated
using (bucket_id = 'bucket2' and (storage.foldername(name))[1] = 'authenticated')
"""


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


@pytest.mark.slow
def test_the_black_box_suite_of_the_storage_service_passes_but_for_the_listed(
    request: pytest.FixtureRequest, database: Database, tmp_path: Path
) -> None:
    shutil.copytree(STORAGE.path() / "acceptance", tmp_path / "acceptance")
    shutil.copy(STORAGE.path() / "tsconfig.json", tmp_path)
    npm: Path = request.getfixturevalue("npm")
    with database.connect() as connection:
        connection.execute(RLS)
    keys = {
        "S3_PROTOCOL_ACCESS_KEY_ID": secrets.token_hex(16),
        "S3_PROTOCOL_ACCESS_KEY_SECRET": secrets.token_hex(32),
    }
    user = {"role": "authenticated", "sub": str(uuid4()), "exp": int(time.time()) + 600}
    with running_core(database, tmp_path / "core.log", keys) as core:
        variables = {
            "ACCEPTANCE_PROFILE": "full",
            "ACCEPTANCE_BASE_URL": f"{core.url}/storage/v1",
            "ACCEPTANCE_SERVICE_KEY": core.service_key,
            "ACCEPTANCE_ANON_KEY": core.anon_key,
            "ACCEPTANCE_AUTHENTICATED_KEY": sign(user, Secret(JWT_SECRET)),
            "ACCEPTANCE_S3_ACCESS_KEY_ID": keys["S3_PROTOCOL_ACCESS_KEY_ID"],
            "ACCEPTANCE_S3_SECRET_ACCESS_KEY": keys["S3_PROTOCOL_ACCESS_KEY_SECRET"],
            "ACCEPTANCE_ENABLE_RENDER": "true",
            "ACCEPTANCE_ENABLE_RLS_SETUP": "true",
            "ACCEPTANCE_ENABLE_CDN": "true",
            "STORAGE_BACKEND": "file",
        }
        config = "acceptance/acceptance.vitest.config.ts"
        done = run_vitest(tmp_path, npm, config, variables, tmp_path / "report.json")
    assert done.count > 50
    assert done.failed == expected("storage_service"), done.output
