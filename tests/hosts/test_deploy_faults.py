"""Whatever is wrong with a release or its server: the former one serves, lock and log are right."""

from __future__ import annotations

import pytest

from tests.hosts.pier import Pier, ended, error_of, settled

pytestmark = pytest.mark.timeout(600)


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
    error = error_of(done)
    assert cause in error["message"]
    assert {"ends": "no berth free", "ill": "500"}.get(mode, "") in (error["why"] or "")
    facts = error["cause"]
    assert (facts["exit_code"], facts["oom_killed"]) == {
        "ends": (1, False), "eats": (137, True)}.get(mode, (None, False))  # fmt: skip
    assert ("500" in (facts["last_probe"] or "")) == (mode == "ill")
    assert ("no berth free" in facts["last_lines"]) == (mode == "ends")
    line = settled(pier, served, "rolled_back")
    assert cause in line["reason"]


def test_a_slow_start_is_waited_for_as_long_as_health_timeout_says(pier: Pier) -> None:
    label = pier.fresh("slow", health_timeout="40s")
    done = pier.deploy("--tag", pier.tag)
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
