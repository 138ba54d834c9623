"""The auth test suites of the published clients, unmodified, against our core.

They assume GoTrues at fixed ports, each told otherwise; the variables are those of their own
checkouts.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from gavan.engines.embedded.environment import reveal
from gavan.stack.load import load_stack
from tests.clients.suites.compose import gotrue_services
from tests.clients.suites.running import JS, PY, expected, run_jest, run_pytest
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
    request: pytest.FixtureRequest, database: Database, tmp_path: Path
) -> None:
    root = JS.path() / "packages/core/auth-js"
    npm: Path = request.getfixturevalue("npm")  # nothing is installed without a suite
    subprocess.run(
        ["node", "generate-signing-keys.js"], cwd=root / "test", check=True, capture_output=True
    )
    services = compose_services(root / "infra/docker-compose.yml")
    keys = root / "test/supabase/signing_keys.json"
    services["http://127.0.0.1:54321/auth/v1"] = cli_service(root, keys, tmp_path)
    with gotrues(database, services, tmp_path) as addresses:
        done = run_jest(root, npm, LIVE_FILES, addresses, tmp_path / "report.json")
    assert done.count > 200
    assert done.failed == expected("auth_js"), done.output


@pytest.mark.slow
def test_the_suite_of_auth_py_passes_but_for_the_listed(database: Database, tmp_path: Path) -> None:
    root = PY.path() / "src/auth"
    services = compose_services(root / "infra/docker-compose.yml")
    options = ["-p", "redirect_httpx", "-o", "asyncio_mode=auto"]
    with gotrues(database, services, tmp_path) as addresses:
        variables = {"SUITE_ADDRESSES": json.dumps(addresses)}
        done = run_pytest(root, options, variables, tmp_path / "report.xml")
    assert done.count > 150
    assert done.failed == expected("auth_py"), done.output
