"""Run a client's own test suite as it stands, and read which of its tests fail.

Stands between the tests of the suites and their runners. Each suite has a file of the tests that
fail, each with its reason; anything else is a fault.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.clients.suites.checkout import Checkout

SUITES = Path(__file__).parent
JS = Checkout("supabase/supabase-js", "v2.109.0", "GAVAN_SUPABASE_JS")
PY = Checkout("supabase/supabase-py", "v2.30.0", "GAVAN_SUPABASE_PY")
STORAGE = Checkout("supabase/storage", "v1.70.6", "GAVAN_SUPABASE_STORAGE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How many tests ran, the names of those that failed, and what the runner said."""

    count: int
    failed: set[str]
    output: str


def expected(name: str) -> set[str]:
    """Return the failing tests of a suite; why each fails stands beside it."""
    return set(tomllib.loads((SUITES / f"{name}.toml").read_text())["failures"])


def run_jest(
    root: Path, npm: Path, files: Sequence[str], addresses: Mapping[str, str], report: Path
) -> Report:
    """Run files of a package's ``test`` folder, its addresses led to ours.

    Args:
        npm: the node_modules with what the suites need.
        addresses: ours by the suite's.
        report: a file to be written.
    """
    options = [f"--config={SUITES / 'jest.config.cjs'}", "--ci", f"--outputFile={report}"]
    done = subprocess.run(
        [str(npm / ".bin/jest"), "--json", "--forceExit", *options],
        cwd=root,
        env=os.environ
        | {
            "NODE_PATH": str(npm),
            "SUITE_ROOT": str(root),
            "SUITE_FILES": json.dumps(list(files)),
            "SUITE_ADDRESSES": json.dumps(dict(addresses)),
        },
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert report.exists(), done.stderr
    return _read_jest(report, done.stderr)


def run_vitest(
    root: Path, npm: Path, config: str, variables: Mapping[str, str], report: Path
) -> Report:
    """Run a folder of tests that vitest runs.

    Args:
        root: a copy of the folder's parent: the packages are linked into it.
        npm: the node_modules with what the suites need.
        config: vitest's configuration, below ``root``.
        variables: of the environment.
        report: a file to be written.
    """
    (root / "node_modules").symlink_to(npm)
    options = [f"--config={config}", "--reporter=json", f"--outputFile={report}"]
    done = subprocess.run(
        [str(npm / ".bin/vitest"), "run", *options],
        cwd=root,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert report.exists(), done.stdout + done.stderr
    return _read_jest(report, done.stdout + done.stderr)


def _read_jest(report: Path, output: str) -> Report:
    results = json.loads(report.read_text())["testResults"]
    tests = [test for file in results for test in file["assertionResults"]]
    tests = [test for test in tests if test["status"] not in {"pending", "skipped"}]
    failed = {test["fullName"] for test in tests if test["status"] == "failed"}
    failed |= {Path(file["name"]).name for file in results if not file["assertionResults"]}
    return Report(count=len(tests), failed=failed, output=output[-20000:])


def run_pytest(
    root: Path,
    options: Sequence[str],
    variables: Mapping[str, str],
    report: Path,
    packages: Sequence[Path] = (),
) -> Report:
    """Run the ``tests`` of a package of a checkout.

    The client is that of the checkout, not the one installed: tests and client are of one tag.

    Args:
        options: of pytest, such as the plugin that leads the suite's addresses to ours.
        variables: of the environment.
        report: a file to be written.
        packages: where more packages are that the suite needs.
    """
    path = os.pathsep.join(map(str, (root / "src", SUITES, *packages)))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "ignore"),
            *(*options, f"--junitxml={report}", "--rootdir=.", "tests"),
        ],
        cwd=root,
        env=os.environ | {**variables, "PYTHONPATH": path},
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
    return Report(count=len(cases), failed=failed, output=done.stdout[-20000:])
