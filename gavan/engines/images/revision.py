"""Which commit the stack is at, and what images made from it are called.

Stands below build.py; asks git, changes nothing.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from gavan.kit.errors import GavanError

MAIN_LATEST = "main-latest"
MAIN = "main"
SHORT = 7
TAG = re.compile(r"sha-[0-9a-f]{7,12}(-dirty)?|main-latest|v\d+\.\d+\.\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A commit; ``dirty`` when the files differ from it. ``source`` is the URL of the repository,
    without a login, empty when there is none."""

    commit: str
    branch: str
    dirty: bool
    source: str

    @property
    def tag(self) -> str:
        """``sha-1a2b3c4``: stays with these files for ever unless it ends in ``-dirty``."""
        return f"sha-{self.commit[:SHORT]}{'-dirty' if self.dirty else ''}"

    @property
    def tags(self) -> tuple[str, ...]:
        """All tags that images of this revision get."""
        moves = self.branch == MAIN and not self.dirty
        return (self.tag, MAIN_LATEST) if moves else (self.tag,)


def read_revision(root: Path) -> Revision:
    """Return the revision of the folder; raise GavanError GV502 outside a repository."""
    commit = _git(root, "rev-parse", "--verify", "HEAD")
    if commit is None:
        raise GavanError(
            "GV502",
            f"{root} has no commit, so its images would have no name",
            details="images are called after the commit they are made of",
            hint='git init && git add . && git commit -m "begin", or name one: --tag v0.1.0',
            exit_code=2,
        )
    status = _git(root, "status", "--porcelain", "--", ".") or ""
    return Revision(
        commit=commit,
        branch=_git(root, "symbolic-ref", "--short", "-q", "HEAD") or "",
        dirty=bool(status),
        source=_without_login(_git(root, "remote", "get-url", "origin") or ""),
    )


def descends(root: Path, commit: str, ancestor: str) -> bool | None:
    """Say whether ``commit`` comes after ``ancestor`` or is it; None when git does not know."""
    if _git(root, "cat-file", "-e", f"{ancestor}^{{commit}}") is None:
        return None
    return _git(root, "merge-base", "--is-ancestor", ancestor, commit) is not None


def _without_login(url: str) -> str:
    return re.sub(r"(?<=://)[^/@]*@", "", url)


def _git(root: Path, *words: str) -> str | None:
    """Return what git printed; None when it failed or is not there."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
