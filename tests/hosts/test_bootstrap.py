"""A bare server becomes one that takes a release: shown first, done once, nobody locked out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gavan.deploy.firewall import FILE, Doors, set_up
from gavan.deploy.ssh import Ssh
from gavan.kit.errors import GavanError
from gavan.stack.model import DeployHost
from tests.hosts.conftest import machine

NAME = "hobare"
pytestmark = pytest.mark.timeout(600)
USER = "gvn"
STACK = """\
[stack]
name = "quay"

[profiles.prod]
domain = "quay.test"
tls = "internal"

[deploy.hosts.web]
address = "{address}"
user = "gvn"
"""
# A container without an image to pull: the server's own programs, by their links.
IMAGE = "tar -C / -c bin lib lib64 | docker import - host >/dev/null"
SERVE = "host /usr/bin/python3 -m http.server 8000"
ADMIN = "boss"
"""Who may do everything there by sudo, as on servers whose root nobody may log in as"""
RULES = r"printf '#!/usr/sbin/nft -f\nflush ruleset\n' > /etc/nftables.conf"
# As the first run of unattended upgrades does: held until apt-get comes, and a second longer.
LISTS = """systemd-run -q --unit=lists perl -e '
open(LOCK, ">", "/var/lib/apt/lists/lock"); my $whole = pack("ssx4qqi", 1, 0, 0, 0, 0);
fcntl(LOCK, 6, $whole) or die; open(HELD, ">", "/run/lists-held");
sub runs { for (glob "/proc/[0-9]*/comm") {
  open(C, "<", $_) && <C> eq "apt-get\\n" && return 1 } 0 }
select(undef, undef, undef, 0.1) until runs();
sleep 1' && until [ -e /run/lists-held ]; do sleep 0.1; done"""
CURL = "curl -sf -o /dev/null --retry 30 --retry-delay 1 --retry-all-errors"
RUN = "docker run -d --rm -v /usr:/usr:ro"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    address: str
    root: Path

    def gavan(self, *words: str, code: int = 0) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "gavan", "--json", *words], cwd=self.root, text=True,
            stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=400,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return dict(json.loads(done.stdout.splitlines()[-1]))

    def run(self, command: str, user: str = "root") -> str:
        done = subprocess.run(["ssh", "-l", user, NAME, command], text=True, capture_output=True,
                              check=False, timeout=60)  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def run_when_back(self, command: str) -> str:
        """Run a command as soon as the server lets us in again."""
        until = time.monotonic() + 60
        while True:
            try:
                return self.run(command)
            except (AssertionError, subprocess.TimeoutExpired):
                assert time.monotonic() < until, "nobody was let in again"

    def asked(self, port: int) -> int:
        """Return the status of a web server there, 0 when nobody answers."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://{self.address}:{port}/", timeout=3) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def answers(self, port: int) -> bool:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            if self.asked(port) == 200:
                return True
            time.sleep(0.2)
        return False


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server without Docker that reaches Debian's packages, and a stack for it."""
    if os.geteuid() != 0:
        pytest.skip("servers of the tests' own need root")
    try:
        variables = machine("vps-up.sh", NAME, "--bare", "--outside")
    except AssertionError as error:
        pytest.skip(f"this machine runs no server: {error}")
    before = dict(os.environ)
    # The names of the servers are known to this ssh only.
    programs = Path(variables["TESTHOST_SSH_CONFIG"]).parent / "bin"
    os.environ["PATH"] = f"{programs}:{before['PATH']}"
    server = Server(address=variables[f"TESTHOST_{NAME.upper()}_IP"],
                    root=tmp_path_factory.mktemp("quay"))  # fmt: skip
    (server.root / "gavan.toml").write_text(STACK.format(address=server.address))
    try:
        server.run(f"useradd -m -s /bin/bash {ADMIN} && cp -r /root/.ssh /home/{ADMIN}/ && "
                   f"chown -R {ADMIN}: /home/{ADMIN}/.ssh")  # fmt: skip
        _may(server, "NOPASSWD: ALL")
        yield server
    finally:
        machine("vps-down.sh", NAME)
        os.environ.clear()
        os.environ.update(before)


def _may(server: Server, what: str) -> None:
    server.run(f"echo '{ADMIN} ALL=(ALL) {what}' > /etc/sudoers.d/{ADMIN}")


