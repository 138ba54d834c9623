"""The auth test suites of the published clients, unmodified, against our core.

They assume GoTrues at fixed ports, each told otherwise; the variables are those of their own
checkouts. Each suite has a file of the tests that fail, each with its reason; anything else is a
fault.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from gavan.engines.embedded.environment import reveal
from gavan.stack.load import load_stack
from tests.clients.suites.compose import gotrue_services
from tests.clients.test_suites import JS, PY, SUITES, expected
from tests.conftest import Database
from tests.live import running_core

LIVE_FILES = [
    "GoTrueApi.test.ts",
    "GoTrueClient.test.ts",
    "passkey.e2e.test.ts",
    "docker-tests/*.test.ts",
]
"""The others speak to servers of their own"""


@contextmanager
def gotrues(
    database: Database, services: Mapping[str, Mapping[str, str]], folder: Path
) -> Iterator[dict[str, str]]:
    """Serve one database by one core for each address of a suite; give where each one is."""
    with ExitStack() as stack:
        found = {}
        for number, (address, told) in enumerate(services.items()):
            ours = {name: told[name] for name in told if name.startswith("GOTRUE_")}
            if not told.get("GOTRUE_SMS_TWILIO_ACCOUNT_SID"):
                # Named by the suite without an account: nothing can be sent either way.
                ours.pop("GOTRUE_SMS_PROVIDER", None)
            options = {
                **ours,
                "JWT_SECRET": told["GOTRUE_JWT_SECRET"],
                "API_EXTERNAL_URL": told.get("API_EXTERNAL_URL", address),
                "GAVAN_CORE_SERVICES": "auth",
                "GAVAN_INBOX_DIR": str(folder / "inbox"),
            }
            core = running_core(database, folder / f"core-{number}.log", options)
            found[address] = f"{stack.enter_context(core).url}/auth/v1"
        yield found


def compose_services(file: Path) -> dict[str, dict[str, str]]:
    """Return the variables of the GoTrues of a compose file by the addresses of the suites."""
    return {f"http://localhost:{port}": told for port, told in gotrue_services(file).items()}


def cli_service(root: Path, keys: Path, folder: Path) -> dict[str, str]:
    """Return the variables that a local stack with the suite's config.toml gives its GoTrue."""
    config = folder / "supabase/config.toml"
    config.parent.mkdir()
    shutil.copy(root / "test/supabase/config.toml", config)
    (folder / "gavan.toml").write_text('[stack]\nname = "suite"\n')
    named = {name: "of-no-use" for name in re.findall(r"env\((\w+)\)", config.read_text())}
    told = load_stack(folder / "gavan.toml", environ=named).core.auth
    return {
        **{f"GOTRUE_{name}": value for name, value in reveal(told).items()},
        "GOTRUE_JWT_SECRET": "super-secret-jwt-token-with-at-least-32-characters-long",
        "GOTRUE_JWT_KEYS": keys.read_text(),
        "GOTRUE_SITE_URL": "http://127.0.0.1:3000",
    }


@pytest.mark.slow
def test_the_suite_of_auth_js_passes_but_for_the_listed(
    npm: Path, database: Database, tmp_path: Path
) -> None:
    root = JS.path() / "packages/core/auth-js"
    report = tmp_path / "report.json"
    subprocess.run(
        ["node", "generate-signing-keys.js"], cwd=root / "test", check=True, capture_output=True
    )
    services = compose_services(root / "infra/docker-compose.yml")
    keys = root / "test/supabase/signing_keys.json"
    services["http://127.0.0.1:54321/auth/v1"] = cli_service(root, keys, tmp_path)
    with gotrues(database, services, tmp_path) as addresses:
        options = [f"--config={SUITES / 'jest.config.cjs'}", "--ci", f"--outputFile={report}"]
        done = subprocess.run(
            [str(npm / ".bin/jest"), "--json", "--forceExit", *options],
            cwd=root,
            env=os.environ
            | {
                "NODE_PATH": str(npm),
                "SUITE_ROOT": str(root),
                "SUITE_FILES": json.dumps(LIVE_FILES),
                "SUITE_ADDRESSES": json.dumps(addresses),
            },
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
    assert report.exists(), done.stderr
    results = json.loads(report.read_text())["testResults"]
    tests = [test for file in results for test in file["assertionResults"]]
    failed = {test["fullName"] for test in tests if test["status"] == "failed"}
    failed |= {Path(file["name"]).name for file in results if not file["assertionResults"]}
    assert len(tests) > 200
    assert failed == set(expected("auth_js")), done.stderr[-20000:]


@pytest.mark.slow
def test_the_suite_of_auth_py_passes_but_for_the_listed(database: Database, tmp_path: Path) -> None:
    root = PY.path() / "src/auth"
    report = tmp_path / "report.xml"
    services = compose_services(root / "infra/docker-compose.yml")
    plugins = ["-p", "redirect_httpx", "-p", "no:cacheprovider", "-W", "ignore"]
    with gotrues(database, services, tmp_path) as addresses:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", *plugins, f"--junitxml={report}"),
                *("--rootdir=.", "-o", "asyncio_mode=auto", "tests"),
            ],
            cwd=root,
            # The client of the checkout, not the one installed: tests and client are of one tag.
            env=os.environ
            | {
                "SUITE_ADDRESSES": json.dumps(addresses),
                "PYTHONPATH": f"{root / 'src'}:{SUITES}",
            },
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
    assert report.exists(), done.stdout + done.stderr
    cases = list(ET.parse(report).iter("testcase"))
    failed = {
        f"{case.get('classname')}.{case.get('name')}"
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    }
    assert len(cases) > 150
    assert failed == set(expected("auth_py")), done.stdout[-20000:]
