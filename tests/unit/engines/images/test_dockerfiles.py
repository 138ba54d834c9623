"""Dockerfiles that are made up: what they install, whom they run as, how they ask after health."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gavan.engines.images.language import Language, language_of
from gavan.engines.images.plan import dockerfile_of, late_variables, planned
from gavan.engines.images.recipe import Recipe
from gavan.kit.errors import GavanError
from gavan.stack.load import load_stack
from gavan.stack.model import Stack

FILE = """
[stack]
name = "shop"

[apps.api]
dir = "api"
command = "python -m api"
port = 8000
health = { path = "/ready" }

[apps.jobs]
kind = "worker"
dir = "jobs"
command = "node jobs.js"
build = "npm run compile"

[sites.web]
dir = "web"
build = "npm run build"
env = { VITE_TITLE = "Shop", VITE_SUPABASE_URL = "https://fixed.example" }

[deploy]
registry = "registry.example/acme"
build_args = { NODE_IMAGE = "node:20-slim" }
"""


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    for name, files in {
        "api": {"requirements.txt": "fastapi\n"},
        "jobs": {"package.json": "{}", "package-lock.json": "{}"},
        "web": {"package.json": "{}", "package-lock.json": "{}"},
    }.items():
        (tmp_path / name).mkdir()
        for file, text in files.items():
            (tmp_path / name / file).write_text(text)
    (tmp_path / "gavan.toml").write_text(FILE)
    return load_stack(tmp_path / "gavan.toml")


def recipes(stack: Stack, *parts: str) -> dict[str, Recipe]:
    return {recipe.part: recipe for recipe in planned(stack, parts, "gavan:1")}


def text_of(recipe: Recipe) -> str:
    assert isinstance(recipe.dockerfile, str)
    return recipe.dockerfile


def test_a_python_app_runs_without_root_and_is_asked_by_python(stack: Stack) -> None:
    text = text_of(recipes(stack)["api"])
    last_stage = text[text.rindex("FROM ") :]
    assert "pip install --no-compile -r requirements.txt" in text
    assert "pip" not in last_stage
    assert "USER 10001:10001" in last_stage
    line = next(line for line in last_stage.splitlines() if line.startswith("HEALTHCHECK"))
    check = json.loads(line.partition(" CMD ")[2])
    assert check[:2] == ["python", "-c"]
    assert "/ready" in check[2]
    assert last_stage.strip().endswith('CMD ["/bin/sh", "-c", "exec python -m api"]')


def test_a_node_worker_loses_its_development_packages_and_has_no_check(stack: Stack) -> None:
    text = text_of(recipes(stack)["jobs"])
    assert text.index("npm ci") < text.index("COPY . .") < text.index("npm run compile")
    assert text.index("npm run compile") < text.index("npm prune --omit=dev")
    assert "HEALTHCHECK" not in text
    assert "EXPOSE" not in text


def test_a_site_is_built_with_its_values_and_filled_with_those_of_its_place(stack: Stack) -> None:
    site = stack.sites[0]
    text = text_of(recipes(stack)["web"])
    assert late_variables(site) == ("VITE_SUPABASE_ANON_KEY", "VITE_SUPABASE_PUBLISHABLE_KEY")
    assert 'ENV VITE_TITLE="Shop"' in text
    assert 'ENV VITE_SUPABASE_URL="https://fixed.example"' in text
    assert "ENV VITE_SUPABASE_ANON_KEY=__GAVAN_VITE_SUPABASE_ANON_KEY__" in text


def test_gavan_itself_is_the_base_of_an_app_that_needs_it(stack: Stack) -> None:
    app = next(app for app in stack.apps if app.name == "api")
    (app.dir / "requirements.txt").write_text("gavan>=0.1\nfastapi\n")
    assert dockerfile_of(app).startswith("ARG GAVAN_IMAGE\nFROM ${GAVAN_IMAGE}\n")
    (app.dir / "requirements.txt").write_text("gavan-plugins\n")
    assert "GAVAN_IMAGE" not in dockerfile_of(app)


def test_a_written_dockerfile_wins_and_brings_its_own_ignore_file(stack: Stack) -> None:
    own = stack.root / "api" / "Dockerfile"
    own.write_text("FROM scratch\n")
    recipe = recipes(stack, "api")["api"]
    assert recipe.dockerfile == own
    assert recipe.ignore is None


def test_every_build_gets_the_arguments_of_the_stack_file(stack: Stack) -> None:
    for recipe in recipes(stack).values():
        assert recipe.args == {"GAVAN_IMAGE": "gavan:1", "NODE_IMAGE": "node:20-slim"}


def test_what_is_ignored_keeps_variables_and_tests_out(stack: Stack) -> None:
    ignored = str(recipes(stack)["api"].ignore).splitlines()
    assert {"**/.env", "**/.env.*", ".git", "**/tests", "**/node_modules"} <= set(ignored)


def test_a_folder_of_no_known_language_is_refused_with_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(GavanError, match="no image can be made up") as caught:
        language_of("api", tmp_path)
    assert caught.value.code == "GV503"
    assert "package.json" in str(caught.value.details)
    (tmp_path / "package.json").touch()
    assert language_of("api", tmp_path) is Language.NODE


def test_a_dockerfile_that_is_named_and_missing_is_an_error(stack: Stack) -> None:
    file = stack.file
    file.write_text(file.read_text().replace('command = "python -m api"',
                    'command = "python -m api"\ndockerfile = "Dockerfile.prod"'))  # fmt: skip
    with pytest.raises(GavanError, match=r"Dockerfile\.prod") as caught:
        recipes(load_stack(file))
    assert caught.value.code == "GV504"


def test_an_unknown_part_is_named_beside_the_known_ones(stack: Stack) -> None:
    with pytest.raises(GavanError, match="no app or site worker") as caught:
        recipes(stack, "worker")
    assert caught.value.hint == "there are: api, jobs, web"
