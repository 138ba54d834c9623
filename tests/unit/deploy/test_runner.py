"""The runner: any Python from 3.10 takes it, its log proves itself, its lock is never for ever."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import threading
import zipfile
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest

from gavan.deploy.onhost import history
from gavan.deploy.onhost.docker import docker
from gavan.deploy.onhost.failure import Failure
from gavan.deploy.onhost.files import Place
from gavan.deploy.onhost.lock import Lock, is_alive, me
from gavan.deploy.onhost.run import prune
from gavan.deploy.runner import archive


def test_the_archive_runs_alone_and_tells_of_an_empty_server(tmp_path: Path) -> None:
    file = tmp_path / "runner.pyz"
    file.write_bytes(archive())
    (tmp_path / "releases").mkdir()
    done = subprocess.run([sys.executable, "-I", "-S", str(file), "look", str(tmp_path)],
                          capture_output=True, text=True, check=False, cwd="/")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "live": {}, "plans": {}, "unfinished": [], "lock": {}, "log": "",
    }  # fmt: skip


def test_every_file_of_the_archive_is_python_3_10_of_the_standard_library() -> None:
    newer = {"tomllib", "StrEnum", "UTC", "Self", "TaskGroup", "ExceptionGroup"}
    with zipfile.ZipFile(BytesIO(archive())) as bundle:
        for name in bundle.namelist():
            tree = ast.parse(bundle.read(name), feature_version=(3, 10))
            for node in ast.walk(tree):
                module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
                names = [one.name for one in node.names] if isinstance(
                    node, ast.Import | ast.ImportFrom) else []  # fmt: skip
                roots = {(module or one).partition(".")[0] for one in names}
                assert roots <= {*sys.stdlib_module_names, "gavan"}, name
                assert not newer & {*names, module}, name
                if module.startswith("gavan"):
                    assert f"{module.replace('.', '/')}.py" in bundle.namelist() or (
                        f"{module.replace('.', '/')}/__init__.py" in bundle.namelist()
                    ), f"{name} imports {module}"


def line(name: str, result: str = "ok") -> dict[str, object]:
    return {"id": name, "action": "deploy", "result": result}


def test_the_log_is_a_chain_that_shows_each_change(tmp_path: Path) -> None:
    file = tmp_path / "releases.jsonl"
    for name in ("a", "b", "c"):
        history.append(file, line(name))
    history.append(file, line("c"))
    lines = history.read(file)
    assert [one["id"] for one in lines] == ["a", "b", "c"], "a release is added once"
    assert history.broken(lines) == ""
    assert "line 2 (c) does not follow" in history.broken([lines[0], lines[2]])
    assert "line 2 (b) was changed" in history.broken([lines[0], {**lines[1], "result": "x"}])
    assert history.broken(lines, "c") == ""
    assert "the line of c, which serves, is missing" in history.broken(lines[:2], "c")
    assert history.parse(["7", "[]", '{"id": "a"}']) == [{"id": "a"}]


def test_a_line_that_a_power_cut_left_half_written_costs_no_other(tmp_path: Path) -> None:
    file = tmp_path / "releases.jsonl"
    history.append(file, line("a"))
    with file.open("a") as torn:
        torn.write('{"id": "b", "act')
    history.append(file, line("c"))
    lines = history.read(file)
    assert [one["id"] for one in lines] == ["a", "c"]
    assert history.broken(lines) == ""


def test_the_lock_of_a_living_process_is_kept_and_says_whose_it_is(tmp_path: Path) -> None:
    first = Lock(tmp_path / "lock", "one", "ann@laptop")
    first.take(0)
    with pytest.raises(Failure, match="release one by ann@laptop is under way") as refused:
        Lock(tmp_path / "lock", "two", "bob@laptop").take(0)
    assert refused.value.code == "GV540"
    first.release()
    Lock(tmp_path / "lock", "two", "bob@laptop").take(0)


@pytest.mark.parametrize(
    ("changes", "age_s", "may"),
    [
        ({"began": "1"}, 0, False),
        ({"began": "1"}, 61, True),
        ({"began": "1", "release": "two"}, 0, True),
        ({"boot": "another"}, 0, True),
        ({}, 3600, False),
    ],
    ids=["just gone", "gone for long", "the same release", "the server began anew", "alive"],
)
def test_a_lock_is_taken_over_by_its_rule(
    tmp_path: Path, changes: dict[str, str], age_s: int, may: bool
) -> None:
    folder = tmp_path / "lock"
    folder.mkdir()
    owner = {**me(), "release": "one", "by": "ann", "heartbeat": 0.0, **changes}
    file = folder / "owner.json"
    file.write_text(json.dumps(owner))
    then = file.stat().st_mtime - age_s
    os.utime(file, (then, then))
    lock = Lock(folder, "two", "bob")
    if may:
        lock.take(0)
        assert lock.owner()["by"] == "bob"
        lock.release()
        assert not folder.exists()
    else:
        with pytest.raises(Failure):
            lock.take(0)


def test_of_many_that_find_a_lock_stale_at_once_one_has_it(tmp_path: Path) -> None:
    for number in range(10):
        folder = tmp_path / str(number) / "lock"
        folder.mkdir(parents=True)
        owner = {**me(), "release": "gone", "by": "ann", "heartbeat": 0.0, "boot": "another"}
        (folder / "owner.json").write_text(json.dumps(owner))
        together = threading.Barrier(6)
        got: list[Lock] = []

        def take(name: str, folder: Path = folder, together: threading.Barrier = together,
                 got: list[Lock] = got) -> None:  # fmt: skip
            lock = Lock(folder, name, "bob")
            together.wait()
            with suppress(Failure):
                lock.take(0)
                got.append(lock)

        takers = [threading.Thread(target=take, args=(str(one),)) for one in range(6)]
        for one in takers:
            one.start()
        for one in takers:
            one.join()
        assert len(got) == 1
        got[0].release()


def test_docker_hears_nothing_of_the_variables_of_who_logged_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compose takes those before the ones of the env file."""
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\nenv\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for name in ("DOMAIN", "COMPOSE_FILE", "TOKEN", "DOCKER_HOST"):
        monkeypatch.setenv(name, "mine")
    said = {line.partition("=")[0] for line in docker("anything").splitlines()}
    assert "DOCKER_HOST" in said
    assert not {"DOMAIN", "COMPOSE_FILE", "TOKEN"} & said


def test_a_release_on_its_way_is_not_pruned_by_the_one_at_work(tmp_path: Path) -> None:
    root = tmp_path / "releases"
    plans: dict[str, dict[str, object]] = {
        "at-work": {"outcome": ""}, "waits": {"outcome": ""}, "locked": {"outcome": "locked"},
    }  # fmt: skip
    for name, state in plans.items():
        (root / name).mkdir(parents=True)
        (root / name / "state.json").write_text(json.dumps(state))
    (root / "arrives").mkdir()
    (root / "forgotten").mkdir()
    os.utime(root / "forgotten", (0, 0))
    prune(Place(tmp_path, "at-work"), {"retain": 1})
    assert {path.name for path in root.iterdir()} == {"at-work", "waits", "arrives"}


def test_a_process_of_the_same_number_is_not_the_same() -> None:
    assert is_alive(me())
    assert not is_alive({**me(), "began": "1"})
    assert not is_alive({**me(), "boot": "another"})
    assert not is_alive({})
