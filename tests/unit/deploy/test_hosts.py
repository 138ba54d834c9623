"""What a server says of itself, how its key is written down, which one of several is meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gavan.cli.context import Context
from gavan.cli.deploy.common import host_of
from gavan.cli.flags import first_guess
from gavan.cli.render import Output
from gavan.deploy import bootstrap, firewall, hosts, pin
from gavan.deploy.bootstrap import Wish
from gavan.deploy.env_file import EnvFile
from gavan.deploy.firewall import Doors
from gavan.deploy.hosts import Facts
from gavan.deploy.ssh import Ssh
from gavan.kit.errors import GavanError
from gavan.stack.load import load
from gavan.stack.model import DeployHost, Position

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFvZ"
WELL = {
    "os": "debian 13", "me": "root", "user": "1000", "python": "3.13", "docker": "26.1",
    "client": "/usr/bin/docker", "compose": "2.26.1", "nft": "/usr/sbin/nft",
    "unattended": "/usr/bin/unattended-upgrade", "upgrades": "1", "folder": "yes", "root": "yes",
    "firewall": "active", "nftables": "inactive", "snap": "", "ipv4": "default via 192.0.2.1",
    "ipv6": "", "memory": "4e9", "disk": "9000000000",
}  # fmt: skip
DOORS = Doors.of(["22/tcp", "80", "443", "443/udp"])


def facts(values: dict[str, str] | None = None, **many: Any) -> Facts:
    lists = {name: () for name in ("rule", "listens", "runs", "came", "other")}
    standing = {"rule": tuple(firewall.rules(DOORS).splitlines()), "came": ("22",)}
    env = EnvFile(names=frozenset(), mode="600", has_crlf=False)
    return Facts(values={**WELL, **(values or {})}, many={**lists, **standing, **many},
                 env=env, skew_s=0.0)  # fmt: skip


def says(one: Facts, doors: Doors = DOORS) -> list[str]:
    wish = Wish(user="deploy", path="/opt/x", doors=doors, env_file="/opt/x/.env.prod")
    return [step.says for step in bootstrap.steps(one, wish)]


def test_nothing_is_done_on_a_server_that_is_as_it_should_be() -> None:
    assert says(facts()) == []
    assert list(hosts.remarks(facts())) == []


def test_a_docker_from_a_snap_is_named_and_nothing_is_put_beside_it() -> None:
    snap = facts({"snap": "/usr/bin/snap", "compose": ""})
    assert [one.what for one in hosts.findings(snap, {}, 0)] == [hosts.SNAP.what]
    host = DeployHost(name="web", address="h", user="root", port=22, path="/opt/x", host_key="",
                      jump="")  # fmt: skip
    with pytest.raises(GavanError) as caught:
        bootstrap.check(snap, Ssh(host=host, state_dir=Path()))
    assert (caught.value.code, "snap remove docker" in str(caught.value.hint)) == ("GV535", True)


def test_a_server_that_only_ipv6_leads_out_of_is_named() -> None:
    found = hosts.remarks(facts({"ipv4": "", "ipv6": "default via fe80::1 dev eth0"}))
    assert [one.what.partition(",")[0] for one in found] == [
        "it reaches the world by IPv6 alone"
    ]  # fmt: skip
    assert list(hosts.remarks(facts({"ipv4": "", "ipv6": ""}))) == []


@pytest.mark.parametrize(
    ("values", "begins"),
    [
        ({"client": "", "compose": ""}, "install Docker, Compose from the packages of debian 13"),
        ({"compose": ""}, "install Compose from"),
        ({"unattended": ""}, "install unattended-upgrades from"),
        ({"user": ""}, "make the user deploy: no password, no sudo"),
        ({"docker": ""}, "put deploy into the group docker"),
        ({"folder": ""}, "make /opt/x"),
        ({"upgrades": "0"}, "switch on unattended upgrades"),
        ({"firewall": "inactive"}, "open 22/tcp, 80/tcp, 443/tcp, 443/udp to the outside"),
    ],
)
def test_each_lack_is_one_step_that_says_what_it_does(values: dict[str, str], begins: str) -> None:
    (said,) = says(facts(values))
    assert said.startswith(begins)


def test_ports_that_would_close_are_named_before() -> None:
    listens = ("tcp 0.0.0.0:22", "tcp [::]:5432", "udp 0.0.0.0%eth0:68", "tcp 127.0.0.1:9000",
               "tcp [::ffff:127.0.0.1]:9001", "udp *:51820")  # fmt: skip
    (said,) = says(facts({"firewall": "inactive"}, listens=listens))
    assert "closes 51820/udp, 5432/tcp" in said
    kept = bootstrap.doors(facts(came=("2222", "")), ("51820/udp",), (80, 8443))
    assert kept.words() == ["22/tcp", "80/tcp", "443/tcp", "2222/tcp", "8443/tcp", "443/udp",
                            "8443/udp", "51820/udp"]  # fmt: skip


def test_a_firewall_of_somebody_else_stays() -> None:
    found = facts({"firewall": "inactive"}, other=("ufw",), rule=())
    assert says(found) == []
    assert list(hosts.remarks(found)) == []


def test_containers_that_publish_past_the_proxy_are_named() -> None:
    runs = (
        "proxy:x-proxy-1 0.0.0.0:80->80/tcp, [::]:80->80/tcp",
        "db:x-db-1 127.0.0.1:5432->5432/tcp, 9000/tcp",
        ":adminer 127.0.0.1:1->1/tcp, 0.0.0.0:8080->8080/tcp",
    )
    assert facts(runs=runs).published == ["adminer (0.0.0.0:8080->8080/tcp)"]


def test_a_key_is_written_below_the_address_and_nothing_else_changes() -> None:
    text = '# here\r\n[deploy.hosts.web]\r\n  address = "192.0.2.1" # vps\r\nport = 22\r\n'
    at = Position(file=Path("gavan.toml"), line=3, column=13)
    changed = pin.with_key(text, at, KEY)
    line = f'  host_key = "{KEY}"\r\n'
    assert changed is not None
    assert line in changed
    assert changed.replace(line, "") == text
    inline = 'hosts = { web = { address = "192.0.2.1" } }\n'
    assert pin.with_key(inline, Position(file=Path("x"), line=1, column=30), KEY) is None
    last = pin.with_key('address = "a"', Position(file=Path("x"), line=1, column=11), KEY)
    assert last == f'address = "a"\nhost_key = "{KEY}"\n'


def test_one_of_several_servers_is_never_guessed(tmp_path: Path) -> None:
    file = tmp_path / "gavan.toml"
    file.write_text('[stack]\nname = "x"\n[deploy.hosts.a]\naddress = "192.0.2.1"\n'
                    '[deploy.hosts.b]\naddress = "192.0.2.2"\n')  # fmt: skip
    context = Context(Output(first_guess([])))
    context.__dict__["loaded"] = load(file, environ={})
    assert host_of(context, "b").host.address == "192.0.2.2"
    for name in (None, "c"):
        with pytest.raises(GavanError) as caught:
            host_of(context, name)
        assert (caught.value.code, caught.value.hint) == ("GV533", "--host NAME")
