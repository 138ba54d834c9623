"""The tutorial of a first deploy, followed to the letter: each command, and what it shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hosts.conftest import machine

pytestmark = pytest.mark.timeout(600)
PAGE = Path(__file__).parents[2] / "docs" / "tutorials" / "deploy-in-15-minutes.md"
ADDRESS = "203.0.113.7"
NAME = ADDRESS.replace(".", "-") + ".sslip.io"
SERVER = "tutor"
DEADLINE_S = 400
BASH = ("bash", "-euo", "pipefail", "-c")
GIT = "[user]\n\tname = Ada\n\temail = ada@example.com\n"
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A block of commands, and the lines that the page shows below it."""

    commands: str
    shown: tuple[str, ...]


def steps(page: str) -> Iterator[Step]:
    """Yield the blocks of commands in their order."""
    blocks = _BLOCK.findall(page)
    for (kind, text), (after, said) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        if kind == "sh":
            yield Step(commands=text, shown=tuple(said.splitlines()) if after == "text" else ())


@pytest.fixture(scope="module")
def shell(
    tmp_path_factory: pytest.TempPathFactory, docker_engine: dict[str, str]
) -> Iterator[dict[str, str]]:
    """The environment of a person with a laptop, and a fresh server that knows their key."""
    home = tmp_path_factory.mktemp("t")
    place = machine("vps-up.sh", SERVER, "--bare", "--outside")
    address = place[f"TESTHOST_{SERVER.upper()}_IP"]
    # What a name server on the internet would say.
    names = "".join(
        f'resolve = "{each}.{_name(address)}:443:{address}"\n' for each in ("app", "api")
    )
    (home / ".curlrc").write_text(names)
    (home / ".gitconfig").write_text(GIT)
    tools = Path(sys.executable).parent
    programs = Path(place["TESTHOST_SSH_CONFIG"]).with_name("bin")
    env = {"HOME": str(home), "LANG": "C.UTF-8", "ADDRESS": address, "NO_COLOR": "1",
           "PATH": f"{tools}:{programs}:{os.environ['PATH']}"}  # fmt: skip
    env |= {name: docker_engine[name] for name in ("DOCKER_HOST", "DOCKER_CONFIG")}
    try:
        yield env
    finally:
        subprocess.run(["gavan", "down"], cwd=home / "notes", env=env, check=False)
        machine("vps-down.sh", SERVER)


def test_the_page_leads_from_nothing_to_a_server_and_shows_what_is_seen(
    shell: dict[str, str],
) -> None:
    here = shell["HOME"]
    for step in steps(PAGE.read_text()):
        commands = _put(step.commands, shell["ADDRESS"])
        script = f'{commands}\npwd >"$HOME/.here"'
        done = subprocess.run(
            [*BASH, script], cwd=here, env=shell, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=DEADLINE_S,
        )  # fmt: skip
        assert done.returncode == 0, f"{commands}\n{done.stdout}"
        here = (Path(shell["HOME"]) / ".here").read_text().strip()
        _compare(tuple(_put(line, shell["ADDRESS"]) for line in step.shown), done.stdout)


def _compare(shown: tuple[str, ...], said: str) -> None:
    """Find each line that is shown in what was said, in order; … stands for anything."""
    at = 0
    for line in shown:
        pattern = ".*".join(re.escape(part) for part in line.split("…"))
        found = re.compile(pattern).search(said, at)
        assert found, f"the page shows {line!r}, but this was said:\n{said}"
        at = found.end()


def _name(address: str) -> str:
    return address.replace(".", "-") + ".sslip.io"


def _put(text: str, address: str) -> str:
    return text.replace(ADDRESS, address).replace(NAME, _name(address))


def test_a_page_that_shows_something_else_is_found_out() -> None:
    _compare(("one … three", "four"), "zero\none two three\nfour\n")
    for shown in (("four", "one"), ("one … four",), ("five",)):
        with pytest.raises(AssertionError):
            _compare(shown, "one two three\nfour\n")
