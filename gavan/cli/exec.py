"""`gavan exec`: run a command with the environment and in the folder of a unit."""

from __future__ import annotations

import os

import click

from gavan.cli.compose import look
from gavan.cli.compose.project import is_compose
from gavan.cli.context import Context
from gavan.cli.local import load_local
from gavan.cli.verb import verb
from gavan.engines.embedded.launch import find_running
from gavan.kit.errors import GavanError


@verb(
    "exec",
    examples=["gavan exec backend -- npm run migrate", "gavan exec core -- env"],
    context_settings={"ignore_unknown_options": True},
)
@click.argument("unit")
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED)
def command(context: Context, unit: str, argv: tuple[str, ...]) -> None:
    """Run a command as a unit of the running stack would run it."""
    if is_compose(context):
        look.execute(context, unit, argv)
    stack, _ = load_local(context)
    with find_running(stack) as client:
        # The marks of the run are not among these: what a person starts is not the stack's.
        answer = client.ask("environment", unit=unit)
    terminal = {
        name: os.environ[name] for name in ("TERM", "COLUMNS", "LINES") if name in os.environ
    }
    env = {**answer["env"], **terminal}
    os.chdir(answer["cwd"])
    try:
        os.execvpe(argv[0], list(argv), env)  # noqa: S606 - what the user asked for
    except OSError as error:
        raise GavanError(
            "GV234", f"cannot run {argv[0]}: {error.strerror}", exit_code=127
        ) from error
