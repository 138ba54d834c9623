"""The clients' own repositories at one tag: a path given by hand, else a clone of today's network.

Neither npm nor PyPI carries the tests, and their text is not ours to commit.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.packages import alone

CLONES = Path(__file__).parent / ".checkouts"


@dataclass(frozen=True, slots=True)
class Checkout:
    """A repository and the tag whose failures are written down."""

    repository: str
    tag: str
    variable: str
    """Environment variable that names a checkout made by hand"""

    def path(self) -> Path:
        """Return the root; skip the test when neither variable nor network has it."""
        if given := os.environ.get(self.variable):
            return Path(given)
        target = CLONES / f"{self.repository.rpartition('/')[2]}-{self.tag}"
        url = f"https://github.com/{self.repository}"
        with alone(Path(__file__)):
            if not target.exists() and (reason := _clone(url, self.tag, target)):
                pytest.skip(
                    f"{url} cannot be cloned: {reason};"
                    f" set {self.variable} to a checkout of {self.tag}"
                )
        return target


def _clone(url: str, tag: str, target: Path) -> str | None:
    """Clone one tag; return why it could not be done."""
    try:
        done = subprocess.run(
            ["git", "clone", "-q", "--depth=1", f"--branch={tag}", url, str(target)],
            env=os.environ | {"GIT_TERMINAL_PROMPT": "0"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stderr.strip()[-200:] if done.returncode else None
