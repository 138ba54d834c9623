"""What the pipelines of GitHub follow from: the place of the stack, its folders, its wishes."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from gavan.ci.facts import Facts
from gavan.ci.files import files
from tests.unit.ci.conftest import Shop


def _made(facts: Facts) -> dict[str, Any]:
    return {file.path.stem: yaml.safe_load(file.body) for file in files(facts, ["github"])}


def test_a_stack_below_the_root_is_where_its_commands_run(shop: Shop) -> None:
    made = _made(shop(at="stacks/shop"))
    assert {one["defaults"]["run"]["working-directory"] for one in made.values()} == {"stacks/shop"}
    lint = made["ci"]["jobs"]["lint"]["steps"]
    places = {step.get("working-directory") for step in lint if "run" in step}
    assert places == {"stacks/shop/api", "stacks/shop/web"}
    node = next(step["with"] for step in lint if step["name"] == "Node")
    assert node["cache-dependency-path"] == "stacks/shop/web/package-lock.json"


def test_only_what_the_stack_has_something_for_is_written(shop: Shop) -> None:
    facts = shop(edit=lambda text: text.partition("[backup.offsite]")[0])
    made = _made(facts)
    assert set(made) == {"ci", "web-ci"}
    assert True not in made["ci"]
    assert made["ci"]["on"]["push"] == {"branches": ["**"]}


def test_a_database_elsewhere_is_migrated_by_a_push_of_migrations(shop: Shop) -> None:
    facts = shop(sets=("database.external_url=secret://DEV_URL", "DEV_URL=postgres://db.invalid/a"))
    made = _made(facts)
    assert {"db-migrate", "metrics-refresh"} <= set(made)
    assert made["db-migrate"]["on"]["push"]["paths"] == ["supabase/migrations/**"]


@pytest.mark.parametrize(("lock", "words"), [
    ("pnpm-lock.yaml", ["npm install --global pnpm@9", "pnpm install --frozen-lockfile"]),
    ("yarn.lock", ["yarn install --frozen-lockfile"]),
])  # fmt: skip
def test_packages_come_from_the_lock_file_by_its_own_tool(
    shop: Shop, lock: str, words: list[str]
) -> None:
    facts = shop()
    web = facts.repository / "web"
    (web / "package-lock.json").rename(web / lock)
    steps = _made(facts)["web-ci"]["jobs"]["web"]["steps"]
    tool = lock.partition("-")[0].partition(".")[0]
    assert [step["run"] for step in steps if "run" in step] == [*words, "npm run build"]
    assert f"{tool} run lint" in str(_made(facts)["ci"]["jobs"]["lint"])


def test_a_tauri_folder_makes_signed_drafts_of_releases(shop: Shop) -> None:
    facts = shop()
    (facts.repository / "web" / "src-tauri").mkdir()
    tauri = _made(facts)["tauri-ci"]
    assert tauri["on"]["push"] == {"tags": ["v*"]}
    job = tauri["jobs"]["web"]
    assert job["permissions"] == {"contents": "write"}
    assert "secrets.TAURI_PRIVATE_KEY" in str(job)
    assert "--draft" in job["steps"][-1]["run"]


def test_a_release_is_for_the_branch_and_the_reviewers_one_at_a_time(shop: Shop) -> None:
    made = _made(shop())
    for name in ("deploy-prod", "rollback-prod"):
        job = made[name]["jobs"]["production"]
        assert job["environment"] == "production"
        assert job["if"] == "github.ref == 'refs/heads/main'"
        assert made[name]["concurrency"] == {"group": "production", "cancel-in-progress": False}
        assert job["permissions"]["contents"] == "read"
