"""`gavan hosts`: look at a server, set its variables, run a command there."""

from __future__ import annotations

import sys

import click

from gavan.cli.context import Context
from gavan.cli.deploy.common import deployed, host_of, wanted_names
from gavan.cli.deploy.option import host_option
from gavan.cli.render import Result
from gavan.cli.verb import VerbGroup
from gavan.deploy import env_file, hosts
from gavan.deploy.ssh import LONG_S
from gavan.kit.errors import GavanError

group = VerbGroup(
    "hosts", help="Look after the servers of the stack.",
    examples=["gavan hosts check", "gavan hosts bootstrap", "gavan hosts set XAI_API_KEY"],
)  # fmt: skip
group.later(
    bootstrap="gavan.cli.deploy.bootstrap:command", pin="gavan.cli.deploy.bootstrap:pin_key"
)


@group.verb("check", examples=["gavan hosts check"])
@host_option
def check(context: Context, name: str | None) -> Result:
    """Say what keeps the server from running the stack; changes nothing there."""
    project = deployed(context)
    ssh = host_of(context, name)
    stack = context.stack
    facts = hosts.look(ssh, stack.profile.name)
    found = list(hosts.findings(facts, wanted_names(project), stack.deploy.memory))
    found += hosts.remarks(facts)
    lines = [f"{one.what}\n  mend: {one.mend}" for one in found]
    text = "\n".join(lines) or f"{ssh.host.name} is ready for {stack.name}"
    return Result(data={"host": ssh.host.name, "facts": facts.values, "findings": found},
                  text=text, exit_code=3 if found else 0)  # fmt: skip


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
    value = click.prompt(variable, hide_input=True, err=True) if asks else _from_stdin()
    env_file.add_values(ssh, context.stack.profile.name, {variable: value})
    return Result(data={"set": variable}, text=f"{variable} is set; gavan deploy brings it in")


def _from_stdin() -> str:
    """Return what is on stdin without the end of its last line, which every editor adds."""
    return sys.stdin.read().removesuffix("\n").removesuffix("\r")


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
