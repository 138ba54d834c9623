"""The whole text of every pipeline of the stack `shop`.

A change of these files is a change for every user: look at the difference, then write them anew
with `python -m tests.unit.ci.test_golden`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from gavan.ci.facts import Facts
from gavan.ci.files import files
from gavan.stack.load import load
from gavan.stack.schema.ci import PROVIDERS, WORKFLOWS
from tests.unit.ci.conftest import SHOP, Shop

GOLDEN = Path(__file__).parent / "golden"
ALL = "workflows = [{}]\n".format(", ".join(f'"{name}"' for name in WORKFLOWS))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_pipelines_of_the_shop_are_those_on_record(shop: Shop, provider: str) -> None:
    facts = shop(ALL)
    made = {_name(facts, file.path): file.text for file in files(facts, [provider])}
    folder = GOLDEN / provider
    assert made == {_name_in(folder, file): file.read_text() for file in folder.rglob("*.yml")}


def _name(facts: Facts, path: Path) -> str:
    return path.relative_to(facts.repository).as_posix()


def _name_in(folder: Path, file: Path) -> str:
    return file.relative_to(folder).as_posix()


def _write() -> None:
    import shutil
    import subprocess
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "repo"
        shutil.copytree(SHOP, root)
        subprocess.run(["git", "init", "--quiet", str(root)], check=True)
        (root / "gavan.toml").write_text((SHOP / "gavan.toml").read_text() + ALL)
        loaded = load(root / "gavan.toml", profile="dev")
        facts = Facts(stack=loaded.stack, source=loaded.source)
        for provider in PROVIDERS:
            shutil.rmtree(GOLDEN / provider, ignore_errors=True)
            for file in files(facts, [provider]):
                target = GOLDEN / provider / _name(facts, file.path)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(file.text)


if __name__ == "__main__":
    _write()
