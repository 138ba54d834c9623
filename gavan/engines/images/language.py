"""What an app is written in, read off the files in its folder.

Stands below dockerfiles.py.
"""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path

from gavan.kit.errors import GavanError


class Language(StrEnum):
    PYTHON = "python"
    NODE = "node"


MARKS = {
    "pyproject.toml": Language.PYTHON,
    "requirements.txt": Language.PYTHON,
    "package.json": Language.NODE,
}
LOCKS = {
    "package-lock.json": "npm",
    "pnpm-lock.yaml": "pnpm",
    "yarn.lock": "yarn",
}


def language_of(name: str, folder: Path) -> Language:
    """Return the language of the app ``name``; raise GavanError GV503 when nothing tells."""
    for mark, language in MARKS.items():
        if (folder / mark).is_file():
            return language
    raise GavanError(
        "GV503",
        f"no image can be made up for {name}: nothing in {folder} tells what it is written in",
        details=f"looked for {', '.join(MARKS)}",
        hint=f"write {folder / 'Dockerfile'}, or name an image: [apps.{name}] image",
        exit_code=2,
    )


def package_manager(folder: Path) -> str:
    """Return the package manager whose lock file lies there, else npm."""
    return next((tool for lock, tool in LOCKS.items() if (folder / lock).is_file()), "npm")


def has_script(folder: Path, name: str) -> bool:
    """Say whether package.json has a script of this name."""
    try:
        package = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(package, dict) and name in (package.get("scripts") or {})
