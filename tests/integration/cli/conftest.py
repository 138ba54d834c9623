"""One running stack for the verbs about its objects, started by the real command line."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gavan.cli.main import main
from tests.cli_stack import LiveStack

STORAGE = """
[profiles.real]
protected = true
[core.storage]
file_size_limit = "64MiB"
[core.storage.buckets.files]
[core.storage.buckets.small]
file_size_limit = "1KB"
allowed_mime_types = ["text/*"]
allow_prefixes = ["notes/"]
"""
Gavan = Callable[..., Any]


@pytest.fixture(scope="session")
def live() -> Iterator[LiveStack]:
    """A stack of a database and the core, with two buckets."""
    folder = Path(tempfile.mkdtemp(prefix="gv", dir="/tmp"))
    folder.chmod(0o755)
    stack = LiveStack(folder, 'services = ["storage"]\n' + STORAGE)
    try:
        stack.up()
        yield stack
    finally:
        stack.gavan("down", "--force")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def gavan(live: LiveStack, capsys: pytest.CaptureFixture[str]) -> Gavan:
    """Run a verb of storage in this process; its data, or the code and text of its error.

    Raises AssertionError unless the exit code is ``code``.
    """

    def run(*argv: object, code: int = 0, yes: bool = True) -> Any:
        flags = ["--json", "-f", str(live.root / "gavan.toml"), *(["--yes"] if yes else [])]
        capsys.readouterr()
        ended = main([*flags, "storage", *map(str, argv)])
        printed = capsys.readouterr()
        answer = json.loads(printed.out.splitlines()[-1])
        assert ended == code, f"{printed.out}\n{printed.err}"
        return answer["data"] if answer["error"] is None else answer["error"]

    return run


@pytest.fixture
def empty(gavan: Gavan) -> Gavan:
    """The same, with the bucket files empty."""
    gavan("rm", "-r", "ss:///files")
    return gavan