@pytest.fixture(scope="module")
def ready(bare: Server) -> Server:
    """The server after its bootstrap."""
    if bare.run("apt-get update -qq >/dev/null 2>&1 || echo no"):
        pytest.skip("the server reaches no packages: this machine has no network outside")
    # As on Ubuntu: ufw is there, its service runs, and nobody has switched it on.
    bare.run("apt-get install -y -qq ufw >/dev/null 2>&1; systemctl start ufw")
    bare.run(LISTS)
    planned = bare.gavan("hosts", "bootstrap", "--as", ADMIN, "--plan")["data"]["would"]
    assert bare.run(f"id -u {USER} 2>/dev/null; command -v docker; ls /opt; true") == ""
    # The key of the fixture's known_hosts is good enough here; pinning has a test of its own.
    did = bare.gavan("hosts", "bootstrap", "--as", ADMIN, "--yes")["data"]["did"]
    assert did == planned
    assert bare.run("systemctl is-active ufw; systemctl is-active lists || true").split() == [
        "active", "inactive",
    ]  # fmt: skip
    return bare


def test_a_key_is_learned_shown_and_pinned_by_a_person(bare: Server) -> None:
    file = bare.root / "gavan.toml"
    before = file.read_text()
    assert bare.gavan("hosts", "pin", code=6)["error"]["code"] == "GV004"
    assert file.read_text() == before
    told = bare.gavan("hosts", "pin", "--yes")["data"]
    real = bare.run("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub").split()[1]
    assert told["fingerprint"] == real
    assert f'address = "{bare.address}"\nhost_key = "{told["host_key"]}"\n' in file.read_text()
    assert bare.gavan("hosts", "pin")["data"]["fingerprint"] == real


def test_a_server_with_another_key_is_not_talked_to(bare: Server, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"],
                   check=True)  # fmt: skip
    key = " ".join((tmp_path / "key.pub").read_text().split()[:2])
    text = STACK.format(address=bare.address) + f'host_key = "{key}"\n'
    (tmp_path / "gavan.toml").write_text(text)
    other = Server(address=bare.address, root=tmp_path)
    error = other.gavan("hosts", "exec", "--", "true", code=3)["error"]
    assert (error["code"], "gavan hosts pin" in error["mend"]) == ("GV531", True)
    assert other.gavan("hosts", "pin", "--yes", code=3)["error"]["code"] == "GV573"
    assert (tmp_path / "gavan.toml").read_text() == text


def test_who_cannot_log_in_yet_is_told_how_it_begins(bare: Server, tmp_path: Path) -> None:
    text = STACK.format(address=bare.address).replace('"gvn"', '"nobody-yet"')
    (tmp_path / "gavan.toml").write_text(text)
    error = Server(address=bare.address, root=tmp_path).gavan("hosts", "check", code=3)["error"]
    assert "gavan hosts bootstrap --as root" in error["mend"]


def test_who_needs_a_password_for_sudo_is_told_what_to_do_and_nothing_is_done(
    bare: Server,
) -> None:
    _may(bare, "ALL")
    try:
        error = bare.gavan("hosts", "bootstrap", "--as", ADMIN, "--yes", code=3)["error"]
    finally:
        _may(bare, "NOPASSWD: ALL")
    assert (error["code"], "NOPASSWD" in error["mend"]) == ("GV572", True)


def test_the_second_run_changes_nothing_and_says_so(ready: Server) -> None:
    state = (
        "dpkg -l | md5sum; nft -s list ruleset | md5sum; find /etc /opt -printf '%p %T@ %U %m\\n'"
    )
    before = ready.run(state)
    assert "/opt/quay/.env.prod" in before
    again = ready.gavan("hosts", "bootstrap")["data"]
    assert again == {"host": "web", "did": [], "findings": []}
    assert ready.gavan("hosts", "bootstrap", "--as", "root")["data"]["did"] == []
    assert ready.run(state) == before
    assert ready.gavan("hosts", "check")["data"]["findings"] == []


def test_the_user_of_releases_has_docker_and_no_password_and_no_sudo(ready: Server) -> None:
    assert ready.run(f"passwd -S {USER}").split()[1] == "L"
    assert ready.run("docker version --format x", USER) == "x"
    assert ready.run("sudo -n true 2>/dev/null || echo no", USER) == "no"
    assert ready.run("stat -c '%U %a' /opt/quay/.env.prod", USER) == f"{USER} 600"


