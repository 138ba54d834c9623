"""Whatever goes wrong with a release: the former one serves, lock and log are right after it."""

from __future__ import annotations

import json
import signal

import pytest

from tests.hosts.pier import Pier, ended, error_of, settled, wait_until

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def served(pier: Pier) -> str:
    """What answers before a test: whatever release serves then."""
    return pier.label()


@pytest.mark.parametrize(
    ("mode", "cause"),
    [
        ("ends", "ended with code 1"),
        ("eats", "was killed: it took more than 64 MiB"),
        ("elsewhere", "does not answer its health check"),
        ("ill", "does not answer its health check"),
    ],
    ids=["ends at once", "takes too much memory", "listens elsewhere", "says that it is ill"],
)
def test_a_broken_release_never_serves_and_its_cause_is_named(
    pier: Pier, served: str, mode: str, cause: str
) -> None:
    pier.fresh(mode, health_timeout="12s")
    done = pier.deploy("--tag", pier.tag)
    assert (done.returncode, error_of(done)["code"]) == (8, "GV545"), done.stdout
    assert cause in error_of(done)["message"]
    assert {"ends": "no berth free", "ill": "500"}.get(mode, "") in pier.told_at_the_end()[
        "details"
    ]
    line = settled(pier, served, "rolled_back")
    assert cause in line["reason"]


def test_a_slow_start_is_waited_for_as_long_as_health_timeout_says(pier: Pier) -> None:
    label = pier.fresh("slow", health_timeout="40s")
    done = pier.deploy("--tag", pier.tag)
    assert done.returncode == 0, done.stdout
    settled(pier, label, "ok")


@pytest.mark.parametrize("step", ["migrate", "start", "switch", "drain", "record"])
def test_a_release_whose_runner_is_killed_is_gone_on_with(pier: Pier, step: str) -> None:
    label = pier.fresh()
    watch = pier.at_step(step, "kill")
    client = ended(pier.begin("--tag", pier.tag))
    assert ended(watch).returncode == 0
    assert (client.returncode, error_of(client)["code"]) == (1, "GV549"), client.stdout
    pier.ask()
    done = pier.deploy("--resume")
    assert done.returncode == 0, done.stdout
    settled(pier, label, "ok")


def test_a_killed_client_leaves_the_release_to_the_server_and_a_second_one_waits_outside(
    pier: Pier,
) -> None:
    label = pier.fresh()
    watch = pier.at_step("start", "stop")
    client = pier.begin("--tag", pier.tag)
    assert ended(watch).returncode == 0
    client.send_signal(signal.SIGKILL)
    assert ended(client).returncode == -signal.SIGKILL
    other = pier.deploy("--tag", pier.tag)
    assert (other.returncode, error_of(other)["code"]) == (4, "GV540"), other.stdout
    pier.go_on()
    settled(pier, label, "ok")


def test_a_cancelled_client_ends_and_its_release_goes_on(pier: Pier) -> None:
    label = pier.fresh()
    watch = pier.at_step("start", "stop")
    client = pier.begin("--tag", pier.tag)
    assert ended(watch).returncode == 0
    client.send_signal(signal.SIGINT)
    assert ended(client).returncode != 0
    resumed = pier.begin("--resume")
    pier.go_on()
    followed = ended(resumed)
    assert followed.returncode == 0, followed.stdout
    assert json.loads(followed.stdout)["data"]["result"] == "ok"
    settled(pier, label, "ok")


def test_a_server_that_begins_anew_in_the_middle_is_gone_on_with(pier: Pier) -> None:
    label = pier.fresh()
    watch = pier.at_step("switch", "stop")
    client = pier.begin("--tag", pier.tag)
    assert ended(watch).returncode == 0
    pier.happens("reboot")
    done = ended(client)
    assert (done.returncode, error_of(done)["code"]) == (1, "GV549"), done.stdout
    resumed = pier.deploy("--resume")
    assert resumed.returncode == 0, resumed.stdout
    settled(pier, label, "ok")


def test_a_network_that_is_cut_and_healed_costs_nothing(pier: Pier) -> None:
    label = pier.fresh()
    client = pier.begin("--tag", pier.tag)
    wait_until(lambda: bool(pier.lock().get("pid")), "the lock is taken")
    pier.happens("cut")
    try:
        wait_until(lambda: not pier.lock(), "the release ended by itself")
    finally:
        pier.happens("heal")
    done = ended(client)
    assert done.returncode == 0, done.stdout
    settled(pier, label, "ok")


def test_a_registry_that_is_down_stops_a_deploy_before_any_change(pier: Pier, served: str) -> None:
    there = pier.releases_there()
    pier.fresh()
    with pier.registry_down():
        done = pier.deploy("--tag", pier.tag)
    assert (done.returncode, error_of(done)["code"]) == (1, "GV534"), done.stdout
    assert pier.releases_there() == there
    assert pier.label() == served


