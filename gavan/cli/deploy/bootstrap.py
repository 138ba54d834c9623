"""`gavan hosts bootstrap` and `gavan hosts pin`: from a bare server to one that takes a release."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from gavan.cli.context import Context
from gavan.cli.deploy.common import deployed, host_of, wanted_names
from gavan.cli.deploy.option import host_option
from gavan.cli.render import Result
from gavan.cli.verb import verb
from gavan.database.embedded import passwords_by_role
from gavan.deploy import bootstrap, env_file, hosts, pin
from gavan.deploy.ssh import Ssh
from gavan.engines.compose.env_file import key_variables, place_variables
from gavan.engines.compose.values import password_variables
from gavan.kit.errors import GavanError
from gavan.secrets.keys import fresh_keys
from gavan.stack.model import Stack


@verb("bootstrap", examples=["gavan hosts bootstrap --plan", "gavan hosts bootstrap --as root"])
@click.option("--as", "as_user", metavar="USER",
              help="Log in as this user, who is root or has sudo without a password.")  # fmt: skip
@click.option("--plan", "only_plan", is_flag=True, help="Say what it would do, and end.")
@click.option("--open", "doors", multiple=True, metavar="PORT[/udp]",
              help="A further port that the firewall lets in; repeatable.")  # fmt: skip
@host_option
def command(context: Context, **flags: Any) -> Result:
    """Make a server ready: Docker, a user, folders, a firewall, upgrades, keys.

    Says what it would do before it does it; what is done already it leaves alone.
    """
    project = deployed(context)
    ssh = host_of(context, flags["name"])
    stack = context.stack
    admin = _as(ssh, flags["as_user"])
    facts = hosts.look(admin, stack.profile.name, ssh.host.user)
    doors = bootstrap.doors(facts, _doors(flags["doors"]),
                            (stack.profile.http_port, stack.profile.https_port))  # fmt: skip
    wish = bootstrap.Wish(user=ssh.host.user, path=ssh.host.path, doors=doors,
                          env_file=env_file.file_of(ssh, stack.profile.name))  # fmt: skip
    steps = list(bootstrap.steps(facts, wish))
    if steps:
        bootstrap.check(facts, admin)
    wanted = wanted_names(project)
    values = _missing(stack, wanted, _names(ssh, facts, stack))
    said = [step.says for step in steps] + ([f"set {', '.join(sorted(values))}"] if values else [])
    _tell(context, said, facts)
    if flags["only_plan"]:
        return _planned(ssh, said)
    if said:
        context.confirm(f"Change {ssh.host.name}?")
    for step in steps:
        context.progress.start("bootstrap", step.says)
        step.do(admin)
        context.progress.ok("bootstrap", step.says)
    if values:
        env_file.add_values(ssh, stack.profile.name, values)
    after = hosts.look(ssh, stack.profile.name)
    left = list(hosts.findings(after, wanted, stack.deploy.memory))
    seen = [*left, *hosts.remarks(after)]
    lines = [f"did {step}" for step in said] or ["nothing to do"]
    lines += [f"left: {one.what}\n  mend: {one.mend}" for one in seen]
    return Result(data={"host": ssh.host.name, "did": said, "findings": seen},
                  text="\n".join(lines), exit_code=3 if left else 0)  # fmt: skip


def _as(ssh: Ssh, user: str | None) -> Ssh:
    return replace(ssh, host=replace(ssh.host, user=user)) if user else ssh


def _doors(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        number = word.partition("/")[0]
        if word.partition("/")[2] not in ("", "tcp", "udp") or not number.isdigit() \
                or not 0 < int(number) < 65536:  # fmt: skip
            raise GavanError("GV001", f'"{word}" is no port', hint="--open 51820/udp", exit_code=2)
    return words


def _names(ssh: Ssh, facts: hosts.Facts, stack: Stack) -> frozenset[str]:
    """Return the variables that the server has; their file is its user's alone."""
    if not facts.values["user"]:
        return frozenset()
    if facts.values["me"] in ("root", ssh.host.user):
        return facts.env.names
    return env_file.look_at(ssh, stack.profile.name).names


def _missing(stack: Stack, wanted: dict[str, bool], there: frozenset[str]) -> dict[str, str]:
    """Return addresses of the place and fresh keys; keys that belong together stay together."""
    keys = fresh_keys()
    made = key_variables(keys, password_variables(passwords_by_role(keys)))
    if "JWT_SECRET" in there:
        # Signed by a secret that is not the one there, they would open nothing.
        made = {n: v for n, v in made.items() if n not in ("ANON_KEY", "SERVICE_ROLE_KEY")}
    values = {**dict(place_variables(stack)), **made}
    return {n: v for n, v in values.items() if n in wanted and n not in there and v}


def _tell(context: Context, said: list[str], facts: hosts.Facts) -> None:
    for line in said:
        context.progress.message(f"will {line}")
    if facts.other_firewall:
        context.progress.message(f"its firewall {facts.other_firewall} stays as it is: see that it "
                                 "lets SSH and the proxy in")  # fmt: skip

    if facts.values["nftables"] == "active":
        context.progress.message("the rules of its nftables.service stay: what they drop, ours do "
                                 "not let in")  # fmt: skip


def _planned(ssh: Ssh, said: list[str]) -> Result:
    return Result(data={"host": ssh.host.name, "would": said},
                  text="" if said else "nothing to do")  # fmt: skip


@verb("pin", examples=["gavan hosts pin"])
@host_option
def pin_key(context: Context, name: str | None) -> Result:
    """Learn the key of a server and write it into the stack file; shown to you before."""
    deployed(context)
    ssh = host_of(context, name)
    key, pinned = pin.learn(ssh), ssh.host.host_key
    print_ = pin.fingerprint(key)
    data = {"host": ssh.host.name, "host_key": key, "fingerprint": print_}
    if pinned and pinned.split()[1] == key.split()[1]:
        return Result(data=data, text=f"{ssh.host.name} shows the key that is pinned: {print_}")
    if pinned:
        raise GavanError(
            "GV573", f"{ssh.host.name} shows another key than the one that is pinned",
            details=f"pinned {pin.fingerprint(pinned)}, shown {print_}",
            hint="if it was really set up anew, take host_key out of the stack file and run this "
            "again", exit_code=3,
        )  # fmt: skip
    line = f'host_key = "{key}"'
    place = context.stack.positions.get(("deploy", "hosts", ssh.host.name, "address"))
    file = context.stack.file
    text = pin.with_key(file.read_text(encoding="utf-8"), place, key)
    if text is None:
        return Result(data=data, text=f"write into [deploy.hosts.{ssh.host.name}]:\n{line}")
    context.progress.message(
        f"{ssh.host.name} ({ssh.host.address}) shows {key.split()[0]} {print_}\n"
        "compare it on the server's own console: ssh-keygen -lf "
        "/etc/ssh/ssh_host_ed25519_key.pub"
    )
    context.confirm("Is it that server?")
    file.write_text(text, encoding="utf-8")
    return Result(data=data, text=f"pinned in {file.name}: {line}")
