"""Where the file of an applied migration went: the commit that still has it, on any branch.

Stands beside `gavan migrate status`; reads git and nothing else.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

TIMEOUT_S = 20


def checkout_line(folder: Path, version: str) -> str | None:
    """Return the command that brings a missing migration back; None when git does not know it."""
    words = [
        "log", "--all", "-1", "--format=%h", "--name-only", "--relative", "--diff-filter=AMR",
        "--", f":(glob){version}_*.sql",
    ]  # fmt: skip
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.split("\n")
    names = [line for line in lines[1:] if line]
    if done.returncode or not names:
        return None
    return f"git -C {folder} checkout {lines[0]} -- {names[0]}"
