"""The stack `shop` in a repository of its own, and what a workflow of it says."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gavan.ci.facts import Facts
from gavan.stack.load import load

collect_ignore = ["shop"]
SHOP = Path(__file__).parent / "shop"
Shop = Callable[..., Facts]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Return a function that loads the stack from ``at`` below the root of a repository, with
    lines of [ci] added, the whole text changed by ``edit`` and settings as --set has them."""

    def made(
        more: str = "",
        *,
        at: str = "",
        edit: Callable[[str], str] = str,
        sets: tuple[str, ...] = (),
    ) -> Facts:
        root = tmp_path / "repo"
        folder = root / at
        shutil.copytree(SHOP, folder)
        subprocess.run(["git", "init", "--quiet", str(root)], check=True)
        file = folder / "gavan.toml"
        file.write_text(edit(file.read_text() + more))
        loaded = load(file, profile="dev", overrides=sets)
        assert not loaded.errors, loaded.findings
        return Facts(stack=loaded.stack, source=loaded.source)

    return made