def test_a_full_disk_stops_a_release_and_is_written_down(pier: Pier, served: str) -> None:
    folder = "/opt/pier/releases"
    small = (
        f"cp -a {folder} /root/kept-releases && mount -t tmpfs -o size=8m,mode=755 none {folder}"
    )
    pier.on_host(f"{small} && cp -a /root/kept-releases/. {folder}/ && chown deploy: {folder}")
    try:
        pier.fresh()
        watch = pier.at_step("start", f"cat /dev/zero > {folder}/fill || true")
        done = pier.deploy("--tag", pier.tag)
        assert ended(watch).returncode == 0
        assert done.returncode == 8, done.stdout
        assert error_of(done)["code"] == "GV550"
        assert "No space left" in error_of(done)["message"]
        pier.on_host(f"rm {folder}/fill")
        assert settled(pier, served, "rolled_back")["reason"] == error_of(done)["message"]
    finally:
        pier.on_host(
            f"cp -a {folder}/. /root/kept-releases/; umount {folder}; "
            f"cp -a /root/kept-releases/. {folder}/; rm -r /root/kept-releases"
        )


def test_a_migration_that_fails_stops_the_release_and_says_where_the_schema_is(
    pier: Pier, served: str
) -> None:
    good = pier.migration("004_crane.sql", "create table harbour.crane (name text);\n")
    bad = pier.migration("005_bad.sql", "create table harbour.bad (n int); select 1 / 0;\n")
    pier.fresh()
    pier.commit("bad")
    pier.publish()
    done = pier.deploy()
    bad.unlink()
    assert (done.returncode, error_of(done)["code"]) == (8, "GV546"), done.stdout
    assert "applied: 004" in error_of(done)["message"]
    assert "division by zero" in pier.told_at_the_end()["details"]
    assert settled(pier, served, "rolled_back")["applied"] == ["004"]
    assert good.exists()


def test_main_latest_is_what_it_was_when_the_release_was_planned(pier: Pier) -> None:
    label = pier.fresh()
    planned = pier.commit("planned")
    pier.publish()
    watch = pier.at_step("start", "kill")
    client = ended(pier.begin("--tag", "main-latest"))
    assert ended(watch).returncode == 0
    assert client.returncode == 1, client.stdout
    pier.fresh()
    pier.tag = pier.commit("later")
    pier.publish()
    done = pier.deploy("--resume")
    assert done.returncode == 0, done.stdout
    assert settled(pier, label, "ok")["tag"] == planned
    assert pier.ask()["release"] == planned


def test_variables_that_lack_a_name_or_are_open_to_others_are_told_before_anything(
    pier: Pier, served: str
) -> None:
    file = "/opt/pier/.env.prod"
    pier.on_host(
        f"cp -p {file} /root/kept.env; sed -i 's/$/\\r/; /^TOKEN=/d' {file}; chmod 644 {file}"
    )
    try:
        pier.fresh()
        told = pier.said("--yes", "deploy", "--tag", pier.tag)
        for fact in ("GV535", "without a value: TOKEN", "mode 644", "end as on Windows"):
            assert fact in told, told
        assert pier.gavan("hosts", "bootstrap").returncode == 6, "nothing is mended unasked"
        mended = pier.gavan("--yes", "hosts", "bootstrap")
        assert mended.returncode == 3, "TOKEN is nobody's to make"
        assert pier.on_host(f"stat -c '%a %U' {file}").split() == ["600", "deploy"]
        assert "\r" not in pier.on_host(f"cat {file}")
    finally:
        pier.on_host(f"cp -p /root/kept.env {file}")
    assert pier.label() == served


def test_who_holds_the_lock_is_shown_and_its_run_can_be_ended(pier: Pier, served: str) -> None:
    assert json.loads(pier.gavan("releases", "lock").stdout)["data"] is None
    pier.fresh()
    watch = pier.at_step("start", "stop")
    client = pier.begin("--tag", pier.tag)
    assert ended(watch).returncode == 0
    held = json.loads(pier.gavan("releases", "lock").stdout)["data"]
    assert held["alive"]
    assert held["release"] == pier.releases_there()[-1].name
    assert pier.gavan("--yes", "releases", "unlock").returncode == 6, "it is at work"
    freed = pier.gavan("--yes", "--confirm", "pier", "releases", "unlock")
    assert freed.returncode == 0, freed.stdout
    assert error_of(ended(client))["code"] == "GV549"
    assert not pier.lock()
    assert pier.label() == served
    label = pier.fresh()
    done = pier.deploy("--tag", pier.tag)
    assert done.returncode == 0, done.stdout
    settled(pier, label, "ok")
    assert [line["result"] for line in pier.log()[-2:]] == ["rolled_back", "ok"]
