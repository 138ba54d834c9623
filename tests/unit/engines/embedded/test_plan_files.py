"""Pure texts and values around a plan: JSON round trip, differences, Caddyfile, reload rules."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from gavan.engines.embedded import build
from gavan.engines.embedded.diff import compare
from gavan.engines.embedded.model import Plan, Probe, ProbeKind, Process, dump, load_plan
from gavan.engines.embedded.watch import Rule, touched, translate

API = Process(
    name="api",
    kind="app",
    argv=("/bin/sh", "-c", "serve"),
    cwd="/srv",
    env={"TOKEN": "hush", "A": "1"},
    user=(1000, 1000),
    needs={"core": "healthy"},
    probe=Probe(kind=ProbeKind.HTTP, target="/health", port=3000),
    ports=(3000,),
)


def test_a_plan_crosses_as_json_unchanged() -> None:
    plan = Plan(
        stack="s", file="/s/gavan.toml", profile="dev", state_dir="/s/.gavan", control="/s/c",
        processes=(API,),
    )  # fmt: skip
    assert load_plan(json.loads(json.dumps(dump(plan)))) == plan


def test_differences_name_variables_and_never_their_values() -> None:
    changed = replace(API, env={"TOKEN": "louder", "B": "2"}, argv=("/bin/sh", "-c", "serve -v"))
    (change,) = compare([API], [changed])
    assert change.what == "changed"
    text = "\n".join(change.details)
    assert "env TOKEN: changed" in text
    assert "env B: added" in text
    assert "serve -v" in text
    assert "hush" not in text
    assert "louder" not in text


def test_a_changed_probe_is_told_key_by_key() -> None:
    probe = Probe(kind=ProbeKind.HTTP, target="/ready", port=3000)
    (change,) = compare([API], [replace(API, probe=probe)])
    assert change.details == ("probe target: /health -> /ready",)
    (change,) = compare([API], [replace(API, probe=None)])
    assert change.details == ("probe: removed",)


def test_an_environment_that_does_not_matter_changes_nothing() -> None:
    job = replace(API, env_matters=False)
    assert compare([job], [replace(job, env={"PWD": "/elsewhere"})]) == ()


def test_added_and_removed_units_are_named() -> None:
    found = compare([API], [replace(API, name="other")])
    assert [(change.unit, change.what) for change in found] == [
        ("api", "removed"),
        ("other", "added"),
    ]


def test_secrets_of_a_process_are_not_in_its_repr() -> None:
    assert "hush" not in repr(API)


def test_globs_cross_folders_only_by_two_stars() -> None:
    assert translate("src/**/*.py").fullmatch("src/a/b/c.py")
    assert translate("src/**/*.py").fullmatch("src/c.py")
    assert not translate("*.py").fullmatch("src/c.py")
    assert not translate("src/*.py").fullmatch("src/a/c.py")
    assert translate("a?c.[x]").fullmatch("abc.[x]")


def test_changes_below_ignored_folders_touch_nothing() -> None:
    rule = Rule(unit="api", folder=Path("/srv"), patterns=(re.compile(".*"),))
    assert touched([rule], [Path("/srv/node_modules/x.js"), Path("/srv/.git/HEAD")]) == ()
    assert touched([rule], [Path("/srv/a.js"), Path("/srv/b.js")]) == ("api",)


def test_a_build_depends_on_sources_and_public_variables(tmp_path: Path) -> None:
    (tmp_path / "main.ts").write_text("1")
    output = tmp_path / "out"
    output.mkdir()

    def mark(**env: str) -> str:
        return build.fingerprint(tmp_path, output, env, "VITE_")

    first = mark(VITE_URL="a")
    (output / "index.html").write_text("made")
    assert mark(VITE_URL="a", PATH="x") == first
    assert mark(VITE_URL="b") != first
    (tmp_path / "main.ts").write_text("22")
    assert mark(VITE_URL="a") != first


def test_packages_are_installed_as_their_lock_file_says(tmp_path: Path) -> None:
    assert build.install_command(tmp_path) is None
    (tmp_path / "package.json").write_text("{}")
    assert build.install_command(tmp_path) == "npm install --no-audit --no-fund"
    (tmp_path / "package-lock.json").write_text("{}")
    assert build.install_command(tmp_path) == "npm ci --no-audit --no-fund"
    (tmp_path / "node_modules").mkdir()
    assert build.install_command(tmp_path) is None


def test_a_build_that_stopped_half_way_is_not_taken_for_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, record = tmp_path / "site", tmp_path / "record"
    (site / "dist").mkdir(parents=True)

    def run(command: str) -> int:
        job = build.SiteBuild(
            dir=str(site), output="dist", command=command, prefix="VITE_", record=str(record)
        )
        monkeypatch.setenv(build.VARIABLE, build.encode(job))
        return build.main()

    assert run("touch dist/a dist/b") == 0
    (site / "dist" / "a").unlink()
    (site / "dist" / "b").unlink()
    assert run("touch dist/a; kill -9 $$") == 137
    assert run("touch dist/a dist/b") == 0
    assert (site / "dist" / "b").exists()