def test_upgrades_install_themselves_and_leave_containers_running(ready: Server) -> None:
    assert "1" in ready.run("apt-config dump APT::Periodic::Unattended-Upgrade")
    assert ready.run("systemctl is-enabled unattended-upgrades") == "enabled"
    assert ready.run("docker info --format '{{.LiveRestoreEnabled}}'") == "true"


def test_only_the_proxy_is_reached_whatever_docker_publishes(ready: Server) -> None:
    proxy = "--label com.docker.compose.service=proxy"
    ready.run(f"{IMAGE} && {RUN} --name px {proxy} -p 80:8000 {SERVE} && "
              f"{RUN} --name leak -p 8080:8000 {SERVE} && "
              f"{RUN} --name inner -p 127.0.0.1:9000:8000 {SERVE}")  # fmt: skip
    assert ready.answers(80)
    ready.run(f"{CURL} http://127.0.0.1:8080/")
    assert ready.asked(8080) == 0
    found = ready.gavan("hosts", "check", code=3)["data"]["findings"]
    assert len(found) == 1
    assert "leak (0.0.0.0:8080" in found[0]["what"]
    ready.run("docker rm -f leak inner px")
    assert ready.gavan("hosts", "check")["data"]["findings"] == []


def test_a_port_that_was_asked_for_stays_open_in_later_runs(ready: Server) -> None:
    ready.run("systemd-run -q --unit=other /usr/bin/python3 -m http.server 7000")
    ready.run(f"{CURL} http://127.0.0.1:7000/")
    assert ready.asked(7000) == 0
    ready.gavan("hosts", "bootstrap", "--as", "root", "--open", "7000", "--yes")
    assert ready.answers(7000)
    assert ready.gavan("hosts", "bootstrap", "--as", "root")["data"]["did"] == []


def test_a_firewall_that_would_lock_us_out_takes_itself_back(ready: Server) -> None:
    before = ready.run(f"cat {FILE}; nft list table inet gavan")
    host = DeployHost(name="web", address=ready.address, user="root", port=22, path="/opt/quay",
                      host_key="", jump="")  # fmt: skip
    ssh = Ssh(host=host, state_dir=ready.root / ".gavan")
    with pytest.raises(GavanError) as caught:
        set_up(ssh, Doors.of(["80/tcp", "443/udp"]), taken_back_s=6)
    assert caught.value.code == "GV571"
    assert ready.run_when_back(f"cat {FILE}; nft list table inet gavan") == before


def test_what_is_missing_is_installed_and_the_docker_that_is_there_stays(ready: Server) -> None:
    begun = "systemctl show docker --property ExecMainStartTimestamp; dpkg -l docker.io | tail -1"
    before = ready.run(f"apt-get purge -y -qq unattended-upgrades >/dev/null; {begun}")
    did = ready.gavan("hosts", "bootstrap", "--as", ADMIN, "--yes")["data"]["did"]
    assert did == ["install unattended-upgrades from the packages of debian 13"]
    assert ready.run(begun) == before


def test_rules_that_somebody_flushed_are_put_back(ready: Server) -> None:
    ready.run(f"{RULES} && systemctl enable -q --now nftables && systemctl restart docker")
    [did] = ready.gavan("hosts", "bootstrap", "--as", ADMIN, "--yes")["data"]["did"]
    assert did.startswith("open 22/tcp")
    assert ready.gavan("hosts", "bootstrap", "--as", ADMIN)["data"]["did"] == []


def test_the_firewall_outlives_rules_of_somebody_else(ready: Server) -> None:
    for how in ("restart", "reload"):
        # Ours are loaded by a job of their own, right behind.
        ready.run(f"systemctl {how} nftables; for _ in $(seq 100); do "
                  "nft list table inet gavan && exit; sleep 0.1; done; exit 1")  # fmt: skip


def test_the_firewall_stands_before_the_network_after_a_restart(ready: Server) -> None:
    machine("host-ctl.sh", "reboot", NAME)
    active = ready.run_when_back("systemctl is-active gavan-firewall docker nftables")
    assert active.split() == ["active"] * 3
    ready.run("nft list table inet gavan")
    ready.run(f"{RUN} --name leak -p 8080:8000 {SERVE} && {CURL} http://127.0.0.1:8080/")
    assert ready.asked(8080) == 0
    assert ready.gavan("hosts", "exec", "--", "id", "-un")["data"]["stdout"].strip() == USER
