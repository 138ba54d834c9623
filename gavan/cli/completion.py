"""`gavan completion`: the script that teaches a shell the verbs."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from gavan.cli.context import Context
from gavan.cli.render import Result
from gavan.cli.verb import verb

SHELLS = ("bash", "zsh", "fish")


@verb(
    "completion",
    examples=[
        'eval "$(gavan completion bash)"',
        "gavan completion fish > ~/.config/fish/completions/gavan.fish",
    ],
)
@click.argument("shell", type=click.Choice(SHELLS))
def command(context: Context, shell: str) -> Result:
    """Print the completion script of a shell."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    root = click.get_current_context().find_root().command
    script = kind(root, {}, "gavan", "_GAVAN_COMPLETE").source()
    return Result(data={"shell": shell, "script": script}, text=script)
