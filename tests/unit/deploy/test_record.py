"""What serves is decided by one rename: a disk without room changes nothing about it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from gavan.deploy.onhost import steps
from gavan.deploy.onhost.files import Place, read_json, write_whole
from gavan.deploy.onhost.state import State
from gavan.deploy.onhost.work import Work

WITHOUT_ROOM = """
import resource, sys
from pathlib import Path
from gavan.deploy.onhost import steps
from gavan.deploy.onhost.files import Place
from gavan.deploy.onhost.state import State
from gavan.deploy.onhost.work import Work

place = Place(Path(sys.argv[1]), "two")
work = Work(place, State(place))
# No file may get a single byte from here on.
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
steps.record(work)
"""


def second_release(root: Path) -> Work:
    """Return the release "two" as it is once its slot runs; "one" serves."""
    place = Place(root, "two")
    (root / "slots").mkdir()
    for part in ("api", "bell"):
        (root / "slots" / part).touch()
    plan: dict[str, Any] = {"parts": {"api": {"port": 8000}, "web": {"port": 80}}}
    state = {"changed": ["api"], "slots": {"api": "green"}}
    one = {"slot": "blue", "port": 8000}
    write(place.live_file, {"release": "one", "parts": {"api": one, "web": one, "bell": one}})
    write(place.folder / "plan.json", plan)
    write(place.state_file, state)
    (place.folder / steps.COMPOSE_FILE).write_text("services: {two: {}}\n")
    (root / steps.COMPOSE_FILE).write_text("services: {one: {}}\n")
    return Work(place, State(place))


def write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(content))


def test_a_disk_that_is_full_when_a_release_serves_does_not_hide_that_it_does(
    tmp_path: Path,
) -> None:
    work = second_release(tmp_path)
    steps.foretell(work)
    assert read_json(work.place.live_file)["release"] == "one"
    done = subprocess.run([sys.executable, "-c", WITHOUT_ROOM, str(tmp_path)], text=True,
                          capture_output=True, check=False)  # fmt: skip
    assert "File too large" in done.stderr, "something of it needed room"
    assert read_json(work.place.live_file) == {
        "release": "two",
        "parts": {"api": {"slot": "green", "port": 8000}, "web": {"slot": "blue", "port": 8000}},
    }
    assert (tmp_path / steps.COMPOSE_FILE).read_text() == "services: {one: {}}\n", "whole"
    assert steps.record(Work(work.place, State(work.place))) == "two"
    assert (tmp_path / steps.COMPOSE_FILE).read_text() == "services: {two: {}}\n"
    assert (tmp_path / "current").readlink() == Path("releases/two")
    assert not (tmp_path / "slots" / "bell").exists()
