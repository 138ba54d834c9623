"""`gavan hosts`: look at a server, prepare it, run a command there."""

from __future__ import annotations

import sys

import click

from gavan.cli.context import Context
from gavan.cli.deploy.common import deployed, host_of, wanted_names
from gavan.cli.render import Result
from gavan.cli.verb import VerbGroup
from gavan.database.embedded import passwords_by_role
from gavan.deploy import env_file, hosts
from gavan.deploy.ssh import LONG_S
from gavan.engines.compose.env_file import key_variables, place_variables
from gavan.engines.compose.values import password_variables
from gavan.kit.errors import GavanError
from gavan.secrets.keys import fresh_keys
from gavan.stack.model import Stack

group = VerbGroup(
    "hosts", help="Look after the servers of the stack.",
    examples=["gavan hosts check", "gavan hosts bootstrap", "gavan hosts set XAI_API_KEY"],
)  # fmt: skip
host_option = click.option("--host", "name", metavar="HOST", help="Which one, of several.")


@group.verb("check", examples=["gavan hosts check"])
@host_option
def check(context: Context, name: str | None) -> Result:
    """Say what keeps the server from running the stack; changes nothing there."""
    project = deployed(context)
    ssh = host_of(context, name)
    stack = context.stack
    facts = hosts.look(ssh, stack.profile.name)
    found = list(hosts.findings(facts, wanted_names(project), stack.deploy.memory))
    lines = [f"{one.what}\n  mend: {one.mend}" for one in found]
    text = "\n".join(lines) or f"{ssh.host.name} is ready for {stack.name}"
    return Result(data={"host": ssh.host.name, "facts": facts.values, "findings": found},
                  text=text, exit_code=3 if found else 0)  # fmt: skip


@group.verb("bootstrap", examples=["gavan hosts bootstrap", "gavan hosts bootstrap --yes"])
@host_option
def bootstrap(context: Context, name: str | None) -> Result:
    """Install Docker where it is missing, make the folders, give new keys; says so first."""
    project = deployed(context)
    ssh = host_of(context, name)
    stack = context.stack
    profile = stack.profile.name
    facts = hosts.look(ssh, profile)
    wanted = wanted_names(project)
    values = {key: value for key, value in _values(stack, facts.names).items()
              if key in wanted and key not in facts.names and value}  # fmt: skip
    steps = list(_steps(facts, values, ssh.host.path))
    for step in steps:
        context.progress.message(f"will {step}")
    if steps:
        context.confirm(f"Change {ssh.host.name}?")
    if hosts.needs_docker(facts):
        context.progress.start("docker")
        hosts.install_docker(ssh)
        context.progress.ok("docker")
    if not facts.values["folder"]:
        hosts.make_folder(ssh)
    if values:
        env_file.add_values(ssh, profile, values)
    after = hosts.look(ssh, profile)
    left = list(hosts.findings(after, wanted, stack.deploy.memory))
    lines = [f"done: {step}" for step in steps] or ["nothing to do"]
    lines += [f"left: {one.what}\n  mend: {one.mend}" for one in left]
    return Result(data={"host": ssh.host.name, "did": steps, "findings": left},
                  text="\n".join(lines), exit_code=3 if left else 0)  # fmt: skip


def _steps(facts: hosts.Facts, values: dict[str, str], path: str) -> list[str]:
    steps = ["install Docker and Compose"] if hosts.needs_docker(facts) else []
    steps += [] if facts.values["folder"] else [f"make {path}"]
    return steps + ([f"set {', '.join(sorted(values))}"] if values else [])


def _values(stack: Stack, there: frozenset[str]) -> dict[str, str]:
    """Return addresses of the place and fresh keys; keys that belong together stay together."""
    keys = fresh_keys()
    made = key_variables(keys, password_variables(passwords_by_role(keys)))
    if "JWT_SECRET" in there:
        # Signed by a secret that is not the one there, they would open nothing.
        made = {n: v for n, v in made.items() if n not in ("ANON_KEY", "SERVICE_ROLE_KEY")}
    return {**dict(place_variables(stack)), **made}


@group.verb("set", examples=["gavan hosts set XAI_API_KEY < key.txt"])
@click.argument("variable")
@host_option
def set_variable(context: Context, variable: str, name: str | None) -> Result:
    """Set a variable of the stack on the server; its value is read from stdin or asked for."""
    deployed(context)
    ssh = host_of(context, name)
    if not variable.isidentifier():
        raise GavanError("GV001", f'"{variable}" cannot be the name of a variable', exit_code=2)
    asks = sys.stdin.isatty()
    value = click.prompt(variable, hide_input=True, err=True) if asks else sys.stdin.read()
    env_file.add_values(ssh, context.stack.profile.name, {variable: value})
    return Result(data={"set": variable}, text=f"{variable} is set; gavan deploy brings it in")


@group.verb("exec", examples=["gavan hosts exec -- docker ps"])
@click.argument("words", nargs=-1, required=True)
@host_option
def execute(context: Context, words: tuple[str, ...], name: str | None) -> Result:
    """Run a command on the server and print what it says."""
    deployed(context)
    done = host_of(context, name).attempt(*words, deadline_s=context.flags.timeout_s or LONG_S)
    sys.stderr.write(done.stderr)
    return Result(data={"stdout": done.stdout, "stderr": done.stderr, "exit": done.returncode},
                  text=done.stdout, exit_code=1 if done.returncode else 0)  # fmt: skip
