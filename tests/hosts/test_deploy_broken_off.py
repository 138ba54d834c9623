"""A release is broken off: its runner, client, server or the way there ends in the middle."""

from __future__ import annotations

import json
import signal

import pytest

from tests.hosts.pier import Pier, ended, error_of, settled, wait_until

pytestmark = pytest.mark.timeout(600)


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


def test_who_holds_the_lock_is_shown_and_its_run_can_be_ended(pier: Pier) -> None:
    served = pier.label()
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
