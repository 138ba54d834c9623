"""Releases on a real server over SSH: brought, planned, recorded, and gone back from.

The tests follow each other: each begins where the one before it left the server.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gavan.deploy.onhost import history
from tests.hosts.pier import Pier, error_of, settled

pytestmark = pytest.mark.timeout(600)
SURE = ("--yes", "--confirm", "pier")
CORES = "docker ps --no-trunc --quiet --filter name=pier-prod-core"
PRUNE = "docker container prune -f >/dev/null; docker image prune -af >/dev/null"


@pytest.fixture(scope="module")
def pier(quay: Pier, image_registry: str) -> Pier:
    """The stack on its server, its first release sent over SSH, the second one in a registry."""
    quay.write("first")
    quay.commit("first")
    assert quay.gavan("hosts", "check").returncode == 3
    assert quay.gavan("--yes", "hosts", "bootstrap").returncode == 3, "TOKEN is nobody's to make"
    assert error_of(quay.deploy("--plan"))["code"] == "GV535"
    quay.must("hosts", "set", "TOKEN", stdin="very private\n")
    for words in (("--yes", "hosts", "bootstrap"), ("-p", "prod", "build"), ("--yes", "deploy")):
        quay.must(*words)
    quay.use(image_registry)
    quay.write("second")
    quay.tag = quay.commit("second")
    quay.publish()
    return quay


def test_a_bare_server_is_prepared_and_serves_the_first_release(pier: Pier) -> None:
    assert pier.ask() == {"label": "first", "release": pier.log()[0]["tag"]}
    holders = "grep -rl 'very private' /opt/pier --include='*.*' | xargs stat -c '%a %n'"
    found = [line.split() for line in pier.on_host(holders).splitlines()]
    assert {Path(name).name for _, name in found} == {".env.prod", ".env"}
    assert {mode for mode, _ in found} == {"600"}
    settled(pier, "first", "ok")


def test_a_plan_says_what_would_change_and_so_does_its_exit_code(pier: Pier) -> None:
    there, cores = pier.releases_there(), pier.on_host(CORES)
    planned = pier.gavan("deploy", "--plan", "--exit-code")
    assert planned.returncode == 5, planned.stdout
    changes = json.loads(planned.stdout)["data"]["changes"]
    assert any(line.startswith("image api: ") for line in changes), changes
    assert "how it runs: api" in changes
    assert pier.releases_there() == there, "a plan brings nothing"
    done = pier.deploy()
    assert done.returncode == 0, done.stdout
    line = settled(pier, "second", "ok")
    assert line["applied"] == []
    assert pier.ask()["release"] == pier.tag
    assert pier.on_host(CORES) == cores, "what differs by its release alone goes on"
    assert pier.gavan("deploy", "--plan", "--exit-code").returncode == 0


def test_a_rollback_needs_no_registry_and_can_be_rolled_back(pier: Pier) -> None:
    with pier.registry_down():
        back = pier.gavan("--yes", "rollback")
        assert back.returncode == 0, back.stdout
        line = settled(pier, "first", "ok")
        assert line["action"] == "rollback"
        assert pier.gavan("--yes", "rollback", pier.tag).returncode == 0
    settled(pier, "second", "ok")


def test_a_rollback_to_images_that_someone_removed_changes_nothing(pier: Pier) -> None:
    first = pier.log()[0]["tag"]
    pier.on_host(PRUNE)
    refused = pier.gavan("--yes", "rollback", first)
    assert (refused.returncode, error_of(refused)["code"]) == (8, "GV542"), refused.stdout
    assert "sent over SSH" in pier.told_at_the_end()["details"]
    settled(pier, "second", "rolled_back")


def test_a_release_adds_to_the_schema_and_what_takes_away_waits(pier: Pier) -> None:
    pier.migration("002_quay.sql", "create table harbour.quay (name text);\n")
    pier.migration("003_drop.sql", "-- gavan: phase=contract\ndrop table harbour.ship;\n")
    pier.migration("down/003_drop.sql", "create table harbour.ship (name text);\n")
    pier.write("third")
    third = pier.commit("third")
    pier.publish()
    second, pier.tag = pier.tag, third
    done = pier.deploy()
    assert done.returncode == 0, done.stdout
    line = settled(pier, "third", "ok")
    assert (line["applied"], line["contract"]) == (["002"], [])
    assert line["backup"], "a backup came before it"
    pier.on_host(PRUNE)
    back = pier.gavan("--yes", "rollback", second)
    assert back.returncode == 0, "the registry has what was removed: " + back.stdout
    settled(pier, "second", "ok")


def test_a_rollback_past_a_contract_migration_is_refused_with_the_ways_and_their_price(
    pier: Pier,
) -> None:
    second = pier.log()[-1]["tag"]
    assert pier.gavan("--yes", "rollback", pier.tag).returncode == 0
    assert pier.gavan("--yes", "deploy", "--contract").returncode == 6, "it asks for the name"
    done = pier.gavan(*SURE, "deploy", "--contract")
    assert done.returncode == 0, done.stdout
    line = settled(pier, "third", "ok")
    assert (line["action"], line["contract"]) == ("migrate", ["003_drop.sql"])
    refused = pier.gavan("--yes", "rollback", second)
    assert (refused.returncode, error_of(refused)["code"]) == (5, "GV538"), refused.stdout
    said = pier.said("--yes", "rollback", second)
    assert "take back 003_drop" in said
    assert line["backup"] in said
    down = pier.gavan(*SURE, "rollback", second, "--down")
    assert down.returncode == 0, down.stdout
    assert settled(pier, "second", "ok")["taken_back"] == ["003_drop.sql"]
    assert pier.gavan("--yes", "rollback", pier.tag).returncode == 0


def test_the_log_shows_when_a_line_was_changed(pier: Pier) -> None:
    file = "/opt/pier/releases.jsonl"
    assert pier.gavan("releases", "verify").returncode == 0
    pier.on_host(f"cp -p {file} /root/kept && sed -i '2s/root@/nobody@/' {file}")
    try:
        done = pier.gavan("releases", "verify")
    finally:
        pier.on_host(f"cp -p /root/kept {file}")
    assert done.returncode == 5
    assert "line 2 (" in json.loads(done.stdout)["data"]["broken"]
    assert history.broken(pier.log()) == ""


def test_releases_past_retain_go_and_the_images_of_the_others_stay(pier: Pier) -> None:
    plans = [json.loads((path / "plan.json").read_text()) for path in pier.releases_there()]
    kept = {one["id"] for plan in plans for one in plan["images"]}
    there = set(pier.on_host("docker images --all --quiet --no-trunc").split())
    good = [line["id"] for line in history.good(pier.log())]
    assert {plan["id"] for plan in plans} <= set(good[-4:])
    assert {one["id"] for one in plans[-1]["images"]} <= there
    first = set(pier.log()[0]["digests"].values()) - kept
    assert first
    assert not first & there
